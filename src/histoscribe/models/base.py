"""What a model is, and the registry that names them."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from jaxtyping import Float
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.errors import Problem
from histoscribe.models.catalog import add_model, load_class
from histoscribe.models.recipe import Recipe
from histoscribe.types import Inputs, Output, SpotTable


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a model may be told about its training spots when it is made; saved with it."""

    feature_mean: Float[np.ndarray, " D"]
    feature_scale: Float[np.ndarray, " D"]
    target_mean: Float[np.ndarray, " G"]
    tile_px: int = 0
    """Side of the tiles; 0 where a model sees none."""
    image_mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of each channel over the training tiles, 0-255."""
    image_scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Standard deviation of each channel over the training tiles, 0-255."""


@dataclass(frozen=True, kw_only=True)
class NoConfig:
    """The settings of a model that has none."""

    @classmethod
    def tiny(cls) -> "NoConfig":
        """Settings for tests."""
        return cls()


class Estimator(ABC):
    """A model that is fitted in closed form, in the shape of scikit-learn.

    `fit` sees the training spots of one fold and nothing else; a choice it makes (alpha, a
    number of neighbours) is made on `table.inner`. `state` holds all that `predict` needs.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    Config: ClassVar[Any] = NoConfig
    encoder: ClassVar[str | None] = None
    """The one encoder this model reads; None for that of the run."""

    choice: Mapping[str, Any] = {}
    """What `fit` chose on the inner folds, and the scores it chose by; JSON."""

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config

    @abstractmethod
    def fit(self, table: SpotTable) -> "Estimator":
        """Fit on the training spots."""

    @abstractmethod
    def predict(self, feature: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N G"]:
        """Predict spots from their features."""

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Give the fitted arrays by name."""

    @abstractmethod
    def restore(self, state: Mapping[str, np.ndarray]) -> "Estimator":
        """Take the fitted arrays that `state` gave; a missing or extra name is an error."""


class ExpressionModel(nn.Module, ABC):
    """A neural model; the parameters of `forward` are fields of `Inputs` and say what it sees."""

    name: ClassVar[str]
    paper: ClassVar[str]
    Config: ClassVar[Any] = NoConfig
    config: Any
    encoder: ClassVar[str | None] = None
    choice: Mapping[str, Any] = {}
    """What training chose on the inner folds, and the scores it chose by; JSON."""
    item: ClassVar[str] = "spot"
    """What one row of a batch is: `spot`, `section` or `bag`."""
    pretrained: ClassVar[str | None] = None
    """The encoder whose published weights the network starts from, by name; its config then has
    `weights`: `file` or `random`. None always starts from random numbers."""

    def __init__(self, facts: Facts, config: Any) -> None:
        super().__init__()
        del facts  # a model keeps what it needs as buffers, so that it is saved
        self.config = config

    @abstractmethod
    def forward(self, *args: Any, **inputs: Any) -> Output:
        """Predict from the named fields of `Inputs`."""

    @abstractmethod
    def represent(self, *args: Any, **inputs: Any) -> Float[Tensor, "B R"]:
        """Give what the last layer reads, from the same inputs as `forward`."""

    def loss(
        self, predicted: Float[Tensor, "B G"], target: Float[Tensor, "B G"]
    ) -> Float[Tensor, ""]:
        """What training minimises over a batch."""
        return functional.mse_loss(predicted, target)

    def recipe(self) -> Recipe:
        """How the network is trained, where its paper says so."""
        return Recipe()

    def start_from(self, weights: Path) -> None:
        """Take the weights of the encoder `pretrained`; every tensor of the backbone must fit."""
        raise TypeError(f"{self.name} starts from random weights")

    @classmethod
    def inputs(cls, config: Any) -> tuple[str, ...]:
        """Name the fields of `Inputs` that a network of these settings is given.

        Nothing else is read or looked up for it.
        """
        del config
        return inputs_of(cls)

    @classmethod
    def tile_problem(cls, config: Any, tile_px: int) -> Problem | None:
        """What is wrong with tiles of this side, before anything is read; None: nothing."""
        del config, tile_px
        return None


_SIZES = ("small", "tiny")
_Model = TypeVar("_Model", bound=type[Estimator] | type[ExpressionModel])


def register(name: str) -> Callable[[_Model], _Model]:
    """Make a class the model of this name.

    Raises
    ------
    ValueError
        if another model has the name, or if a class of this package differs from its entry in
        `catalog.toml`.
    TypeError
        if `forward` names anything but fields of `Inputs`.
    """

    def add(cls: _Model) -> _Model:
        if issubclass(cls, ExpressionModel):
            unknown = set(inputs_of(cls)) - {field.name for field in fields(Inputs)}
            if unknown:
                raise TypeError(
                    f"{cls.__qualname__}.forward names {', '.join(sorted(unknown))}; "
                    f"a model sees fields of Inputs only"
                )
        cls.name = name
        add_model(name, cls)
        return cls

    return add


def inputs_of(cls: type[ExpressionModel]) -> tuple[str, ...]:
    """Name the fields of `Inputs` that a model can see, from the signature of its `forward`."""
    return tuple(name for name in inspect.signature(cls.forward).parameters if name != "self")


def model_class(name: str) -> type[Estimator] | type[ExpressionModel]:
    """Give the class of a model; only its own module is imported.

    Raises
    ------
    ValueError
        for an unknown name; the message gives similar names.
    """
    return load_class(name)


def make_config(name: str, settings: Mapping[str, Any]) -> Any:
    """Make a model's settings; a preset starts from another size than the published one.

    `preset = "tiny"` is for tests, `small`, where a model has it, trains on two cores.

    Raises
    ------
    ValueError
        for a key the model does not have, naming those it has; for a value of another kind.
    """
    config_class = model_class(name).Config
    known = {field.name for field in fields(config_class)}
    unknown = sorted(set(settings) - known - {"preset"})
    if unknown:
        has = f"its settings are {', '.join(sorted(known))}" if known else "it has no settings"
        raise ValueError(f"model {name!r} has no setting {', '.join(unknown)}; {has}")
    preset = settings.get("preset", "default")
    presets = {"default": config_class} | {
        size: getattr(config_class, size) for size in _SIZES if hasattr(config_class, size)
    }
    if preset not in presets:
        has = " or ".join(presets)
        raise ValueError(f"model {name!r} has no preset {preset!r}; choose {has}")
    own = {key: value for key, value in settings.items() if key != "preset"}
    return _checked(name, vars(presets[preset]()) | own)


def wrong_values(error: ValidationError) -> str:
    """Say each wrong value of a table of settings, and what it should be, in one line."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))} = {item['input']!r}: {item['msg']}"
        if item["loc"]
        else item["msg"].removeprefix("Value error, ")
        for item in error.errors()
    )


def _checked(name: str, values: Mapping[str, Any]) -> Any:
    """The config of a model; a word where a number belongs would pass for one until it is used."""
    try:
        config = TypeAdapter(model_class(name).Config).validate_python(dict(values))
    except ValidationError as error:
        raise ValueError(f"model {name!r}: {wrong_values(error)}") from None
    if getattr(config, "learning_rate", 1.0) <= 0:
        raise ValueError(f"model {name!r}: learning_rate = {config.learning_rate}: above 0")
    return config


def create_model(name: str, *, facts: Facts | None = None, **settings: Any) -> Any:
    """Make an unfitted `Estimator` or `ExpressionModel` by name.

    A neural model needs `facts` of its training spots: they fix its widths and become buffers,
    so they are saved with it.

    Raises
    ------
    ValueError
        for an unknown name (the near ones are named), an unknown setting or missing facts.
    """
    cls = model_class(name)
    config = make_config(name, settings)
    if issubclass(cls, Estimator):
        return cls(config)
    if facts is None:
        raise ValueError(f"model {name!r} is a network: it needs the facts of its training spots")
    return cls(facts, config)

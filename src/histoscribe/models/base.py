"""Base classes of models, and their registry."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.errors import Problem
from histoscribe.models.catalog import add_model, load_class
from histoscribe.models.configs import make_config as make_config
from histoscribe.models.configs import wrong_values as wrong_values
from histoscribe.models.estimator import Estimator as Estimator
from histoscribe.models.estimator import NoConfig as NoConfig
from histoscribe.models.facts import Facts as Facts
from histoscribe.models.layers.count_head import CountHead, with_counts
from histoscribe.models.recipe import Recipe
from histoscribe.types import CountFamily, Inputs, Item, Labels, Output, TileLimit


class ExpressionModel(nn.Module, ABC):
    """A neural model; the parameters of `forward` are fields of `Inputs` and say what it sees."""

    name: ClassVar[str]
    paper: ClassVar[str]
    Config: ClassVar[Any] = NoConfig
    config: Any
    encoder: ClassVar[str | None] = None
    choice: Mapping[str, Any] = {}
    """What training chose on the inner folds, with the loss and score of each epoch; JSON."""
    heads: ClassVar[tuple[str, ...]] = ()
    """Names of the outputs in `Output.heads`, e.g. `pathways`, one score of each gene set."""
    item: ClassVar[Item] = "spot"
    """Kind of item in a batch: `spot`, `section` or `bag`."""
    pretrained: ClassVar[str | None] = None
    """Encoder with the published weights that the network starts from; its config then has
    `weights`: `file` or `random`. None for a start from random numbers.
    """
    learns_representation: ClassVar[bool] = True
    """Whether any weight lies before the representation; without one, no concept can steer it."""
    usual_tile_px: ClassVar[int | None] = None
    """Side of the tiles that `create_model` assumes; None: it must be given."""
    counts: CountFamily | None
    """Family of the count distribution that it predicts; None for a model of values."""
    head: nn.Module
    """Layer from the representation to the genes, of a network that leaves `read` as it is."""
    count_head: CountHead | None
    """Distribution of counts around the output of `forward`, in training on counts.

    A network with a count distribution of its own sets it to None. Counts that `forward` gives stay
    as they are.
    """
    checkpointing: bool | None = None
    """Whether training keeps only the inputs of the layers and computes the rest again for
    gradients, which takes time and saves memory; None for a model that always keeps everything.
    """

    def __init__(self, facts: Facts, config: Any) -> None:
        super().__init__()
        self.config = config
        # a model keeps its other facts as buffers, so that they are saved
        self.counts = facts.counts
        self.count_head = None if facts.counts is None else CountHead(facts.start_of_counts)

    def __call__(self, *args: Any, **inputs: Any) -> Output:
        """Predict from the named fields of `Inputs`; with the distribution of counts, if any.

        `forward` gives the output of the last layer; for counts, `expression` then becomes the
        mean per 10,000 counts.
        """
        output: Output = super().__call__(*args, **inputs)
        return with_counts(self.count_head, output)

    @abstractmethod
    def forward(self, *args: Any, **inputs: Any) -> Output:
        """Predict from the named fields of `Inputs`: `read(represent(**inputs))`."""

    @abstractmethod
    def represent(self, *args: Any, **inputs: Any) -> Float[Tensor, "*B R"]:
        """Input of the last step, from the same inputs as `forward`."""

    def read(self, representation: Float[Tensor, "*B R"]) -> Output:
        """Predict from the representation, by the layer `head` unless a network says otherwise."""
        return Output(self.head(representation))

    def evidence(self, *args: Any, **inputs: Any) -> Mapping[str, Float[Tensor, "B K _"]]:
        """What each spot adds to the prediction of its item, by name; empty if there is nothing.

        From the same inputs and layers as `forward`: `instance_score` is the prediction for the
        spot alone, `attention` its weight in the item, `contribution` their product, each with a
        column for all genes or one per gene. Zero in padding. Scores are those of the last layer:
        with a distribution of counts, before its softplus.
        """
        del args, inputs
        return {}

    def evidence_widths(self) -> Mapping[str, int]:
        """Number of columns of each evidence: one, one per gene, per pathway or per head."""
        return {}

    def loss(self, output: Output, labels: Labels) -> Float[Tensor, ""]:
        """What training minimises over a batch; padding takes no part."""
        predicted, target = output.expression, labels.target
        if labels.present is not None and predicted.ndim == 3:
            predicted, target = predicted[labels.present], target[labels.present]
        return functional.mse_loss(predicted, target)

    @classmethod
    def recipe(cls, config: Any) -> Recipe:
        """Training recipe of a network with these settings, as far as its paper gives one."""
        del config
        return Recipe()

    def start_from(self, weights: Path) -> None:
        """Load the weights of the encoder `pretrained`; every tensor of the backbone must fit."""
        raise TypeError(f"{self.name} starts from random weights")

    @classmethod
    def inputs(cls, config: Any) -> tuple[str, ...]:
        """Names of the fields of `Inputs` that a network with these settings reads.

        No other field is read or looked up for it.
        """
        del config
        return inputs_of(cls)

    @classmethod
    def initial_encoder(cls, config: Any) -> str | None:
        """Encoder whose weights a network with these settings starts from; None for random ones."""
        return None if cls.pretrained is None or config.weights == "random" else cls.pretrained

    @classmethod
    def tile_limit(cls, config: Any) -> TileLimit:
        """Tiles of a bag that a network with these settings reads for the value of the bag."""
        del config
        return TileLimit()

    @classmethod
    def tile_problem(cls, config: Any, tile_px: int) -> Problem | None:
        """Problem of tiles of this side, reported before reading any; None without a problem."""
        del config, tile_px
        return None


_Model = TypeVar("_Model", bound=type[Estimator] | type[ExpressionModel])


def register(name: str) -> Callable[[_Model], _Model]:
    """Make a class the model of this name.

    Raises
    ------
    ValueError
        if another model has the name, or if a class of this package differs from its entry in
        `catalog.toml`.
    TypeError
        if `forward` names anything but fields of `Inputs`, `recipe` is no class method, or
        `item` is none that there is.
    """

    def add(cls: _Model) -> _Model:
        if issubclass(cls, ExpressionModel):
            _check(cls)
        cls.name = name
        add_model(name, cls)
        return cls

    return add


def _check(cls: type[ExpressionModel]) -> None:
    named, known = set(inputs_of(cls)), {field.name for field in fields(Inputs)}
    labels = named & {field.name for field in fields(Labels)} - known
    if labels:
        raise TypeError(
            f"{cls.__qualname__}.forward names {', '.join(sorted(labels))}: labels are for `loss`, "
            "a model reads fields of Inputs only"
        )
    if named - known:
        raise TypeError(
            f"{cls.__qualname__}.forward names {', '.join(sorted(named - known))}; "
            "a model reads fields of Inputs only"
        )
    if not inspect.ismethod(cls.recipe):
        raise TypeError(
            f"{cls.__qualname__}.recipe must be a class method of the settings: "
            "`@classmethod def recipe(cls, config)`"
        )
    if cls.item not in get_args(Item):
        raise TypeError(
            f"{cls.__qualname__}.item is {cls.item!r}; choose from {', '.join(get_args(Item))}"
        )


def inputs_of(cls: type[ExpressionModel]) -> tuple[str, ...]:
    """Names of the fields of `Inputs` that a model can read: the parameters of its `forward`."""
    return tuple(name for name in inspect.signature(cls.forward).parameters if name != "self")


def reads_tiles(names: Sequence[str]) -> bool:
    """Whether a model with these inputs reads pixels, not only features."""
    return "image" in names or "context_image" in names


def model_class(name: str) -> type[Estimator] | type[ExpressionModel]:
    """Give the class of a model; only its own module is imported.

    Raises
    ------
    ValueError
        for an unknown name; the message gives similar names.
    """
    return load_class(name)


def create_model(
    name: str,
    n_genes: int | None = None,
    feature_width: int | None = None,
    tile_px: int | None = None,
    *,
    facts: Facts | None = None,
    **settings: Any,
) -> Any:
    """Create an unfitted `Estimator` or `ExpressionModel` by name.

    A network is a plain torch module. It gets its widths and the facts of its training spots, which
    become buffers and are saved with it. Without facts it gets its widths here, and means of zero
    and scales of one.

    Parameters
    ----------
    name
        One of `list_models`.
    n_genes
        Number of genes that a network predicts.
    feature_width
        Width of the features, for a network that reads features.
    tile_px
        Side of the tiles, for a network that reads tiles; `tcgn` assumes 224.
    facts
        Facts of the training spots instead of the three widths.
    settings
        The model's own settings, and `preset`; the reference of settings lists them.

    Raises
    ------
    ValueError
        for an unknown name (similar ones are listed), an unknown setting, and widths that are
        missing or that the model does not read.

    Examples
    --------
    >>> import histoscribe as hs
    >>> hs.create_model("knn").name
    'knn'
    >>> hs.create_model("mlp", n_genes=250, feature_width=512).head.weight.shape
    torch.Size([250, 256])
    >>> hs.create_model("tcgn", n_genes=785).side_px
    224
    """
    cls = model_class(name)
    config = make_config(name, settings)
    widths = {"n_genes": n_genes, "feature_width": feature_width, "tile_px": tile_px}
    given = {key: value for key, value in widths.items() if value is not None}
    if issubclass(cls, Estimator):
        if given or facts is not None:
            raise ValueError(f"model {name!r} is no network: it gets its widths when it is fitted")
        return cls(config)
    if facts is None:
        if cls.usual_tile_px is not None:
            given.setdefault("tile_px", cls.usual_tile_px)
        _check_widths(cls, config, given)
        facts = Facts.plain(**given)
    elif given:
        raise ValueError(f"give {', '.join(given)} or facts, not both: facts have all widths")
    return cls(facts, config)


def _check_widths(cls: type[ExpressionModel], config: Any, given: Mapping[str, int]) -> None:
    """Raises ValueError unless these are exactly the widths that the network needs."""
    names = cls.inputs(config)
    needs = ["n_genes"]
    needs += ["feature_width"] if any(name.endswith("feature") for name in names) else []
    needs += ["tile_px"] if reads_tiles(names) else []
    missing = [width for width in needs if width not in given]
    unread = [width for width in given if width not in needs]
    small = [f"{width} = {value}" for width, value in given.items() if value < 1]
    if missing:
        raise ValueError(f"model {cls.name!r} is a network: give {' and '.join(missing)}, or facts")
    if unread:
        raise ValueError(f"model {cls.name!r} reads {', '.join(names)}: leave out {unread[0]}")
    if small:
        raise ValueError(f"model {cls.name!r}: {', '.join(small)}: must be at least 1")

"""Rows of a results table: each a model of the registry with its settings."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from histoscribe.data.exemplars.exemplar_settings import ExemplarSettings
from histoscribe.data.items.kinds import ITEMS
from histoscribe.encoders.perceptual import SMALLEST_PX
from histoscribe.errors import Problem
from histoscribe.models.base import (
    Estimator,
    ExpressionModel,
    make_config,
    model_class,
    reads_tiles,
    wrong_values,
)
from histoscribe.models.catalog import list_models, model_source
from histoscribe.models.recipe import Recipe
from histoscribe.types import PATHWAYS, Item

_OF_THE_ROW = ("model", "encoder", "exemplars")
_OF_EVERY_TABLE = ("oracle-depth", "shuffled")


@dataclass(frozen=True)
class ModelRow:
    """One row of the results: a model with settings, encoder and exemplars."""

    name: str
    model: str
    """Name of the model in the registry."""
    config: Any
    """The model's own settings, parsed: a `Config` of its class."""
    encoder: str | None
    """Name of its encoder; None is the encoder of the run."""
    exemplars: ExemplarSettings | None
    """None for a model that reads no exemplars with these settings."""

    @property
    def cls(self) -> type[Estimator] | type[ExpressionModel]:
        """Class of the model."""
        return model_class(self.model)

    @property
    def item(self) -> Item:
        """What the model takes for one item; an estimator predicts spots."""
        cls = self.cls
        return cls.item if issubclass(cls, ExpressionModel) else "spot"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Fields of `Inputs` that the model reads."""
        return _inputs(self.cls, self.config)

    @property
    def is_network(self) -> bool:
        """Whether the model is trained by gradients, not fitted in closed form."""
        return issubclass(self.cls, ExpressionModel)

    @property
    def recipe(self) -> Recipe:
        """Training of a network as its paper gives it; nothing for an estimator."""
        cls = self.cls
        return cls.recipe(self.config) if issubclass(cls, ExpressionModel) else Recipe()

    @property
    def scores_pathways(self) -> bool:
        """Whether the model gives a score of each pathway."""
        cls = self.cls
        return issubclass(cls, ExpressionModel) and PATHWAYS in cls.heads

    @property
    def can_checkpoint(self) -> bool:
        """Whether its training can compute layers again instead of keeping them in memory."""
        cls = self.cls
        return issubclass(cls, ExpressionModel) and cls.checkpointing is not None

    @property
    def needs_pathways(self) -> bool:
        """Whether the weights of the model start from the genes of named pathways."""
        return getattr(self.config, "pathway_init", "free") != "free"

    @property
    def sees_tiles(self) -> bool:
        """Whether the model reads pixels."""
        return reads_tiles(self.inputs)

    @property
    def reads_corners(self) -> bool:
        """Whether training turns its tiles by any angle, and reads what comes into the corners."""
        return getattr(self.config, "corners", None) == "read"


def make_row(name: str, given: Mapping[str, Any], exemplars: ExemplarSettings) -> ModelRow:
    """Make the row `name` from its table of settings; a row with a model's name is that model.

    Parameters
    ----------
    given
        `model`, `encoder` and `exemplars` of the row, and settings of the model.
    exemplars
        Exemplars of the run, overridden by those of the row.

    Raises
    ------
    ValueError
        for an unknown model, setting or value, listing the known ones; for a row with the name of
        another model or of a reference row; for a name that cannot be a folder.
    """
    model = str(given.get("model", name))
    _check_name(name, model)
    try:
        cls = model_class(model)
    except ValueError as error:
        hint = "" if "model" in given else f'; or name its model: [settings.{name}] model = "..."'
        raise ValueError(f"{error}{hint}") from None
    own = {key: value for key, value in given.items() if key not in _OF_THE_ROW}
    config = make_config(model, own)
    inputs = _inputs(cls, config)
    looks_up = any(field.startswith("exemplar") for field in inputs)
    if "exemplars" in given and not looks_up:
        raise ValueError(f"row {name!r}: model {model!r} reads no exemplars with these settings")
    if "encoder" in given and cls.encoder is not None:
        raise ValueError(f"row {name!r}: model {model!r} reads {cls.encoder} and nothing else")
    return ModelRow(
        name=name,
        model=model,
        config=config,
        encoder=given.get("encoder", cls.encoder),
        exemplars=_laid_over(exemplars, given.get("exemplars", {}), name) if looks_up else None,
    )


def source_files(rows: Sequence[ModelRow]) -> dict[str, str]:
    """File that identifies the source of users' models among these rows; mostly none."""
    found = {row.model: model_source(row.model) for row in rows}
    sources = {name: source.to_json() for name, source in found.items() if source is not None}
    text = json.dumps(sources, indent=1, sort_keys=True) + "\n"
    return {"model_sources.json": text} if sources else {}


def _inputs(cls: type[Estimator] | type[ExpressionModel], config: Any) -> tuple[str, ...]:
    if not issubclass(cls, ExpressionModel):
        return ("feature",)
    names, built = cls.inputs(config), ITEMS[cls.item].built
    unknown = [name for name in names if name not in built]
    if unknown:
        raise ValueError(
            f"model {cls.name!r} reads {', '.join(unknown)}, and its item is a {cls.item}; a "
            f"{cls.item} has {', '.join(sorted(built))}"
        )
    return names


def _check_name(name: str, model: str) -> None:
    if name != model and name in (*list_models(), *_OF_EVERY_TABLE):
        raise ValueError(
            f"row {name!r} of model {model!r}: {name!r} has another meaning in the tables; choose "
            "another name"
        )
    if name.startswith(".") or not name.strip() or set(name) & set("/\\"):
        raise ValueError(
            f"row {name!r}: this is also the name of a folder; use no /, no \\ and no leading dot"
        )


def _laid_over(exemplars: ExemplarSettings, given: Mapping[str, Any], row: str) -> ExemplarSettings:
    try:
        return ExemplarSettings.model_validate(exemplars.model_dump() | dict(given))
    except ValidationError as error:
        known = ", ".join(ExemplarSettings.model_fields)
        raise ValueError(
            f"row {row!r}, exemplars: {wrong_values(error)} (its keys are {known})"
        ) from None


def _too_small_to_compare(row: str, tile_px: int) -> Iterator[Problem]:
    if tile_px < SMALLEST_PX:
        yield Problem(
            where=f'row {row}, exemplars.distance = "lpips"',
            found=f"tiles of {tile_px} px",
            expected=f"at least {SMALLEST_PX} px: the net that compares them shrinks tiles",
            remedy=f"set inputs.tile_px to {SMALLEST_PX} or more, or use another distance",
        )


def tile_problems(rows: Sequence[ModelRow], tile_px: int) -> Iterator[Problem]:
    """Problems of this tile side for the models and distances that read tiles."""
    for row in rows:
        if row.exemplars is not None and row.exemplars.distance == "lpips":
            yield from _too_small_to_compare(row.name, tile_px)
        cls = row.cls
        if row.sees_tiles and issubclass(cls, ExpressionModel):
            problem = cls.tile_problem(row.config, tile_px)
            if problem is not None:
                yield replace(problem, where=f"row {row.name}, {problem.where}")

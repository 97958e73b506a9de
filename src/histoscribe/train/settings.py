"""The settings of a run: one TOML file, strict; an unknown key names the known ones."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field, ValidationError, model_validator

from histoscribe.data.exemplars.exemplar_settings import ExemplarSettings
from histoscribe.data.folds import FoldSettings
from histoscribe.data.target import TargetSettings
from histoscribe.encoders.egn_extractor.settings import ExtractorSettings
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.cohort import resolved
from histoscribe.io.sections.qc import Filters
from histoscribe.strict import StrictSettings, override, settings_problems
from histoscribe.train.row import ModelRow, make_row

Positive = Annotated[int, Field(ge=1)]


class InputSettings(StrictSettings):
    """What a model is shown of a spot."""

    tile_px: Positive = 224
    """Side of the square tile around each spot, px at `mpp`."""
    mpp: Annotated[float, Field(gt=0)] = 0.5
    """um/px the slide is read at."""
    encoder: str = "colour_texture"
    """What turns a tile into features, by name."""
    layer: str | None = None
    """Layer of the encoder whose pooled map is the feature; its last by default."""
    weights: Literal["file", "random"] = "file"
    """`random` takes an encoder without weights, and says so on the card."""
    white_off_tissue: bool = True
    """Off-tissue pixels are made white: the background gives the patient away."""
    stain: Literal["none", "reinhard"] = "none"
    """`reinhard` gives the tissue of every slide the mean and deviation of colour of the fold's
    training slides; features are then made anew for each fold."""
    hed_jitter: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Above 0, models are fitted on jittered views of the training spots too: each stain (HED) is
    scaled by up to 1 +- this and shifted by up to +- this in optical density."""
    views: Positive = 1
    """Jittered views of each training spot where `hed_jitter` is above 0: features and their
    cache take 1 + this times as much."""

    @model_validator(mode="after")
    def _views_are_jittered(self) -> "InputSettings":
        if self.views > 1 and self.hed_jitter == 0:
            raise ValueError(f"{self.views} views, and hed_jitter is 0: they would be copies")
        return self


class TrainSettings(StrictSettings):
    """How a network is fitted."""

    epochs: Positive = 100
    """At most, where the best one is kept; else exactly."""
    keep: Literal["best", "last"] = "best"
    """`best` fits on a part of the training patients and keeps the epoch that scored best on the
    rest; `last` fits on all of them and keeps the last epoch."""
    patience: Positive = 20
    """Epochs without a better inner score before stopping."""
    batch_size: Positive = 64
    """Items in a step: spots, or whole sections or bags where a model takes those."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Of AdamW, for a model that has none of its own."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    """Of AdamW, decoupled from the gradient, for a model that has none of its own."""


class MachineSettings(StrictSettings):
    """Where and how a run computes."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the encoder: bfloat16 is used where its features agree with float32; and of networks in
    training, whose weights stay in float32."""


class RunSettings(StrictSettings):
    """One run: one cohort, one protocol, any number of models."""

    seed: int = 0
    """Of every random draw; the same seed on the same machine gives the same bits."""
    cohort: str
    """A manifest (relative to the settings file), `catalog:NAME`, or `hest:FOLDER` or
    `stnet:FOLDER` (relative too), laid out like HEST-1k or the ST-Net data set. `memory` stands for
    a cohort that was handed over in Python: the hashes of its data say which."""
    sections: tuple[str, ...] | None = None
    """All of the cohort by default."""
    where: Mapping[str, str | tuple[str, ...]] = {}
    """Only sections with this value, or one of these, in a column of the manifest or of the
    folder's metadata, e.g. `organ = "Bowel"`; all columns named must fit."""
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names, in the order of the tables; `train` takes one. A name is that of a model, or of a row
    whose table of settings says `model = "NAME"`."""
    filters: Filters = Filters()
    folds: FoldSettings = FoldSettings()
    target: TargetSettings = TargetSettings()
    inputs: InputSettings = InputSettings()
    exemplars: ExemplarSettings = ExemplarSettings()
    extractor: ExtractorSettings = ExtractorSettings()
    settings: Mapping[str, Mapping[str, Any]] = {}
    """Per row: the model's own settings, and `preset`, `model`, `encoder` and `exemplars`."""
    train: TrainSettings = TrainSettings()
    run: MachineSettings = MachineSettings()

    @model_validator(mode="after")
    def _models_and_their_settings_exist(self) -> "RunSettings":
        if len(set(self.models)) != len(self.models):
            raise ValueError(f"a model is named twice in {', '.join(self.models)}")
        for name in dict.fromkeys((*self.models, *self.settings)):
            self.row(name)
        return self

    def row(self, name: str) -> ModelRow:
        """One row of the tables, as these settings have it."""
        return make_row(name, self.settings.get(name, {}), self.exemplars)

    @property
    def rows(self) -> tuple[ModelRow, ...]:
        """All rows, in the order of the tables."""
        return tuple(self.row(name) for name in self.models)


def read_settings(
    path: str | Path, overrides: Sequence[str] = (), *, cohort: str | None = None
) -> RunSettings:
    """Read a settings file.

    Parameters
    ----------
    path
        A TOML file. The path of its cohort is relative to the folder of the file.
    overrides
        Settings to change, as `table.key=value` with values in TOML.
    cohort
        The cohort, for a file that names none.

    Raises
    ------
    DataContractError
        listing every unknown key (with the near ones), wrong value and unknown model.

    Examples
    --------
    >>> import histoscribe as hs
    >>> settings = hs.read_settings("run.toml", ["target.n_genes=100"])  # doctest: +SKIP
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        found = str(error.strerror or error).lower()
        raise DataContractError(
            Problem(str(path), found, "a settings file in TOML", "check the path")
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataContractError(
            Problem(str(path), f"not TOML: {error}", "a settings file in TOML", "mend that line")
        ) from None
    for text in overrides:
        override(table, text)
    if isinstance(table.get("cohort"), str):
        # absolute, so that the run is the same from whichever folder it is started again
        table["cohort"] = resolved(table["cohort"], path.parent)
    elif cohort is not None:
        table.setdefault("cohort", cohort)
    return parse_settings(table, str(path))


def parse_settings(table: Mapping[str, Any], where: str) -> RunSettings:
    """Check a table of settings; `where` names it in messages."""
    try:
        return RunSettings.model_validate(table)
    except ValidationError as error:
        expected = "a value as the reference of settings describes"
        raise DataContractError(settings_problems(error, RunSettings, where, expected)) from None


def dump_settings(settings: RunSettings) -> str:
    """The settings as resolved, as TOML; reading it back gives the same settings."""
    return tomli_w.dumps(_without_none(settings.model_dump(mode="json")))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value

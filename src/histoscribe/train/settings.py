"""Settings of a run: one strict TOML file; the error of an unknown key lists the known ones."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field, ValidationError, model_validator

from histoscribe.data.bulk_settings import BulkSettings
from histoscribe.data.exemplars.exemplar_settings import ExemplarSettings
from histoscribe.data.folds import FoldSettings
from histoscribe.data.genesets import PathwaySettings, with_whole_paths
from histoscribe.data.panel import IN_EACH_SECTION
from histoscribe.data.target import TargetSettings
from histoscribe.data.transform import LINEAR
from histoscribe.encoders.egn_extractor.settings import ExtractorSettings
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.cohort import resolved
from histoscribe.io.files import read_text
from histoscribe.io.sections.qc import Filters
from histoscribe.strict import StrictSettings, override, settings_problems
from histoscribe.train.bulk_rules import bulk_contradictions
from histoscribe.train.leak_rules import epoch_contradictions
from histoscribe.train.row import ModelRow, make_row
from histoscribe.train.steer_settings import SteerSettings
from histoscribe.train.train_settings import TrainSettings as TrainSettings

Positive = Annotated[int, Field(ge=1)]


class InputSettings(StrictSettings):
    """Tiles and encoder that give the inputs of models."""

    tile_px: Annotated[int, Field(ge=1, le=10_000)] = 224
    """Side of the square tile around each spot, px at `mpp`."""
    mpp: Annotated[float, Field(gt=0, le=1000)] = 0.5
    """um/px at which slides are read."""
    encoder: str = "colour_texture"
    """Name of the encoder, which turns a tile into features."""
    layer: str | None = None
    """Layer of the encoder whose pooled map is the feature; its last by default."""
    weights: Literal["file", "random"] = "file"
    """`random` draws random weights, which the card states."""
    white_off_tissue: bool = True
    """Make off-tissue pixels white, because the background can reveal the patient."""
    stain: Literal["none", "reinhard"] = "none"
    """`reinhard` gives the tissue of every slide the mean and deviation of colour of the fold's
    training slides; features are then computed separately for each fold.
    """
    hed_jitter: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Above 0, models are also fitted on jittered views of the training spots: each stain (HED) is
    scaled by up to 1 +- this value and shifted by up to +- this value in optical density.
    """
    views: Positive = 1
    """Number of jittered views of each training spot if `hed_jitter` is above 0: features and cache
    need 1 + this number times as much.
    """

    @model_validator(mode="after")
    def _views_are_jittered(self) -> "InputSettings":
        if self.views > 1 and self.hed_jitter == 0:
            raise ValueError(f"{self.views} views, and hed_jitter is 0: they would be copies")
        return self


class MachineSettings(StrictSettings):
    """Device and precision of a run."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` uses a GPU if there is one."""
    devices: Positive = 1
    """Number of GPUs, or of processes on a CPU, that train a network together: each takes every
    n-th batch, and a step has as many batches as there are devices.
    """
    threads: Positive = 1
    """Threads of a CPU that fit one model. The last bits of a result depend on their number, so it
    is a setting, and a machine with more cores does not use more of them for this; features are
    computed on all cores, whatever it says.
    """
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the encoder (bfloat16 is used if its features agree with float32) and of
    networks in training, whose weights stay in float32; on a GPU also of predictions of tiles that
    agree.
    """
    scheduler: Annotated[str | None, Field(exclude=True)] = None
    """Address of a Dask scheduler, e.g. `tcp://10.0.0.1:8786`: its workers compute features and
    fits. No result depends on it, so it stands in `run.json` only.
    """


class RunSettings(StrictSettings):
    """One run: one cohort, one protocol, any number of models."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of every random draw; the same seed on the same machine gives the same bits."""
    cohort: str
    """A manifest (relative to the settings file), `catalog:NAME`, or `hest:FOLDER` or
    `stnet:FOLDER` (relative too), laid out like HEST-1k or the ST-Net data set. `memory` stands for
    a cohort that was handed over in Python: the hashes of its data say which."""
    sections: tuple[str, ...] | None = None
    """Section ids; default: the whole cohort."""
    where: Mapping[str, str | tuple[str, ...]] = {}
    """Select sections with this value, or one of these, in a column of the manifest or of the
    folder's metadata, e.g. `organ = "Bowel"`; all given columns must match.
    """
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    """Rows of the results, in this order; `train` takes one. A name is a model, or a row whose
    settings have `model = "NAME"`.
    """
    filters: Filters = Filters()
    bulk: BulkSettings = BulkSettings()
    folds: FoldSettings = FoldSettings()
    target: TargetSettings = TargetSettings()
    pathways: PathwaySettings = PathwaySettings()
    inputs: InputSettings = InputSettings()
    exemplars: ExemplarSettings = ExemplarSettings()
    extractor: ExtractorSettings = ExtractorSettings()
    settings: Mapping[str, Mapping[str, Any]] = {}
    """Settings of each row: those of its model, and `preset`, `model`, `encoder` and `exemplars`.
    """
    train: TrainSettings = TrainSettings()
    steer: SteerSettings = SteerSettings()
    run: MachineSettings = MachineSettings()

    @model_validator(mode="after")
    def _models_and_their_settings_exist(self) -> "RunSettings":
        if len(set(self.models)) != len(self.models):
            raise ValueError(f"a model is named twice in {', '.join(self.models)}")
        for name in dict.fromkeys((*self.models, *self.settings)):
            self.row(name)
        return self

    @model_validator(mode="after")
    def _counts_have_a_linear_target(self) -> "RunSettings":
        if self.train.counts is not None and self.target.transform != LINEAR:
            raise ValueError(
                f'train.loss = "{self.train.loss}" reads raw counts and predicts counts per '
                f'10,000, and target.transform is "{self.target.transform}": set '
                f'target.transform = "{LINEAR}"'
            )
        return self

    @model_validator(mode="after")
    def _weighted_pathways_are_predicted(self) -> "RunSettings":
        if self.train.pathway_weight == 0:
            return self
        if self.pathways.sets is None:
            raise ValueError(
                "train.pathway_weight is for pathways, and there are no gene sets: name them by "
                "pathways.sets"
            )
        networks = [row for row in self.rows if row.is_network]
        without = [row.name for row in networks if row.item == "bag" or not row.scores_pathways]
        if without:
            raise ValueError(
                "train.pathway_weight is for networks that give each spot scores of pathways, and "
                f"{', '.join(without)} does not: leave the weight out, or put it in another run"
            )
        return self

    @model_validator(mode="after")
    def _checkpoints_are_offered(self) -> "RunSettings":
        without = [row.name for row in self.rows if row.is_network and not row.can_checkpoint]
        if self.train.checkpoint and without:
            raise ValueError(
                f"train.checkpoint: {', '.join(without)} cannot compute layers again: leave it "
                "out, or put them in another run"
            )
        return self

    @model_validator(mode="after")
    def _bags_and_leaks_can_be_made(self) -> "RunSettings":
        if wrong := [*bulk_contradictions(self), *epoch_contradictions(self)]:
            raise ValueError("; ".join(wrong))
        return self

    @model_validator(mode="after")
    def _pathways_of_weights_are_named(self) -> "RunSettings":
        rows = [row.name for row in self.rows if row.needs_pathways]
        if rows and self.pathways.sets is None:
            raise ValueError(
                f"{', '.join(rows)} starts its weights from the genes of pathways, and there are "
                'no gene sets: name them by pathways.sets, or set pathway_init = "free"'
            )
        return self

    @model_validator(mode="after")
    def _genes_of_sets_can_come_first(self) -> "RunSettings":
        target = self.target
        if self.pathways.first and (target.listed is not None or target.panel == IN_EACH_SECTION):
            kind = "is a list" if target.listed is not None else "has no size of its own"
            raise ValueError(
                f"pathways.first chooses genes of the sets first, and the panel {kind}: leave out "
                "one"
            )
        return self

    def row(self, name: str) -> ModelRow:
        """Row with this name, from these settings."""
        return make_row(name, self.settings.get(name, {}), self.exemplars)

    @property
    def rows(self) -> tuple[ModelRow, ...]:
        """Rows in the order of the tables."""
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
        listing every unknown key (with similar ones), wrong value and unknown model.

    Examples
    --------
    >>> import histoscribe as hs
    >>> settings = hs.read_settings("run.toml", ["target.n_genes=100"])  # doctest: +SKIP
    """
    path = Path(path)
    text = read_text(path, "a settings file in TOML")
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataContractError(
            Problem(str(path), f"not TOML: {error}", "a settings file in TOML", "correct that line")
        ) from None
    for change in overrides:
        override(table, change)
    if isinstance(table.get("cohort"), str):
        # absolute, so that the run is the same when started from another folder
        table["cohort"] = resolved(table["cohort"], path.parent)
    elif cohort is not None:
        table.setdefault("cohort", cohort)
    make_paths_whole(table, path.parent)
    return parse_settings(table, str(path))


def make_paths_whole(table: dict[str, Any], folder: Path) -> None:
    """Make the paths of files that settings name absolute, from the folder of the settings."""
    if isinstance(table.get("pathways"), dict):
        table["pathways"] = with_whole_paths(table["pathways"], folder)
    for name, key in (("bulk", "table"), ("target", "genes")):
        part = table.get(name)
        if isinstance(part, dict) and isinstance(part.get(key), str):
            table[name] = {**part, key: str((folder / part[key]).resolve())}


def parse_settings(table: Mapping[str, Any], where: str) -> RunSettings:
    """Check a table of settings; `where` names it in messages."""
    try:
        return RunSettings.model_validate(table)
    except ValidationError as error:
        expected = "a value as described in the settings reference"
        raise DataContractError(settings_problems(error, RunSettings, where, expected)) from None


def dump_settings(settings: RunSettings) -> str:
    """All settings as TOML; reading it back gives the same settings.

    Values that are left to each model stay open: cards have the epochs and the batch of each row.
    """
    return tomli_w.dumps(_without_none(settings.model_dump(mode="json")))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value

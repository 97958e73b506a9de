"""Score predictions of any tool as models of a benchmark are scored."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from histoscribe.benchmark.band import SHUFFLED
from histoscribe.benchmark.foreign.matching import CohortGenes, match_sections
from histoscribe.benchmark.foreign.model import ForeignModel
from histoscribe.benchmark.foreign.sets import AnyPredictions, PredictionSet, prediction_sets
from histoscribe.benchmark.foreign.training import TrainedOn, TrainingTable, training_table
from histoscribe.benchmark.foreign.units import Units, unit_of, unknown_models
from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.result import Benchmark
from histoscribe.benchmark.run import finish_run
from histoscribe.benchmark.score import ORACLE
from histoscribe.data.folds import make_folds
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.predictions.value_table import SECTION
from histoscribe.io.run_folder import in_folder
from histoscribe.io.sections.source import is_file_name
from histoscribe.io.sections.table import some
from histoscribe.signature import spelled_out
from histoscribe.threads import fixed_threads
from histoscribe.train.arguments import (
    AnyCohort,
    AnyModels,
    RunOptions,
    cache_of,
    run_cohort,
    run_settings,
    weights_of,
)
from histoscribe.train.settings import RunSettings, parse_settings
from histoscribe.types import Cohort

BASELINES = ("mean", "colour", "depth", "knn", "ridge")
"""Rows beside a foreign model, unless settings name others: what it must be compared with."""
_OWN = ("models", "unit", "trained_on", "section_column")


class ScoreOptions(RunOptions, total=False):
    """What is said of foreign predictions, and the tables of a settings file as keywords."""

    models: AnyModels
    unit: Units
    trained_on: TrainedOn
    section_column: str


@spelled_out(ScoreOptions)
def score(
    cohort: AnyCohort,
    predictions: AnyPredictions,
    *,
    settings: RunSettings | str | Path | None = None,
    out: str | Path | None = None,
    **options: Unpack[ScoreOptions],
) -> Benchmark:
    """Score predictions that any tool made, as models of a benchmark are scored.

    They stand in one table with baselines that are fitted on the other patients of the cohort, on
    the same folds, test spots and genes; with the shuffled band, the depth oracle, q values and
    the search for a shift. The card says what could not be checked.

    Parameters
    ----------
    cohort
        The measured sections, as for `benchmark`.
    predictions
        A file or folder (AnnData or CSV), AnnData, a data frame or a `Prediction`; or these by
        section; or any of these by the name of a model. Spots are rows and genes columns, named as
        in the cohort (ids or symbols; versions of Ensembl ids are ignored). The section of a row is
        in a column of `obs`, or a file is named after it.
    settings
        A settings file (TOML) of the run, e.g. that of a benchmark to compare with. Its models are
        fitted as baselines.
    out
        The run folder. By default a temporary one, which is removed when the result is no longer
        used.
    models
        Baselines instead of `mean`, `colour`, `depth`, `knn` and `ridge`.
    unit
        Scale of the predicted values: the name of a transform such as `cp10k-log1p`, or one for
        each model. Without settings it becomes the scale of the target. Where it is unknown, scores
        that compare values are left out; correlations stay.
    trained_on
        Patients or sections that the models were trained on; or these by the fold, patient or
        section that was predicted; or a table of them (CSV). An overlap with the predicted patients
        is a leak, which the card and every table state.
    section_column
        Column of `obs`, or of a table, with the section of each spot.
    seed, sections, where
        As in a settings file.
    filters, bulk, folds, target, pathways, inputs, exemplars, extractor, train, steer, run
        Tables of a settings file, as for `benchmark`.
    cache
        Folder for computed features; by default `$HISTOSCRIBE_CACHE`, else the platform's cache
        folder.
    weights
        Weight files of encoders by name, if they are not in the usual places.

    Returns
    -------
    As `benchmark`: tables of the scores, and the run folder, of which `report` makes a page.

    Raises
    ------
    DataContractError
        for an invalid cohort or settings, and listing every problem of the predictions: unknown
        sections, no common spot or gene, duplicates, missing values, a wrong unit.

    Examples
    --------
    >>> import histoscribe as hs
    >>> scores = hs.score("cohort.csv", "theirs.h5ad", unit="cp10k-log1p")  # doctest: +SKIP
    >>> scores.summary  # doctest: +SKIP
    """
    resolved = _settings(cohort, settings, options)
    opened = run_cohort(cohort if isinstance(cohort, Cohort) else None, resolved)
    column = options.get("section_column") or SECTION
    sets = prediction_sets(predictions, opened, column)
    models = foreign_models(
        sets, opened, resolved, options.get("unit"), training_table(options.get("trained_on"))
    )
    if settings is None and "transform" not in (options.get("target") or {}):
        resolved = _on_their_scale(resolved, models)

    def work(folder: Path) -> Benchmark:
        plan = make_plan(
            resolved,
            folder,
            weights=weights_of(options),
            cache=cache_of(options),
            cohort=opened,
            foreign=models,
        )
        return finish_run(plan)

    with fixed_threads():
        return in_folder(out, work)


def foreign_models(
    sets: Sequence[PredictionSet],
    cohort: Cohort,
    settings: RunSettings,
    units: Units | None,
    training: TrainingTable,
) -> list[ForeignModel]:
    """Match prediction sets with a cohort.

    Raises DataContractError that lists every problem of every set, and of what is said of them.
    """
    names = [of.name for of in sets]
    folds = make_folds(cohort, settings.folds, settings.seed)
    problems = [problem for name in names for problem in _name_problems(name, settings)]
    problems += unknown_models(units, names)
    problems += training.problems(cohort, [fold.name for fold in folds], names)
    genes, models = CohortGenes(cohort), []
    for of in sets:
        try:
            sections = match_sections(of, cohort, genes)
            unit = unit_of(of, sections, units)
        except DataContractError as error:
            problems += error.problems
        else:
            # names without the folders of this machine, which mean nothing to other readers
            source = some(tuple(dict.fromkeys(Path(table.where).name for _, table in of.tables)))
            models.append(ForeignModel(of.name, source, unit, sections, training.of(of.name)))
    if problems:
        raise DataContractError(problems)
    return models


def _settings(
    cohort: AnyCohort, settings: RunSettings | str | Path | None, options: ScoreOptions
) -> RunSettings:
    tables: dict[str, Any] = {k: v for k, v in options.items() if k not in _OWN and v is not None}
    models = options.get("models")
    if settings is None and models is None:
        models = BASELINES
    resolved = run_settings(cohort, models, settings, RunOptions(**tables))  # type: ignore[typeddict-item]
    if resolved.run.scheduler is not None:
        raise DataContractError(
            Problem(
                where="settings, run.scheduler",
                found=f"{resolved.run.scheduler}, to score predictions of other tools",
                expected="none: this is done in one process",
                remedy="leave it out",
            )
        )
    if resolved.bulk.makes_bags:
        raise DataContractError(
            Problem(
                where="settings, bulk",
                found="a run on bags",
                expected="a run on spots: predictions are scored spot by spot",
                remedy="leave the table [bulk] out",
            )
        )
    return resolved


def _on_their_scale(settings: RunSettings, models: Sequence[ForeignModel]) -> RunSettings:
    """The settings with the one known unit of all models as the scale of the target."""
    units = {model.unit for model in models}
    unit = units.pop() if len(units) == 1 else None
    if unit is None:
        return settings
    table: dict[str, Any] = settings.model_dump(mode="json", exclude_none=True)
    table["target"] = {**table["target"], "transform": unit}
    return parse_settings(table, "arguments")


def _name_problems(name: str, settings: RunSettings) -> list[Problem]:
    taken = (*settings.models, ORACLE, SHUFFLED)
    remedy = "name it otherwise: NAME=PATH, or in Python {NAME: predictions}"
    if name in taken:
        expected = f"a name other than those of the run: {', '.join(taken)}"
        return [Problem(f"predictions {name}", "the name of another row", expected, remedy)]
    if not name or not is_file_name(name):
        expected = "a name that can be a folder: results are written to it"
        return [Problem(f"predictions {name!r}", "not a name of a file", expected, remedy)]
    return []

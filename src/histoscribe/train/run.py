"""Fit a model on all sections and write its predictor folder."""

from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Unpack

from histoscribe.data.folds import whole_fold
from histoscribe.data.target import Target
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.cohort import cohort_folders
from histoscribe.io.durations import keep_duration
from histoscribe.io.run_folder import claimed, in_folder
from histoscribe.io.work_place import work_place
from histoscribe.predictor.facts import cohort_card, data_files
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.gene_scores import Benchmarked
from histoscribe.predictor.limits import ValueRange
from histoscribe.predictor.predictor import Predictor
from histoscribe.predictor.reference import fit_reference
from histoscribe.predictor.saving import is_predictor, load_predictor, save_predictor
from histoscribe.progress import tell
from histoscribe.signature import spelled_out
from histoscribe.threads import fixed_threads
from histoscribe.train.arguments import (
    AnyCohort,
    AnyModels,
    RunFolder,
    RunOptions,
    cache_of,
    no_tables,
    run_cohort,
    run_path,
    run_settings,
    settings_of_run,
    weights_of,
)
from histoscribe.train.benchmark_of import read_benchmark
from histoscribe.train.bulk_data import BulkData, open_bulk
from histoscribe.train.bulk_fit import fit_bulk_predictor
from histoscribe.train.checkpoint_file import CHECKPOINT
from histoscribe.train.departures import tell_departures
from histoscribe.train.feature_jobs import extract_all
from histoscribe.train.fit import fit
from histoscribe.train.outline import training_outline
from histoscribe.train.row import ModelRow
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import RunSettings, dump_settings
from histoscribe.train.shared_run import OpenRun, SharedRun, check_travels
from histoscribe.train.tables import row_table
from histoscribe.train.training_card import training_card
from histoscribe.types import Fold, SpotTable


@spelled_out(RunOptions)
def train(
    cohort: AnyCohort | None = None,
    model: AnyModels | None = None,
    *,
    out: str | Path | None = None,
    scores: RunFolder | str | Path | None = None,
    settings: RunSettings | str | Path | None = None,
    **options: Unpack[RunOptions],
) -> Predictor:
    """Fit one model on all sections and write its predictor folder.

    Choices are made on inner folds of the training patients, as in a benchmark. How well the
    predictor does on new patients is what a benchmark says.

    Parameters
    ----------
    cohort
        A manifest (path of a CSV file), `catalog:NAME`, `hest:FOLDER`, `stnet:FOLDER`, or a cohort
        in memory (see `cohort_of` and `read_cohort`). Optional if the settings contain it.
    model
        Name of a model, or its name with settings: `{"egn": {"preset": "tiny"}}`.
    out
        The predictor folder. By default a temporary one, which is removed when the predictor is no
        longer used.
    scores
        Result or run folder of a benchmark of this model: the predictor stores its scores of each
        gene. Without `settings` and single tables, its settings are used, too.
    settings
        A settings file (TOML) instead of `model` and single tables.
    seed, sections, where
        As in a settings file.
    filters, folds, target, pathways, inputs, exemplars, extractor, train, steer, run
        Tables of a settings file, e.g. `target={"n_genes": 100}`. An unknown key is an error.
    cache
        Folder for computed features; by default `$HISTOSCRIBE_CACHE`, else the platform's cache
        folder.
    weights
        Weight files of encoders by name, if they are not in the usual places.

    Raises
    ------
    DataContractError
        if there are several models; for invalid data, settings or weights; if the benchmark has
        another model, settings or data; and if `out` holds something else. Nothing is written then.

    Examples
    --------
    >>> import histoscribe as hs
    >>> predictor = hs.train("cohort.csv", "ridge", out="ridge")  # doctest: +SKIP
    """
    run = run_path(scores)
    if run is not None and isinstance(model, str) and settings is None and no_tables(options):
        whole = settings_of_run(run, model, cohort)
    else:
        whole = run_settings(cohort, model, settings, options)
    if len(whole.models) != 1:
        raise DataContractError(_several(whole.models))
    tell_departures(whole)
    weights, cache = weights_of(options), cache_of(options)
    with fixed_threads():
        if whole.bulk.makes_bags:
            bulk = open_bulk(whole, weights, cache, cohort)
            return in_folder(out, lambda folder: _train_on_bags(bulk, folder, run))
        run_data = RunData(whole, run_cohort(cohort, whole), weights, cache)
        return in_folder(out, lambda folder: _train(run_data, folder, run))


def _several(models: tuple[str, ...]) -> Problem:
    return Problem(
        where="settings, models",
        found=f"{len(models)} models: {', '.join(models)}",
        expected="one model, for one predictor folder",
        remedy=f"name it: --model {models[-1]}",
    )


def _train(run_data: RunData, out: Path, benchmark: Path | None) -> Predictor:
    fold = whole_fold(run_data.cohort, run_data.settings.seed)
    run_data.check([fold])
    target = run_data.target(fold.train)
    scored = _benchmarked(benchmark, run_data, fold, target)
    files, start = _run_files(run_data, out), monotonic()
    with claimed(out, files):
        if is_predictor(out):
            kept = load_predictor(out, run_data.weights)
            return _with_scores(_same(kept, run_data, fold, out), scored, out)
        tell(training_outline(run_data, files))
        row, is_whole = run_data.settings.rows[0], not (out / "resume" / CHECKPOINT).exists()
        _extract_elsewhere(run_data)
        predictor = fit_predictor(run_data, fold, row, target, out, scored)
        if is_whole:
            keep_duration(run_data.cache, files, monotonic() - start)
        return predictor


def _extract_elsewhere(run_data: RunData) -> None:
    """Let the workers of a scheduler compute the features; without one, the fit does it."""
    settings = run_data.settings
    if settings.run.scheduler is None:
        return
    folders = cohort_folders(settings.cohort)
    where = work_place(scheduler=settings.run.scheduler, written=[run_data.cache], read=folders)
    check_travels(run_data, where)
    for _ in extract_all(SharedRun.of(OpenRun(run_data, whole=True)), where):
        pass


def _train_on_bags(bulk: BulkData, out: Path, benchmark: Path | None) -> Predictor:
    """Fit a model on all bags; a benchmark on bags has no scores of genes in tissue to keep."""
    if benchmark is not None:
        raise DataContractError(_no_scores(benchmark))
    fold, run_data = bulk.whole_fold(), bulk.run_data
    run_data.check([fold])
    target = bulk.target(fold)
    with claimed(out, {**_run_files(run_data, out), **bulk.identity_files}):
        if is_predictor(out):
            return _same(load_predictor(out, run_data.weights), run_data, fold, out)
        return fit_bulk_predictor(bulk, fold, run_data.settings.rows[0], target, out)


def _no_scores(run: Path) -> Problem:
    return Problem(
        where=str(run),
        found="a benchmark, and settings with [bulk]: its scores are of bags, not of tissue",
        expected="no benchmark",
        remedy="leave it out; the scores are in its card.md",
    )


def _benchmarked(
    run: Path | None, run_data: RunData, fold: Fold, target: Target
) -> Benchmarked | None:
    if run is None:
        return None
    encoding = run_data.encoding(run_data.settings.rows[0].encoder, fold)
    sections = cohort_card(run_data.cohort, run_data.cohort.ids)
    return read_benchmark(run, run_data.settings, encoding, sections, target.genes)


def _with_scores(predictor: Predictor, scored: Benchmarked | None, out: Path) -> Predictor:
    """Finished predictor with these scores; written again only if they are new."""
    if scored is None or (predictor.benchmark is not None and predictor.benchmark.same(scored)):
        return predictor
    return save_predictor(replace(predictor, benchmark=scored), out)


def _run_files(run_data: RunData, out: Path) -> dict[str, str]:
    """Files that identify the run; those of the data are removed with the resume folder."""
    files = {"settings.toml": dump_settings(run_data.settings), **run_data.identity_files}
    if is_predictor(out):
        return files  # its card has the hashes, see _same
    data = {"encoders.json": run_data.encoders_text(), **data_files(run_data.cohort)}
    return files | {f"resume/{name}": text for name, text in data.items()}


def _same(predictor: Predictor, run_data: RunData, fold: Fold, out: Path) -> Predictor:
    """Finished predictor in the folder, if sections and encoder are the same.

    A trained encoder is not trained again for this check: settings and sections decide it.
    """
    encoder, trained_on = run_data.settings.rows[0].encoder, predictor.card.sections
    same = run_data.source(encoder).by_fold or predictor.encoding == run_data.encoding(
        encoder, fold
    )
    if same and trained_on == cohort_card(run_data.cohort, run_data.cohort.ids):
        return predictor
    raise DataContractError(
        Problem(
            where=str(out),
            found="a predictor that was trained on other data or weights",
            expected="a new folder, or the predictor's training data",
            remedy="give another --out, or remove the folder",
        )
    )


def fit_predictor(
    run_data: RunData,
    fold: Fold,
    row: ModelRow,
    target: Target,
    folder: Path,
    scored: Benchmarked | None = None,
) -> Predictor:
    """Fit one row on the training spots of a fold and save it as a predictor folder."""
    table = row_table(run_data, fold, target, row)
    fitted = fit(
        row,
        table,
        run_data.settings,
        folder / "resume",
        protocol=fold.protocol,
        weights=run_data.weights,
    )
    made = predictor_of(run_data, fold, row, target, fitted, table)
    return save_predictor(replace(made, benchmark=scored), folder)


def predictor_of(
    run_data: RunData, fold: Fold, row: ModelRow, target: Target, fitted: Fitted, table: SpotTable
) -> Predictor:
    """Make the predictor of a row that was fitted on the training table of a fold; not saved."""
    return Predictor(
        row.name,
        fitted,
        target,
        run_data.encoding(row.encoder, fold),
        training_card(run_data, fold, row, target, fitted, table),
        fit_reference(table.as_they_are, run_data.cohort, fold.train, run_data.settings.seed),
        ValueRange.of(table.target),
        device=run_data.settings.run.device,
        _encoder=run_data.source(row.encoder).open(fold),
    )

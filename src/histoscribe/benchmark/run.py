"""Run a benchmark: every model and the baselines on held-out patients."""

import itertools
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Unpack

import pandas as pd

from histoscribe import parallel
from histoscribe.benchmark.alignment import alignment_table, foreign_alignment
from histoscribe.benchmark.band import Shuffled, shuffled_fold
from histoscribe.benchmark.bulk_run import bulk_benchmark, make_bulk_plan
from histoscribe.benchmark.card import card_text, run_card
from histoscribe.benchmark.cell import check_predictions, run_cell
from histoscribe.benchmark.cell_job import CellJob
from histoscribe.benchmark.checks import run_checks
from histoscribe.benchmark.differences import differences_table
from histoscribe.benchmark.maps import draw_maps
from histoscribe.benchmark.outline import finished_cells, run_outline
from histoscribe.benchmark.part_tables import FILE as PARTS_FILE
from histoscribe.benchmark.part_tables import part_rows, parts_table
from histoscribe.benchmark.pathway_maps import draw_pathway_maps
from histoscribe.benchmark.pathway_scores import FoldPathways, fold_pathways
from histoscribe.benchmark.pathway_tables import FILE as PATHWAYS_FILE
from histoscribe.benchmark.pathway_tables import pathway_rows, pathways_table
from histoscribe.benchmark.patients import (
    PatientValues,
    fold_patients,
    patient_rows,
    patients_table,
    scored_by_patient,
)
from histoscribe.benchmark.plan import RunPlan, make_plan
from histoscribe.benchmark.result import Benchmark
from histoscribe.benchmark.results import Results, best_model
from histoscribe.benchmark.score import Truth, score_fold, score_rows
from histoscribe.benchmark.spread import spread_table, total_spread
from histoscribe.benchmark.tables import chance_counts, genes_table, summary_table
from histoscribe.data.target import Target
from histoscribe.errors import DataContractError
from histoscribe.io.atomic import write_json, write_text
from histoscribe.io.checksums import write_checksums
from histoscribe.io.cohorts.cohort import cohort_folders
from histoscribe.io.csv_table import csv_text
from histoscribe.io.durations import keep_duration
from histoscribe.io.job_turn import claims_removed
from histoscribe.io.run_folder import CARD, claimed, in_folder
from histoscribe.io.work_place import work_place
from histoscribe.printable import printable_lines
from histoscribe.progress import tell, track
from histoscribe.signature import spelled_out
from histoscribe.threads import fixed_threads, kernels
from histoscribe.train.arguments import (
    AnyCohort,
    AnyModels,
    RunOptions,
    cache_of,
    run_cohort,
    run_settings,
    weights_of,
)
from histoscribe.train.departures import tell_departures
from histoscribe.train.feature_jobs import extract_all
from histoscribe.train.settings import RunSettings
from histoscribe.train.shared_run import OpenRun, SharedRun, check_travels, of_bags
from histoscribe.types import Fold, GeneMap


@dataclass(frozen=True, eq=False)
class _FoldResult:
    fold: Fold
    target: Target
    truths: list[Truth]
    scores: pd.DataFrame
    band: list[Shuffled]
    constant: dict[str, int]
    spread: pd.DataFrame
    parts: pd.DataFrame
    patients: list[PatientValues]
    pathways: FoldPathways | None


@spelled_out(RunOptions)
def benchmark(
    cohort: AnyCohort | None = None,
    models: AnyModels | None = None,
    *,
    out: str | Path | None = None,
    settings: RunSettings | str | Path | None = None,
    **options: Unpack[RunOptions],
) -> Benchmark:
    """Score models on patients outside their training data.

    Every model is fitted once per fold and predicts the sections of the held-out patients. A
    stopped run that is started again with the same `out` computes only what is missing and ends in
    the same files.

    Parameters
    ----------
    cohort
        A manifest (path of a CSV file), `catalog:NAME`, `hest:FOLDER`, `stnet:FOLDER`, or a cohort
        in memory (see `cohort_of` and `read_cohort`). Optional if `settings` contain it.
    models
        Names of models, or the settings of each model by its name:
        `{"ridge": {}, "egn": {"preset": "tiny"}}`. `list_models` has all names.
    out
        The run folder. By default a temporary one, which is removed when the result is no longer
        used.
    settings
        A settings file (TOML) instead of `models` and single tables.
    seed, sections, where
        As in a settings file.
    filters, folds, target, pathways, inputs, exemplars, extractor, train, steer, run
        Tables of a settings file, e.g. `target={"n_genes": 100}`, with the same checks: an unknown
        key is an error. The settings reference lists the keys.
    cache
        Folder for computed features; by default `$HISTOSCRIBE_CACHE`, else the platform's cache
        folder.
    weights
        Weight files of encoders by name, if they are not in the usual places.

    Returns
    -------
    Tables of the scores, and the run folder.

    Raises
    ------
    DataContractError
        for an invalid cohort, settings or weights, before anything is written; and if `out` holds
        another run. All problems are reported at once.

    Examples
    --------
    >>> import histoscribe as hs
    >>> scores = hs.benchmark("cohort.csv", ["mean", "ridge"], out="run")  # doctest: +SKIP
    >>> scores.summary  # doctest: +SKIP
    """
    resolved = run_settings(cohort, models, settings, options)
    tell_departures(resolved)
    weights, cache = weights_of(options), cache_of(options)
    if resolved.bulk.makes_bags:
        if resolved.run.scheduler is not None:
            raise DataContractError(of_bags("settings, run.scheduler"))

        def work_on_bags(folder: Path) -> Benchmark:
            return bulk_benchmark(
                make_bulk_plan(resolved, folder, weights=weights, cache=cache, cohort=cohort)
            )

        with fixed_threads():
            return in_folder(out, work_on_bags)
    opened = run_cohort(cohort, resolved)

    def work(folder: Path) -> Benchmark:
        plan = make_plan(resolved, folder, weights=weights, cache=cache, cohort=opened)
        where = work_place(
            scheduler=resolved.run.scheduler,
            written=(folder, cache),
            read=cohort_folders(resolved.cohort),
        )
        return finish_run(replace(plan, division=parallel.Division(where)))

    with fixed_threads():
        return in_folder(out, work)


def finish_run(plan: RunPlan) -> Benchmark:
    """Compute what the folder of a run lacks, then its tables, card and pictures."""
    start, files = monotonic(), plan.files()
    workers = parallel.check(plan.division.where)
    with claimed(plan.out, files), claims_removed(plan.out, alone=True):
        check_predictions(plan.out)
        tell(run_outline(plan, files))
        is_whole = not finished_cells(plan)
        run_cells(plan)
        folds = [_score(plan, fold) for fold in track(plan.folds, "scores")]
        found = _write_tables(plan, folds)
        write_checksums(plan.out)
        seconds = round(monotonic() - start, 1)
        if is_whole and plan.division == parallel.ALONE:
            keep_duration(plan.run_data.cache, files, seconds)
        took = {"seconds": seconds, "ended": datetime.now(UTC).isoformat()}
        took |= plan.division.to_json(workers)
        write_json(
            plan.out / "run.json", {**took, "machine": platform.platform(), "kernels": kernels()}
        )
    return found


def run_cells(plan: RunPlan) -> None:
    """Fit every model on every fold and predict the test sections; finished cells are kept."""
    where, shard = plan.division.where, plan.division.shard
    check_travels(plan.run_data, where)
    shared = SharedRun.of(OpenRun(plan.run_data, known=plan.folds, targets=dict(plan.targets)))
    for _ in extract_all(shared, where, shard):
        pass
    out, models = plan.out.absolute(), plan.settings.models
    jobs = [CellJob(shared, out, fold.name, model) for fold in plan.folds for model in models]
    for _ in parallel.run_all(plan.division.part(jobs), where, "models x folds"):
        pass
    for fold, model in itertools.product(plan.folds, plan.foreign.models):
        run_cell(plan, fold, model, plan.targets[fold.name])


def _score(plan: RunPlan, fold: Fold) -> _FoldResult:
    target = plan.targets[fold.name]
    scored = list(score_fold(plan, fold, target))
    truths = list({item.truth.section: item.truth for item in scored}.values())
    constant: dict[str, int] = {}
    for item in scored:
        n_constant = item.evaluated.n_constant_predictions
        constant[item.model] = constant.get(item.model, 0) + n_constant
    band = shuffled_fold(plan, fold, target, truths)
    return _FoldResult(
        fold=fold,
        target=target,
        truths=truths,
        scores=score_rows(fold, scored),
        band=band,
        constant=constant,
        spread=spread_table(scored),
        parts=part_rows(fold, scored),
        patients=fold_patients(plan, fold, scored),
        pathways=fold_pathways(plan, fold, target, scored),
    )


def _write_tables(plan: RunPlan, folds: list[_FoldResult]) -> Benchmark:
    out, seed = plan.out, plan.settings.seed
    scores = pd.concat([result.scores for result in folds], ignore_index=True)
    band = [part for result in folds for part in result.band]
    truths = [(result.fold, truth) for result in folds for truth in result.truths]
    patients = patients_table([part for result in folds for part in result.patients])
    pathways = [result.pathways for result in folds if result.pathways is not None]
    more = [*patient_rows(patients), *pathway_rows(pathways, seed)]
    summary = summary_table(scores, band, seed, more)
    genes = genes_table(scores, band, [truth for _, truth in truths])
    results = Results(
        plan=plan,
        truths=[truth for _, truth in truths],
        summary=summary,
        constant={m: sum(of.constant[m] for of in folds) for m in folds[0].constant},
        spread=total_spread([result.spread for result in folds]),
        parts=parts_table([result.parts for result in folds]),
        alignment=alignment_table(plan, truths, best_model(summary, plan.models)),
        foreign_alignment=foreign_alignment(plan, truths),
    )
    checks = run_checks(results)
    maps = draw_maps(plan, truths, genes, results.best())
    pathway_maps = _write_pathways(plan, pathways)
    chance = chance_counts(genes, plan.models)
    targets = [(result.fold, result.target) for result in folds]
    card = run_card(results, targets, scores, checks, (maps, pathway_maps))
    tables = {
        "scores.csv": scores,
        "genes.csv": genes,
        "alignment.csv": results.alignment,
        "foreign_alignment.csv": results.foreign_alignment if plan.foreign.models else None,
        "differences.csv": differences_table(scores, seed),
        PARTS_FILE: results.parts,
        "patients.csv": patients if scored_by_patient(plan) else None,
    }
    _write_csvs(out, tables)
    write_json(out / CARD, card.to_json())
    write_text(out / "card.md", printable_lines(card_text(card, chance)))
    _write_csv(out / "summary.csv", summary)
    return Benchmark(out, summary, genes, scores, tuple(checks), parts=results.parts)


def _write_pathways(plan: RunPlan, pathways: list[FoldPathways]) -> list[GeneMap]:
    """Write the table and the maps of pathways, if the run has gene sets; returns the maps."""
    if not pathways:
        return []
    table = pathways_table(pathways)
    _write_csv(plan.out / PATHWAYS_FILE, table)
    return draw_pathway_maps(plan, table)


def _write_csvs(out: Path, tables: Mapping[str, pd.DataFrame | None]) -> None:
    """Write tables by name; a run without one of them has None."""
    for name, table in tables.items():
        if table is not None:
            _write_csv(out / name, table)


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_text(path, csv_text(table))

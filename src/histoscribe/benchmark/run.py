"""One command, one honest answer: every model on held-out patients, beside its baselines."""

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pandas as pd

from histoscribe.benchmark.alignment import alignment_table
from histoscribe.benchmark.band import Shuffled, shuffled_fold
from histoscribe.benchmark.card import card_text, run_card
from histoscribe.benchmark.cell import run_cell
from histoscribe.benchmark.checks import run_checks
from histoscribe.benchmark.differences import differences_table
from histoscribe.benchmark.maps import draw_maps
from histoscribe.benchmark.plan import RunPlan, make_plan
from histoscribe.benchmark.results import Check, Results, best_model
from histoscribe.benchmark.score import Truth, score_fold, score_rows
from histoscribe.benchmark.tables import genes_table, summary_table
from histoscribe.data.target import Target
from histoscribe.io.atomic import replacing, write_json, write_text
from histoscribe.io.run_folder import claimed
from histoscribe.io.weights import cache_folder
from histoscribe.predictor.encoding import WeightFiles
from histoscribe.progress import track
from histoscribe.train.settings import RunSettings
from histoscribe.types import Fold


@dataclass(frozen=True, eq=False)
class Benchmark:
    """What a finished run found; the same lies in its folder."""

    folder: Path
    summary: pd.DataFrame
    genes: pd.DataFrame
    scores: pd.DataFrame
    checks: tuple[Check, ...]


@dataclass(frozen=True, eq=False)
class _FoldResult:
    fold: Fold
    target: Target
    truths: list[Truth]
    scores: pd.DataFrame
    band: list[Shuffled]
    constant: dict[str, int]


def benchmark(
    settings: RunSettings,
    out: Path,
    *,
    cache: Path | None = None,
    weights: WeightFiles | None = None,
) -> Benchmark:
    """Run every model of the settings on every fold and write the run folder.

    A killed run started again does only what is missing, and ends in the same files.

    Raises
    ------
    DataContractError
        for a cohort, settings or weights that do not do, before anything is written, and where
        `out` holds another run.
    """
    start = monotonic()
    plan = make_plan(settings, out, weights=weights or {}, cache=cache or cache_folder())
    with claimed(out, plan.files()):
        run_cells(plan)
        folds = [_score(plan, fold) for fold in track(plan.folds, "scores")]
        found = _write_tables(plan, folds)
        took = {"seconds": round(monotonic() - start, 1), "ended": datetime.now(UTC).isoformat()}
        write_json(out / "run.json", {**took, "machine": platform.platform()})
    return found


def run_cells(plan: RunPlan) -> None:
    """Fit every model on every fold and predict the test sections; finished cells are kept."""
    cells = [(fold, model) for fold in plan.folds for model in plan.settings.models]
    for fold in plan.folds:
        for encoder in plan.bank.encoders():
            for section in plan.bank.cohort.ids:
                plan.bank.extract(encoder, section, fold)
    for fold, model in track(cells, "models x folds"):
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
    return _FoldResult(fold, target, truths, score_rows(fold, scored), band, constant)


def _write_tables(plan: RunPlan, folds: list[_FoldResult]) -> Benchmark:
    out, seed = plan.out, plan.settings.seed
    scores = pd.concat([result.scores for result in folds], ignore_index=True)
    band = [part for result in folds for part in result.band]
    truths = [(result.fold, truth) for result in folds for truth in result.truths]
    summary = summary_table(scores, band, seed)
    genes = genes_table(scores, band, [truth for _, truth in truths])
    constant = {
        model: sum(result.constant[model] for result in folds) for model in folds[0].constant
    }
    alignment = alignment_table(plan, truths, best_model(summary, plan.settings.models))
    results = Results(plan, [truth for _, truth in truths], summary, constant, alignment)
    checks = run_checks(results)
    maps = draw_maps(plan, truths, genes, results.best())
    card = run_card(results, [(r.fold, r.target) for r in folds], scores, checks, maps)
    _write_csv(out / "scores.csv", scores)
    _write_csv(out / "genes.csv", genes)
    _write_csv(out / "alignment.csv", alignment)
    _write_csv(out / "differences.csv", differences_table(scores, seed))
    write_json(out / "card.json", card)
    write_text(out / "card.md", card_text(card))
    _write_csv(out / "summary.csv", summary)
    return Benchmark(out, summary, genes, scores, tuple(checks))


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")

"""Benchmark on bags: patients with bulk expression, or blocks of spots, on held-out patients."""

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pandas as pd

from histoscribe.benchmark.bulk_band import band_rows, shuffled_bags
from histoscribe.benchmark.bulk_card import bulk_card, bulk_card_text, bulk_checks
from histoscribe.benchmark.bulk_cell import BulkPlan, BulkRow, rows_of, run_bulk_cell
from histoscribe.benchmark.bulk_scores import (
    WITHIN,
    fold_scores,
    fold_truth,
    mean_over_folds,
    over_bags,
)
from histoscribe.benchmark.cell import check_predictions
from histoscribe.benchmark.result import Benchmark
from histoscribe.data.bag_groups import FEWEST_BAGS
from histoscribe.data.folds import fold_cards
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import write_json, write_text
from histoscribe.io.checksums import write_checksums
from histoscribe.io.csv_table import csv_text
from histoscribe.io.durations import keep_duration
from histoscribe.io.run_folder import CARD, claimed
from histoscribe.predictor.encoding import WeightFiles
from histoscribe.predictor.facts import data_files
from histoscribe.printable import counted, printable_lines
from histoscribe.progress import tell, track
from histoscribe.threads import kernels
from histoscribe.train.arguments import AnyCohort
from histoscribe.train.bulk_data import open_bulk
from histoscribe.train.outline import time_words
from histoscribe.train.settings import RunSettings, dump_settings
from histoscribe.types import Fold

SUMMARY = ("model", "metric", "fold", "mean", "low", "high", "deviation", "n_bags", "n_undefined")


def make_bulk_plan(
    settings: RunSettings,
    out: Path,
    *,
    weights: WeightFiles,
    cache: Path,
    cohort: AnyCohort | None = None,
) -> BulkPlan:
    """Read the data, make the folds and fit their targets; nothing is written.

    Raises
    ------
    DataContractError
        for invalid data or settings, and for folds with too few test bags for a correlation.
    """
    bulk = open_bulk(settings, weights, cache, cohort)
    folds = bulk.folds()
    few = [fold for fold in folds if len(bulk.side(fold.test)) < FEWEST_BAGS]
    if few:
        raise DataContractError(
            Problem(
                where="settings, folds",
                found=f"{len(few)} of {len(folds)} folds with fewer than {FEWEST_BAGS} test bags, "
                f"e.g. {few[0].name}",
                expected=f"at least {FEWEST_BAGS} in each: a correlation is over the test bags of "
                "one fold, because each fold has another training mean",
                remedy="set folds.k to a number, e.g. folds.k = 5",
            )
        )
    bulk.run_data.check(folds)
    targets = {fold.name: bulk.target(fold) for fold in track(folds, "panels and transforms")}
    return BulkPlan(bulk, folds, targets, out)


def bulk_benchmark(plan: BulkPlan) -> Benchmark:
    """Fit every row on every fold, and score what it predicts of the test bags."""
    start, files, cache = monotonic(), _run_files(plan), plan.bulk.run_data.cache
    with claimed(plan.out, files):
        check_predictions(plan.out)
        cells = [(fold, row) for fold in plan.folds for row in rows_of(plan.bulk)]
        is_whole = not (plan.out / "predictors").exists()
        tell(f"{_outline(plan, cells)}; {time_words(cache, files)}")
        for fold, row in track(cells, "models x folds"):
            run_bulk_cell(plan, fold, row)
        truths = [fold_truth(plan, fold) for fold in plan.folds]
        scores = pd.concat([fold_scores(plan, truth) for truth in truths], ignore_index=True)
        band = band_rows([shuffled_bags(plan, t) for t in track(truths, "shuffled bags")])
        names = [fold.name for fold in plan.folds]
        summary = pd.concat([mean_over_folds(scores, names), band], ignore_index=True)
        summary = summary.reindex(columns=list(SUMMARY))
        metrics = (over_bags(plan), *((WITHIN,) if plan.bulk.table is None else ("mape",)))
        checks = bulk_checks(plan, summary, metrics)
        card = bulk_card(plan, checks)
        _write_csv(plan.out / "scores.csv", scores)
        _write_csv(plan.out / "summary.csv", summary)
        write_json(plan.out / CARD, card.to_json())
        words = bulk_card_text(card, summary, metrics)
        write_text(plan.out / "card.md", printable_lines(words))
        write_checksums(plan.out)
        seconds = round(monotonic() - start, 1)
        if is_whole:
            keep_duration(cache, files, seconds)
        took = {"seconds": seconds, "ended": datetime.now(UTC).isoformat()}
        write_json(
            plan.out / "run.json", {**took, "machine": platform.platform(), "kernels": kernels()}
        )
    every = summary[summary["fold"] == "*"]
    genes = scores.groupby(["model", "metric", "gene"], sort=False)["value"].mean().reset_index()
    return Benchmark(plan.out, every, genes, scores, tuple(checks), main=metrics)


def _outline(plan: BulkPlan, cells: Sequence[tuple[Fold, BulkRow]]) -> str:
    """Models, folds and slides of the run."""
    rows, slides = counted(len(rows_of(plan.bulk)), "model"), len(plan.bulk.cohort.ids)
    folds, fits = counted(len(plan.folds), "fold"), counted(len(cells), "fit")
    return f"{rows} on {folds}: {fits}; {counted(slides, 'slide')}"


def _run_files(plan: BulkPlan) -> dict[str, str]:
    """Files that identify the run in its folder, by name."""
    folds = [card.to_json() for card in fold_cards(plan.folds)]
    return {
        "settings.toml": dump_settings(plan.bulk.settings),
        "folds.json": json.dumps(folds, indent=1, sort_keys=True) + "\n",
        "encoders.json": plan.bulk.run_data.encoders_text(),
        **data_files(plan.bulk.cohort),
        **plan.bulk.run_data.identity_files,
        **plan.bulk.identity_files,
    }


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_text(path, csv_text(table))

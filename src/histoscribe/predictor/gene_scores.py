"""Reliability of each gene: its scores on held-out patients, from a benchmark."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from histoscribe.data.folds import leaky
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.csv_table import csv_rows, read_csv_rows
from histoscribe.io.run_folder import CARD, read_run_card
from histoscribe.metrics.chance import ChanceCount, above_band, above_chance
from histoscribe.types import BenchmarkCard

GENES_FILE = "genes.csv"
GENE_SCORE_COLUMNS = (
    *("pcc", "pcc_given_depth", "null_low", "null_high"),
    *("q", "detection_rate", "skewness"),
)
"""Columns of `genes.csv`, one row per gene; `benchmark.tables` explains them."""
_RUN = "the folder of a finished benchmark"


@dataclass(frozen=True, kw_only=True)
class ScoreOrigin:
    """Benchmark of some scores: protocol, patients and sections."""

    protocol: str
    patients: tuple[str, ...]
    """Tested patients."""
    sections: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class GeneScores:
    """Scores of each gene of a predictor on held-out patients; NaN if unknown."""

    columns: Mapping[str, Float[np.ndarray, " G"]] = field(default_factory=dict)
    """Name -> values in the order of the panel; empty without a benchmark."""
    why_unknown: str = ""
    """Reason for missing scores; empty if there are `columns`."""
    origin: ScoreOrigin | None = None
    """None without `columns`, and for those of a table alone."""

    def above_band(self) -> Bool[np.ndarray, " G"]:
        """Whether each gene scores above its own shuffled band; False if unknown."""
        return above_band(self.columns["pcc_given_depth"], self.columns["null_high"])

    def above_chance(self) -> Bool[np.ndarray, " G"]:
        """Whether it does so after correction over the genes (q < 0.05); False if unknown."""
        return above_chance(*self._columns_of_chance)

    def count(self) -> ChanceCount:
        """Number of genes above their band and above chance."""
        return ChanceCount.of(*self._columns_of_chance)

    @property
    def _columns_of_chance(self) -> list[Float[np.ndarray, " G"]]:
        return [self.columns[name] for name in ("pcc_given_depth", "null_high", "q")]


@dataclass(frozen=True, eq=False)
class Benchmarked:
    """Benchmark of a model, as stored in its predictor's folder."""

    gene_scores: GeneScores
    card: BenchmarkCard
    """Patients, protocol, scores and the hash of the folds."""

    @property
    def scores_with_origin(self) -> GeneScores:
        """Gene scores together with protocol, patients and sections of the benchmark."""
        card = self.card
        origin = ScoreOrigin(protocol=card.protocol, patients=card.patients, sections=card.sections)
        return replace(self.gene_scores, origin=origin)

    def same(self, other: "Benchmarked") -> bool:
        """Whether both have equal scores for equal genes."""
        return self.card == other.card and all(
            np.array_equal(values, other.gene_scores.columns[name], equal_nan=True)
            for name, values in self.gene_scores.columns.items()
        )


def read_gene_scores(path: Path, model: str, genes: tuple[str, ...]) -> GeneScores:
    """Read the rows of a model from a `genes.csv`, in the order of `genes`.

    Raises
    ------
    DataContractError
        if the file lacks columns, values or the model; nothing is guessed.
    """
    rows = _rows(path, model)
    unknown = dict.fromkeys(GENE_SCORE_COLUMNS, "")
    try:
        columns = {
            name: np.array([_number(rows.get(gene, unknown).get(name)) for gene in genes])
            for name in GENE_SCORE_COLUMNS
        }
    except ValueError as error:
        raise _unreadable(path, str(error), "numbers, or nothing where unknown") from None
    return GeneScores(columns)


def gene_scores_text(gene_scores: GeneScores, model: str, genes: tuple[str, ...]) -> str:
    """The same as text, which `read_gene_scores` reads back to the bit."""
    rows = [["model", "gene", *GENE_SCORE_COLUMNS]]
    for row, gene in enumerate(genes):
        values = [float(gene_scores.columns[name][row]) for name in GENE_SCORE_COLUMNS]
        rows.append([model, gene, *("" if np.isnan(v) else repr(v) for v in values)])
    return csv_rows(rows)


def gene_scores_of_run(folder: Path | None, model: str, genes: tuple[str, ...]) -> GeneScores:
    """Scores from the benchmark whose run folder contains this predictor, if any.

    `RUN/predictors/<model>/<fold>` reads `RUN/genes.csv`. This file is not part of the predictor,
    because it contains scores of the patients held out from its training.
    """
    place = Path() if folder is None else folder.resolve()
    if folder is None or len(place.parents) < 3 or place.parents[1].name != "predictors":
        return GeneScores(why_unknown="no benchmark was given when it was trained")
    run = place.parents[2]
    if not (run / CARD).is_file():
        return GeneScores(why_unknown=f"the benchmark in {run.name} is not finished")
    if not (run / GENES_FILE).is_file():
        return GeneScores(why_unknown=f"the benchmark in {run.name} scores bags, and no maps")
    card = read_run_card(run)
    why = leaky(card.protocol)
    if why:
        return GeneScores(why_unknown=f"the benchmark in {run.name} is leaky: {why}")
    origin = ScoreOrigin(
        protocol=card.protocol, patients=card.patients, sections=tuple(sorted(card.sections))
    )
    return replace(read_gene_scores(run / GENES_FILE, model, genes), origin=origin)


def _rows(path: Path, model: str) -> dict[str, dict[str, str]]:
    """Gene -> its row, as text."""
    try:
        found, rows = read_csv_rows(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, str(error), _RUN) from None
    lacking = [name for name in ("model", "gene", *GENE_SCORE_COLUMNS) if name not in found]
    if lacking:
        raise _unreadable(path, f"no column {', '.join(lacking)}", "those of `benchmark`")
    of_model = {row["gene"]: row for row in rows if row["model"] == model}
    if not of_model:
        models = dict.fromkeys(row["model"] for row in rows)
        raise _unreadable(path, f"models {', '.join(models)}", f"model {model}")
    return of_model


def _number(text: str | None) -> float:
    if text is None:
        raise ValueError("a row that ends early")
    return float(text) if text else np.nan


def _unreadable(path: Path, found: str, expected: str) -> DataContractError:
    return DataContractError(
        Problem(
            where=str(path),
            found=found,
            expected=expected,
            remedy="run `histoscribe benchmark` again, and do not edit its files",
        )
    )

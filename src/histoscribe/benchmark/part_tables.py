"""parts.csv: the correlation of each model over spots and genes, as a sum of three parts."""

from collections.abc import Sequence

import pandas as pd

from histoscribe.benchmark.score import EVERY, Scored
from histoscribe.metrics.parts import score_parts
from histoscribe.types import Fold, ScorePartsCard

FILE = "parts.csv"
PARTS = ("gene_means", "depth", "rest")
COLUMNS = ("model", "fold", "section", "patient", "correlation", *PARTS)


def part_rows(fold: Fold, scored: Sequence[Scored]) -> pd.DataFrame:
    """One row a model in the target's unit and test section of a fold, see `metrics.parts`."""
    rows = []
    for item in (of for of in scored if of.has_unit):
        parts = score_parts(item.evaluated)
        about = (item.model, fold.name, item.truth.section, item.truth.patient)
        rows.append((*about, parts.correlation, parts.gene_means, parts.depth, parts.rest))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def parts_table(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of all folds, each model followed by its mean: over sections, then over patients.

    The mean has `*` as its fold, section and patient; its parts add up to its correlation, too.
    """
    every = pd.concat(tables, ignore_index=True)
    blocks = []
    for model, rows in every.groupby("model", sort=False):
        means = rows.groupby("patient")[list(PARTS)].mean().mean()
        everywhere = dict.fromkeys(("fold", "section", "patient"), EVERY)
        total = {**everywhere, "model": model, "correlation": means.sum(skipna=False), **means}
        blocks += [rows, pd.DataFrame([total], columns=list(COLUMNS))]
    return pd.concat(blocks, ignore_index=True)


def parts_cards(table: pd.DataFrame) -> dict[str, ScorePartsCard]:
    """Cards of the means of all models whose correlation is defined, by model."""
    means = table[(table["section"] == EVERY) & table["correlation"].notna()]
    values = means[list(PARTS)].to_numpy(dtype=float).tolist()
    return {
        str(model): ScorePartsCard(gene_means=of[0], depth=of[1], rest=of[2])
        for model, of in zip(means["model"], values, strict=True)
    }

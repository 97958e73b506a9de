"""Tables of the question `genes`: gene sets, genes and biomarkers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.data.genesets import PanelPathways
from histoscribe.explain.genes.enrichment import Enrichment
from histoscribe.metrics.chance import CHANCE_Q
from histoscribe.predictor.gene_scores import GeneScores
from histoscribe.ties import best_first

SCORE = "pcc_given_depth"
_COPIED = (SCORE, "null_low", "null_high", "q", "detection_rate")
_BEST_MEMBERS = 5


@dataclass(frozen=True, eq=False)
class GeneTableColumns:
    """Genes of a predictor with scores and expression."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    scores: GeneScores
    expression: Float[np.ndarray, " G"]
    """Counts per 10,000."""

    @property
    def trust(self) -> tuple[str, ...]:
        """Trust in each gene, in words: score, shuffled band and q."""
        columns = self.scores.columns
        known, above = np.isfinite(columns[SCORE]), self.scores.above_band()
        words = np.select(
            [~known, self.scores.above_chance(), above],
            ["not scored", f"above the band, q < {CHANCE_Q:g}", "above the band"],
            "not above the band",
        )
        return tuple(words.tolist())


def gene_table(genes: GeneTableColumns) -> pd.DataFrame:
    """One row for each gene of the panel, in its order."""
    columns = {name: genes.scores.columns[name] for name in _COPIED}
    return pd.DataFrame(
        {
            "gene": genes.ids,
            "name": genes.labels,
            "counts_per_10000": genes.expression,
            **columns,
            "trust": genes.trust,
        }
    )


def biomarker_columns(
    genes: GeneTableColumns, biomarkers: Sequence[str]
) -> Mapping[str, int | None]:
    """Column of each biomarker by its id or symbol; None for one outside the panel."""
    place = {name: at for names in (genes.labels, genes.ids) for at, name in enumerate(names)}
    return {name: place.get(name) for name in dict.fromkeys(biomarkers)}


def biomarker_table(genes: pd.DataFrame, columns: Mapping[str, int | None]) -> pd.DataFrame:
    """Rows of the biomarkers, in their order; `genes` is the table of all genes."""
    rows = [
        {"biomarker": name, "trust": "not in the panel"}
        if column is None
        else {"biomarker": name, **genes.iloc[column].drop("name").to_dict()}
        for name, column in columns.items()
    ]
    names = ["biomarker", *(name for name in genes.columns if name != "name")]
    return pd.DataFrame(rows, columns=names)


def set_table(
    sets: PanelPathways,
    tested: Enrichment,
    score: Float[np.ndarray, " G"],
    labels: Sequence[str],
) -> pd.DataFrame:
    """One row for each set, the best first; sets with too few genes come last, without numbers.

    `score` and `labels` are of the scored genes of the panel.
    """
    low, high = np.percentile(tested.drawn, [2.5, 97.5], axis=0)
    matched = tested.drawn.mean(axis=0)
    coverage = sets.card.coverage
    rows = [
        {
            "set": name,
            "n_scored": coverage[name][0],
            "n_members": coverage[name][1],
            "mean_score": tested.mean[at],
            "matched_mean": matched[at],
            "matched_low": low[at],
            "matched_high": high[at],
            "p": tested.p[at],
            "q": tested.q[at],
            "best_members": _best(score, sets.pathways.members[at], labels),
        }
        for at, name in enumerate(sets.pathways.names)
    ]
    order = best_first(tested.mean - matched)
    dropped = [
        {"set": name, "n_scored": n_scored, "n_members": n_members}
        for name, (n_scored, n_members) in sets.card.dropped.items()
    ]
    return pd.DataFrame([*(rows[at] for at in order), *dropped])


def _best(score: Float[np.ndarray, " G"], of: np.ndarray, labels: Sequence[str]) -> str:
    """The members with the highest scores."""
    members = np.flatnonzero(of)
    first = members[best_first(score[members])][:_BEST_MEMBERS]
    return " ".join(labels[gene] for gene in first)

"""Tables of the scores from cut tiles: by group, by gene, by section."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool

from histoscribe.explain.finding import defined_mean
from histoscribe.explain.layers.piece_scores import READINGS, PieceScores


def group_name(reading: str) -> str:
    """Name of the group of genes that are read so.

    >>> group_name("texture"), group_name("undecided")
    ('read from texture', 'undecided')
    """
    return f"read from {reading}" if reading in READINGS[:2] else reading


def all_groups(
    scores: PieceScores, sets: Mapping[str, Bool[np.ndarray, " G"]]
) -> dict[str, Bool[np.ndarray, " G"]]:
    """All genes, the genes by what they are read from, and the gene sets; without empty ones."""
    reading = np.array(scores.reading)
    groups = {"all genes": reading != "not measured"}
    groups |= {group_name(name): reading == name for name in READINGS} | dict(sets)
    measured = groups["all genes"]
    return {name: genes & measured for name, genes in groups.items() if (genes & measured).any()}


def group_table(
    scores: PieceScores,
    sets: Mapping[str, Bool[np.ndarray, " G"]],
    piece_um: Mapping[int, float],
) -> pd.DataFrame:
    """One line for each group and cut."""
    rows = []
    for name, genes in all_groups(scores, sets).items():
        predicted = genes & scores.is_predicted
        for at, cut in enumerate(scores.cuts):
            draws = scores.draws[at][:, genes].mean(axis=1)
            low, high = np.percentile(draws, [2.5, 97.5])
            whole = scores.score[0, predicted].sum()
            rows.append(
                {
                    "group": name,
                    "n_genes": int(genes.sum()),
                    "n_predicted": int(predicted.sum()),
                    "cut": cut.name,
                    "pieces_a_side": cut.n_side,
                    "piece_um": piece_um[cut.n_side],
                    "score": scores.score[at, genes].mean(),
                    "chance_low": low,
                    "chance_high": high,
                    "share_of_whole": scores.score[at, predicted].sum() / whole
                    if predicted.any()
                    else np.nan,
                }
            )
    return pd.DataFrame(rows)


def gene_table(
    scores: PieceScores, labels: Sequence[str], sets: Mapping[str, Bool[np.ndarray, " G"]]
) -> pd.DataFrame:
    """One line for each gene."""
    columns: dict[str, object] = {"gene": list(labels), "read_from": list(scores.reading)}
    columns["gene_sets"] = [
        " ".join(name for name, genes in sets.items() if genes[gene]) for gene in range(len(labels))
    ]
    for at, cut in enumerate(scores.cuts):
        columns[f"score_{cut.name}"] = scores.score[at]
    for at, name in ((0, "whole"), (scores.finest, scores.cuts[scores.finest].name)):
        columns[f"chance_{name}"] = scores.limit[at]
    columns["share_surviving"] = scores.share[scores.finest]
    columns["share_turned"] = scores.share[-1]
    return pd.DataFrame(columns)


def section_table(scores: PieceScores, ids: Sequence[str]) -> pd.DataFrame:
    """One line for each section and cut: mean over all genes, and over the predicted ones."""
    rows = []
    for section, (name, patient) in enumerate(zip(ids, scores.patients, strict=True)):
        for at, cut in enumerate(scores.cuts):
            values = scores.by_section[section, at]
            rows.append(
                {
                    "section": name,
                    "patient": patient,
                    "cut": cut.name,
                    "pieces_a_side": cut.n_side,
                    "score": defined_mean(values),
                    "score_of_predicted": defined_mean(values[scores.is_predicted]),
                }
            )
    return pd.DataFrame(rows)

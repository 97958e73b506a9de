"""The tables of `together`: pairs, genes, programmes and sections."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from histoscribe.explain.together.agreement import MEASURES
from histoscribe.explain.together.pairs import of_pairs_without
from histoscribe.explain.together.result import TogetherResult

_MOST_SETS = 3  # sets named of a programme


def pair_table(result: TogetherResult) -> pd.DataFrame:
    """Every pair: likeness of its maps, co-expression, and both without what means say of it.

    Pairs that the user named come first, then those with the highest co-expression.
    """
    first, second = np.triu_indices(len(result.labels), 1)
    means = np.mean([of.section.by_mean for of in result.maps], axis=0)
    columns = {
        "similarity": result.matrices.likeness,
        "co_expression": result.matrices.coexpression,
        "map_with_measured": result.matrices.following,
        "similarity_shuffled": np.mean([of.likeness for of in result.shuffled_matrices], axis=0),
    }
    values = {name: matrix[first, second] for name, matrix in columns.items()}
    residuals = {
        f"{name}_residual": of_pairs_without(values[name], means)
        for name in ("similarity", "co_expression")
    }
    named = {tuple(sorted(pair)) for pair in result.pairs}
    of_gene = result.programmes.of_gene
    labels = np.array(result.labels)
    table = pd.DataFrame(
        {
            "gene_1": labels[first],
            "gene_2": labels[second],
            **values,
            **residuals,
            "same_programme": of_gene[first] == of_gene[second],
            "named": [pair in named for pair in zip(first.tolist(), second.tolist(), strict=True)],
        }
    )
    return table.sort_values(["named", "co_expression"], ascending=False, kind="stable")


def gene_table(result: TogetherResult) -> pd.DataFrame:
    """The programme of each gene by maps and by co-expression, numbered from 1."""
    sections = [of.section for of in result.maps]
    return pd.DataFrame(
        {
            "gene": result.labels,
            "programme": result.programmes.of_gene + 1,
            "measured_programme": result.measured_programmes.of_gene + 1,
            "mean_per_10k": np.expm1(np.mean([of.log_mean for of in sections], axis=0)),
        }
    ).sort_values(["programme", "gene"], kind="stable")


def programme_table(result: TogetherResult) -> pd.DataFrame:
    """The programmes of the maps: genes, likeness within, and the sets they share most with."""
    rows = [
        {
            "programme": cluster + 1,
            "n_genes": int(members.sum()),
            "similarity": _within(result.matrices.likeness, members),
            "co_expression": _within(result.matrices.coexpression, members),
            "map_with_measured": _within(result.matrices.following, members),
            "similarity_shuffled": np.mean(
                [_within(of.likeness, members) for of in result.shuffled_matrices]
            ),
            **_nearest_measured(result, members),
            **_nearest_sets(result, row),
            "genes": " ".join(np.array(result.labels)[members]),
        }
        for row, (cluster, members) in enumerate(
            zip(result.programmes.large, result.programmes.members, strict=True)
        )
    ]
    return pd.DataFrame(rows)


def section_table(result: TogetherResult) -> pd.DataFrame:
    """Each measure in each section and patient, beside the range of the shuffled trainings."""
    return pd.concat([_by(result, "section"), _by(result, "patient")], ignore_index=True)


TABLES: Mapping[str, Callable[[TogetherResult], pd.DataFrame]] = {
    "pairs.csv": pair_table,
    "programmes.csv": programme_table,
    "genes.csv": gene_table,
    "sections.csv": section_table,
}


def _by(result: TogetherResult, unit: str) -> pd.DataFrame:
    sections = [of.section for of in result.maps]
    values = pd.DataFrame(
        {
            "unit": unit,
            "name": [of.name if unit == "section" else of.patient for of in sections],
            "n_spots": [len(of.um) for of in sections],
            **{name: [of.values[name] for of in result.maps] for name in MEASURES},
        }
    )
    for name in MEASURES:
        shuffled = np.array([[of.values[name] for of in maps] for maps in result.shuffled])
        values[f"{name}_shuffled"] = shuffled.mean(axis=0)
    spots = values.groupby("name", sort=False)["n_spots"].transform("sum")
    means = values.assign(n_spots=spots).groupby(["unit", "name"], sort=False).mean()
    return means.reset_index().astype({"n_spots": int})


def _within(matrix: np.ndarray, members: np.ndarray) -> float:
    """Mean over the pairs of these genes."""
    part = matrix[np.ix_(members, members)]
    return float(part[np.triu_indices(len(part), 1)].mean())


def _nearest_measured(result: TogetherResult, members: np.ndarray) -> Mapping[str, object]:
    """The cluster of co-expression that shares most genes, with the share of all genes of both."""
    of_gene = result.measured_programmes.of_gene
    inside = [(of_gene == cluster) for cluster in range(of_gene.max() + 1)]
    share = [(members & of).sum() / (members | of).sum() for of in inside]
    best = int(np.argmax(share))
    return {"measured_programme": best + 1, "shared_with_it": share[best]}


def _nearest_sets(result: TogetherResult, row: int) -> Mapping[str, object]:
    """The gene sets with the smallest q."""
    if result.sets is None or result.overlap is None:
        return {}
    overlap, names = result.overlap, result.sets.pathways.names
    first = np.argsort(overlap.p[row], kind="stable")[:_MOST_SETS]
    best = int(first[0])
    return {
        "set": names[best],
        "shared": int(overlap.shared[row, best]),
        "expected": overlap.expected[row, best],
        "p": overlap.p[row, best],
        "q": overlap.q[row, best],
        "next_sets": " ".join(f"{names[at]} (q {overlap.q[row, at]:.2g})" for at in first[1:]),
    }

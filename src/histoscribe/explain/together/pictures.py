"""The figures of `together`: matrices of gene pairs in one order, and points of pairs."""

from pathlib import Path

import numpy as np

from histoscribe.explain.together.agreement import MEASURES
from histoscribe.explain.together.result import TogetherResult
from histoscribe.plot.gene_pairs import (
    GeneMatrix,
    GeneOrder,
    MeasureDots,
    PairPoints,
    draw_gene_matrices,
    draw_pair_points,
)


def draw_matrices(result: TogetherResult, title: str, path: Path) -> None:
    """Draw co-expression, likeness of the maps, and that of one training on shuffled rows."""
    programmes = result.programmes
    matrices = [
        GeneMatrix("measured: co-expression", result.matrices.coexpression),
        GeneMatrix("maps of the model", result.matrices.likeness),
        GeneMatrix("maps of one training on shuffled rows", _typical(result)[0]),
    ]
    order = GeneOrder(result.labels, programmes.drawn_order, programmes.of_gene)
    below = (
        "Correlation of two genes over the spots, after depth and a smooth trend; mean over "
        f"patients. Lines: {len(np.unique(programmes.of_gene))} clusters of the maps of the "
        f"model, {len(programmes.large)} of them with three or more genes. The diagonal is left "
        "out."
    )
    draw_gene_matrices(matrices, order, (title, below), path)


def draw_pairs(result: TogetherResult, title: str, path: Path) -> None:
    """Draw likeness and what maps carry over co-expression, and the measures by training."""
    upper = np.triu_indices(len(result.labels), 1)
    likeness, following = (matrix[upper] for matrix in _typical(result))
    coexpression = result.matrices.coexpression[upper]
    panels = [
        PairPoints(
            "do the maps look alike?",
            "correlation of both maps",
            coexpression,
            result.matrices.likeness[upper],
            likeness,
        ),
        PairPoints(
            "does a map show what was measured of the other?",
            "covariance of map and measured",
            coexpression,
            result.matrices.following[upper],
            following,
        ),
    ]
    dots = [
        MeasureDots(name, result.values[name], result.shuffled_values[name]) for name in MEASURES
    ]
    below = (
        "A point is a pair of genes: red of the model, grey of one training on shuffled rows, "
        "which knows nothing of the tissue. Over all spots of a section; mean over patients."
    )
    draw_pair_points(panels, dots, (title, below), path)


def _typical(result: TogetherResult) -> tuple[np.ndarray, np.ndarray]:
    """Likeness and following of the training on shuffled rows with the median `alike`."""
    values = result.shuffled_values["alike"]
    at = int(np.argsort(values, kind="stable")[(len(values) - 1) // 2])
    of = result.shuffled_matrices[at]
    return of.likeness, of.following

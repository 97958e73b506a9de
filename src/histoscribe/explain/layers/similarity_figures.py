"""The figures of the answer about similarity, with their texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from histoscribe.explain.layers.layer_alignments import WIDER, LayerAlignments
from histoscribe.explain.layers.random_range import next_random_cka
from histoscribe.plot.layer_curves import LayerCurve, LayerPanel, LayerText, draw_layer_curves
from histoscribe.plot.matrices import MatrixText, PairMatrix, draw_matrices

_SCALE = "linear CKA"


def draw_alignments(results: LayerAlignments, names: Sequence[str], path: Path) -> None:
    """Draw CKA of all pairs of layers, beside that of random networks."""
    n = len(names)
    grid = [
        _pair(results, names, first, second) for first in range(n) for second in range(first, n)
    ]
    draw_matrices(
        grid,
        MatrixText(
            f"Which layers of {' and '.join(names)} arrange tiles alike?",
            _SCALE,
            "From the pixels (top, left) to the genes. Activations are averaged over the places "
            "of a tile, and tiles of one section are compared. Networks with random weights: mean "
            "CKA; layers of the encoder are those of the predictor. Grey: the layer is the same "
            "for all tiles.",
        ),
        path,
    )


def draw_learned(results: LayerAlignments, names: Sequence[str], path: Path) -> None:
    """Draw for each layer how alike it is to random networks, and to the start of training."""
    draw_layer_curves(
        [_panel(results, number, name) for number, name in enumerate(names)],
        LayerText(
            "What did training change?",
            "CKA of each layer of the network with the same layer of networks with random weights, "
            "and of the network before training where it started from published weights. Grey: "
            "where one more random network would lie in 95 %. Left of it: training changed how the "
            "layer arranges tiles.",
        ),
        path,
    )


def draw_branches(results: LayerAlignments, names: Sequence[str], path: Path) -> bool:
    """Draw CKA between the sums after skip connections, and between the branches alone.

    False, and no picture, where no network has two skip connections.
    """
    grid = [
        _residual_pair(results, number, part, f"{name}, {words}")
        for number, name in enumerate(names)
        if len(results.residuals(number, "stream")) > 1
        for part, words in (("stream", "with the skip connection"), ("branch", "branch alone"))
    ]
    if not grid:
        return False
    text = MatrixText(
        "What do the branches of skip connections add?",
        _SCALE,
        "Sums after each skip connection, and the branch alone, by the layer that the branch ends "
        "with, from the pixels (top, left) to the genes. Activations are averaged over the places "
        "of a tile. Networks with random weights: mean CKA.",
    )
    draw_matrices(grid, text, path)
    return True


def _residual_pair(
    results: LayerAlignments, number: int, part: str, title: str
) -> list[PairMatrix]:
    names = tuple(name for _, name in results.residuals(number, part))
    drawn = results.random_residuals(number, part).mean(axis=0)
    return [
        PairMatrix(title, results.residual_matrix(number, part), names, names),
        PairMatrix("the same, random weights", drawn, names, names),
    ]


def _pair(
    results: LayerAlignments, names: Sequence[str], first: int, second: int
) -> list[PairMatrix]:
    rows, columns = (tuple(results.layers[number]) for number in (first, second))
    trained = names[first] if first == second else f"{names[first]} and {names[second]}"
    drawn = results.random_matrices(first, second).mean(axis=0)
    return [
        PairMatrix(trained, results.matrix(first, second), rows, columns),
        PairMatrix("random weights", drawn, rows, columns),
    ]


def _panel(results: LayerAlignments, number: int, name: str) -> LayerPanel:
    drawn = results.random_to_random(number)
    ranges = [next_random_cka("", of_layer, "", wider=WIDER) for of_layer in drawn.T]
    curves = [LayerCurve("trained, with random networks", results.to_random(number))]
    if results.has_start[number]:
        curves.append(LayerCurve("trained, with its start", results.to_start(number)))
        start = results.random_to_start(number).mean(axis=0)
        curves.append(LayerCurve("random networks, with that start", start))
    return LayerPanel(
        title=name,
        layers=tuple(layer for _, layer in results.of_network(number)),
        curves=tuple(curves),
        low=np.array([of.low if of.low is not None else np.nan for of in ranges]),
        high=np.array([of.high if of.high is not None else np.nan for of in ranges]),
        chance="random networks with each other",
        axis="linear CKA",
    )

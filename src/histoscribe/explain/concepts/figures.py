"""The figures of the answer to `concepts`, with their texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from histoscribe.explain.concepts.cost import EncoderCost
from histoscribe.explain.concepts.cut import LayerCut
from histoscribe.explain.concepts.depth import LayerConcepts, family_of
from histoscribe.explain.concepts.relevance import normalised
from histoscribe.explain.concepts.tables import LEVEL, random_r2, random_relevance, relevance_p
from histoscribe.explain.concepts.tiles import N_RANDOM_CONCEPTS, ConceptTiles
from histoscribe.explain.finding import Number
from histoscribe.plot.concept_depth import CutCurve, DepthCurve, draw_cut, draw_depth
from histoscribe.plot.concept_relevance import GeneRelevance, draw_relevance


def figure_of_relevance(
    layer: LayerConcepts, given: LayerConcepts, genes: Sequence[str], predictor: str, path: Path
) -> None:
    """Draw relevance at one layer, and that of what is left given haematoxylin density."""
    most = np.nanmax(np.abs(layer.relevance), axis=1, keepdims=True, initial=0.0)
    share = given.relevance / np.where(most > 0, most, 1.0)
    of_rest = np.full(layer.relevance.shape, np.nan)
    for place, name in enumerate(given.names):
        of_rest[:, layer.names.index(name)] = np.clip(share[:, place], -1.0, 1.0)
    relevance, high = normalised(layer.relevance), random_relevance(layer)
    beyond = relevance_p(layer) <= LEVEL
    draw_relevance(
        [
            GeneRelevance(gene, relevance[at], high[at], beyond[at], of_rest[at])
            for at, gene in enumerate(genes)
        ],
        [_words(name) for name in layer.names],
        f"Relevance of concepts for genes at {layer.layer} of {predictor}",
        "Relevance: R² of the concept on tiles left out, times mean over deviation of the slope of "
        "the prediction along it; each gene is divided by its largest. Right of zero the gene "
        f"rises with the concept. The {N_RANDOM_CONCEPTS} random concepts are as smooth as the "
        "measure.",
        path,
    )


def figure_of_depth(
    layers: Sequence[LayerConcepts],
    scale: Sequence[LayerConcepts],
    tiles: ConceptTiles,
    predictor: str,
    path: Path,
) -> None:
    """Draw R2 of every concept that is defined, and of scale, over the layers."""
    curves = [*_curves(scale), *_curves(layers)]
    order = {"scale": 0, "colour": 1, "texture": 2, "form of nuclei": 3, "arrangement": 4}
    draw_depth(
        sorted(curves, key=lambda curve: order[curve.family]),
        [layer.layer for layer in layers],
        f"Concepts over the layers of {predictor}",
        f"R² on {tiles.held_out} left out, of ridge regression from features averaged over the "
        f"tile, for {len(tiles.keys):,} tiles; values below −0.3 are drawn there. Scale: tiles "
        "read at 1.25 to 2.5 times the um/px of the predictor.",
        path,
    )


def figure_of_cut(
    cut: LayerCut,
    costs: Sequence[EncoderCost],
    numbers: Sequence[Number],
    held_out: str,
    path: Path,
) -> None:
    """Draw how well genes are read off each layer of the encoder, and what the layer costs."""
    operations = np.array([cost.operations for cost in costs], dtype=np.float64)
    by_name = {number.name: number.value for number in numbers}
    name = cut.layers[cut.best].removeprefix("encoder.")
    cheaper = (
        "the encoder as it is" if cut.best == len(cut.layers) - 1 else f"inputs.layer = {name}"
    )
    draw_cut(
        CutCurve(cut.layers, cut.inner_pcc, operations / operations.max(), cut.best),
        f"Where to cut the encoder: {cheaper}",
        f"Ridge from each layer to the genes. On {held_out} left out: PCC "
        f"{by_name['pcc_at_cut']:.3f} and error {by_name['error_at_cut']:.3f} of the variance at "
        f"the layer chosen on the others, {by_name['pcc_as_it_is']:.3f} and "
        f"{by_name['error_as_it_is']:.3f} at the layer that the predictor reads.",
        path,
    )


def _curves(layers: Sequence[LayerConcepts]) -> list[DepthCurve]:
    ranges = [random_r2(layer) for layer in layers]
    return [
        DepthCurve(
            _words(name),
            family_of(name),
            np.array([layer.r2[at] for layer in layers]),
            np.array([low[at] for low, _ in ranges]),
            np.array([high[at] for _, high in ranges]),
        )
        for at, name in enumerate(layers[0].names)
        if np.isfinite(layers[0].r2[at])
    ]


def _words(name: str) -> str:
    return name.replace("_", " ")

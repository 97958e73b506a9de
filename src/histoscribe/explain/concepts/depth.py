"""R2 of concepts layer by layer: where each appears, and where it is lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.explain.concepts.relevance import (
    bidirectional_relevance,
    sensitivities,
    steadiness,
)
from histoscribe.explain.concepts.tiles import ConceptTiles
from histoscribe.explain.concepts.vectors import fit_vectors

SCALE = "scale"
"""Concept of tiles that are read at several um/px: the logarithm of um/px."""
FAMILIES = {
    "scale": (SCALE,),
    "colour": ("haematoxylin_density", "eosin_density", "darkness"),
    "texture": ("texture_contrast", "texture_correlation", "chromatin_contrast"),
    "form of nuclei": ("nuclear_area", "nuclear_eccentricity"),
    "arrangement": ("nuclear_density", "lumen_share", "fat_share"),
}
"""Concepts that the figure of depth draws together."""


@final
@dataclass(frozen=True, eq=False)
class ReadLayer:
    """Features of each tile at one layer, averaged over the tile, and slopes of genes to them."""

    name: str
    pooled: Float[np.ndarray, "N C"]
    slope: Float[np.ndarray, "N G C"]
    """No genes where slopes are not needed."""


@final
@dataclass(frozen=True, eq=False)
class LayerConcepts:
    """Concepts at one layer, with the same numbers of random concepts."""

    layer: str
    names: tuple[str, ...]
    r2: Float[np.ndarray, " M"]
    """On groups left out; NaN for a concept that is undefined."""
    random_r2: Float[np.ndarray, "M n"]
    sensitivity: Float[np.ndarray, "G M"]
    """Mean over the tiles."""
    relevance: Float[np.ndarray, "G M"]
    random_relevance: Float[np.ndarray, "G M n"]
    """Along the vectors of random concepts, with the R2 of the measured one."""


def concepts_of_layer(
    layer: ReadLayer, tiles: ConceptTiles, random: Float[np.ndarray, "N M n"]
) -> LayerConcepts:
    """Fit each concept and its random ones at a layer.

    Concepts that are defined on the same tiles are fitted together, which gives the same numbers
    in less time.
    """
    usable, n_random = tiles.usable, random.shape[2]
    n_genes, n_concepts = layer.slope.shape[1], len(tiles.names)
    r2 = np.full((n_concepts, 1 + n_random), np.nan)
    slope, ratio = (np.full((n_genes, n_concepts, 1 + n_random), np.nan) for _ in range(2))
    patterns, of_concept = np.unique(usable, axis=1, return_inverse=True)
    for pattern, rows in enumerate(patterns.T):
        columns = np.flatnonzero(of_concept.ravel() == pattern)
        if not rows.any():
            continue
        measured = tiles.values[np.ix_(rows, columns)][..., None]
        every = np.concatenate([measured, random[np.ix_(rows, columns)]], axis=2)
        shape = every.shape[1:]
        vectors = fit_vectors(layer.pooled[rows], every.reshape(len(every), -1), tiles.group[rows])
        per_tile = sensitivities(vectors, layer.slope[rows])
        r2[columns] = vectors.r2.reshape(shape)
        slope[:, columns] = per_tile.mean(axis=0).reshape(n_genes, *shape)
        ratio[:, columns] = steadiness(per_tile).reshape(n_genes, *shape)
    # a random concept is compared as if tiles left out had it as much as the measured one
    relevance = bidirectional_relevance(r2[:, 0], ratio)
    return LayerConcepts(
        layer=layer.name,
        names=tiles.names,
        r2=r2[:, 0],
        random_r2=r2[:, 1:],
        sensitivity=slope[..., 0],
        relevance=relevance[..., 0],
        random_relevance=relevance[..., 1:],
    )


def family_of(concept: str) -> str:
    """Family of a concept in the figure of depth."""
    return next(family for family, members in FAMILIES.items() if concept in members)


@final
@dataclass(frozen=True)
class ConceptPath:
    """Where a concept appears on the way through the layers, and what the last layer keeps."""

    concept: str
    family: str
    appears_at: str
    """First layer with an R2 above 97.5 % of the random concepts; empty without one."""
    best_layer: str
    best_r2: float
    last_r2: float


def concept_paths(layers: Sequence[LayerConcepts]) -> tuple[ConceptPath, ...]:
    """Follow each concept that is defined through the layers, which are in order."""
    paths = []
    for at, name in enumerate(layers[0].names):
        r2 = np.array([layer.r2[at] for layer in layers])
        if np.isnan(r2).any():
            continue
        high = [np.percentile(layer.random_r2[at], 97.5) for layer in layers]
        above = np.flatnonzero(r2 > high)
        best = int(r2.argmax())
        paths.append(
            ConceptPath(
                concept=name,
                family=family_of(name),
                appears_at=layers[above[0]].layer if above.size else "",
                best_layer=layers[best].layer,
                best_r2=float(r2[best]),
                last_r2=float(r2[-1]),
            )
        )
    return tuple(paths)

"""Genes and concepts in the tissue: what is measured, and what is left given haematoxylin."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.explain.concepts.relevance import normalised
from histoscribe.explain.concepts.tiles import ConceptTiles
from histoscribe.explain.finding import Number
from histoscribe.explain.surrogates import N_DRAWS, correlation_test
from histoscribe.seed import integer

_SEED = 0  # of surrogates; nobody needs another one
_FEWEST = 10  # tiles of a section on which a gene and a concept are compared


@final
@dataclass(frozen=True, eq=False)
class MapCorrelations:
    """Correlations of genes with concepts within sections, mean over sections."""

    value: Float[np.ndarray, "G M"]
    """NaN where no section has both."""
    draws: Float[np.ndarray, "G M n"]
    """The same of equally smooth random maps; each draw is one for all genes and concepts, so
    that genes that go together stay together."""

    @property
    def p(self) -> Float[np.ndarray, "G M"]:
        """Two-sided share of random maps that correlate as much."""
        extreme = (np.abs(self.draws) >= np.abs(self.value)[..., None] - 1e-9).sum(axis=-1)
        share = (1 + extreme) / (1 + self.draws.shape[-1])
        return np.where(np.isnan(self.value), np.nan, share)


def map_correlations(genes: Float[np.ndarray, "N G"], tiles: ConceptTiles) -> MapCorrelations:
    """Correlate genes with concepts in every section and average; patients are not compared."""
    shape = (genes.shape[1], len(tiles.names))
    total, draws, n_sections = np.zeros(shape), np.zeros((*shape, N_DRAWS)), np.zeros(shape)
    for section, rows in tiles.by_section:
        seed = integer(_SEED, f"explain-concepts-map-{section}")
        for gene, concept in np.ndindex(shape):
            pair = np.stack([genes[rows, gene], tiles.values[rows, concept]])
            known = np.isfinite(pair).all(axis=0)
            if known.sum() < _FEWEST:
                continue
            test = correlation_test(pair[0, known], pair[1, known], tiles.um[rows[known]], seed)
            if np.isfinite(test.value):
                total[gene, concept] += test.value
                draws[gene, concept] += test.draws
                n_sections[gene, concept] += 1
    counted = np.where(n_sections > 0, n_sections, np.nan)
    return MapCorrelations(total / counted, draws / counted[..., None])


def agreement(
    relevance: Float[np.ndarray, "G M"], measured: MapCorrelations, name: str, meaning: str
) -> tuple[Number, Number]:
    """Cosine of relevance and measured correlations, over genes and concepts, in -1..1.

    Relevance of each gene is divided by its largest. By chance: with equally smooth random maps
    of the genes. NaN where there is nothing to compare.
    """
    share = normalised(relevance)
    known = np.isfinite(share) & np.isfinite(measured.value)
    by_chance = f"{meaning}, of {N_DRAWS} equally smooth random maps of the genes"
    leaning = share[known]
    if not leaning.any():
        return Number(name, float("nan"), meaning), Number(name, float("nan"), by_chance)
    (value,) = _cosine(leaning, measured.value[known][:, None])
    draws = _cosine(leaning, measured.draws[known])
    return Number(name, float(value), meaning), Number.of_draws(name, draws, by_chance)


def _cosine(
    one: Float[np.ndarray, " n"], several: Float[np.ndarray, "n draws"]
) -> Float[np.ndarray, " draws"]:
    """Cosine of the angle between some values and each column."""
    return one @ several / (np.linalg.norm(one) * np.linalg.norm(several, axis=0))

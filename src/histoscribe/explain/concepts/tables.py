"""The tables of the answer to `concepts`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.explain.concepts.agreement import MapCorrelations
from histoscribe.explain.concepts.cost import EncoderCost
from histoscribe.explain.concepts.cut import LayerCut
from histoscribe.explain.concepts.depth import LayerConcepts, family_of
from histoscribe.explain.concepts.relevance import normalised, share_as_extreme

LEVEL = 0.05
"""p-value up to which a relevance counts as beyond random concepts."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Kept:
    """Genes and concepts within sections, as measured and as predicted."""

    measured: MapCorrelations
    predicted: MapCorrelations


def random_r2(layer: LayerConcepts) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """Middle 95 % of R2 of the random concepts; NaN where the concept is undefined."""
    low, high = np.percentile(layer.random_r2, [2.5, 97.5], axis=1)
    return low, high


def random_relevance(layer: LayerConcepts) -> Float[np.ndarray, "G M"]:
    """Size of normalised relevance that 95 % of the random concepts stay below."""
    most = np.nanmax(np.abs(layer.relevance), axis=1, keepdims=True, initial=0.0)
    size = np.percentile(np.abs(layer.random_relevance), 95, axis=2)
    return size / np.where(most > 0, most, 1.0)


def relevance_p(layer: LayerConcepts) -> Float[np.ndarray, "G M"]:
    """Share of random concepts that are as relevant."""
    return share_as_extreme(layer.relevance, layer.random_relevance)


def depth_table(layers: Sequence[LayerConcepts], unit_of: dict[str, str]) -> pd.DataFrame:
    """One line for each layer and concept."""
    parts = []
    for at in layers:
        low, high = random_r2(at)
        above = (at.random_r2 >= at.r2[:, None]).sum(axis=1)
        p = np.where(np.isnan(at.r2), np.nan, (1 + above) / (1 + at.random_r2.shape[1]))
        parts.append(
            pd.DataFrame(
                {
                    "layer": at.layer,
                    "concept": at.names,
                    "unit": [unit_of[name] for name in at.names],
                    "family": [family_of(name) for name in at.names],
                    "r2": at.r2,
                    "r2_random_low": low,
                    "r2_random_high": high,
                    "p_r2": p,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def relevance_table(layers: Sequence[LayerConcepts], genes: Sequence[str]) -> pd.DataFrame:
    """One line for each layer, gene and concept."""
    parts = []
    for at in layers:
        n_genes, n_concepts = at.relevance.shape
        p = relevance_p(at)
        parts.append(
            pd.DataFrame(
                {
                    "layer": at.layer,
                    "gene": np.repeat(np.array(genes), n_concepts),
                    "concept": np.tile(np.array(at.names), n_genes),
                    "r2": np.tile(at.r2, n_genes),
                    "sensitivity": at.sensitivity.ravel(),
                    "relevance": at.relevance.ravel(),
                    "relevance_normalised": normalised(at.relevance).ravel(),
                    "random_high": random_relevance(at).ravel(),
                    "p_relevance": p.ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def kept_table(
    names: Sequence[str], genes: Sequence[str], plain: Kept, given: Kept, layer: LayerConcepts
) -> pd.DataFrame:
    """One line for each gene and concept: in the tissue, and what is left given haematoxylin.

    Parameters
    ----------
    names
        Concepts of `plain`; those of `given` are the names of `layer`, one fewer.
    layer
        Residual concepts at the layer of relevance.
    """
    lines = []
    at_given = {name: place for place, name in enumerate(layer.names)}
    p, left = relevance_p(layer), normalised(layer.relevance)
    sides = {"measured": (plain.measured, given.measured)}
    sides["predicted"] = (plain.predicted, given.predicted)
    for gene, label in enumerate(genes):
        for place, name in enumerate(names):
            line: dict[str, object] = {"gene": label, "concept": name}
            rest = at_given.get(name)
            for side, (whole, residual) in sides.items():
                line[f"{side}_r"] = whole.value[gene, place]
                line[f"p_{side}_r"] = whole.p[gene, place]
                known = rest is not None
                line[f"{side}_r_given"] = residual.value[gene, rest] if known else np.nan
                line[f"p_{side}_r_given"] = residual.p[gene, rest] if known else np.nan
            line["relevance_given"] = np.nan if rest is None else left[gene, rest]
            line["p_relevance_given"] = np.nan if rest is None else p[gene, rest]
            lines.append(line)
    return pd.DataFrame(lines)


def cut_table(cut: LayerCut, costs: Sequence[EncoderCost]) -> pd.DataFrame:
    """Correlation and cost by layer; the last line is the present encoder."""
    return pd.DataFrame(
        {
            "layer": cut.layers,
            "n_features": cut.width,
            "inner_pcc": cut.inner_pcc.mean(axis=0),
            "inner_pcc_low": cut.inner_pcc.min(axis=0),
            "inner_pcc_high": cut.inner_pcc.max(axis=0),
            "times_chosen": [cut.layer_of_part.count(place) for place in range(len(cut.layers))],
            "best": [place == cut.best for place in range(len(cut.layers))],
            "operations_per_tile": [cost.operations for cost in costs],
            "parameters": [cost.parameters for cost in costs],
        }
    )

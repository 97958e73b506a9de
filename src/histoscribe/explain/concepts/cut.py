"""The layer to cut a frozen encoder at: chosen on inner groups, scored on groups left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int
from sklearn.model_selection import GroupKFold

from histoscribe.explain.concepts.tiles import ConceptTiles
from histoscribe.explain.concepts.vectors import (
    MOST_FOLDS,
    Standard,
    choose_alphas,
    ridge_weights,
)
from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.surrogates import N_DRAWS, correlation_test
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.seed import integer
from histoscribe.ties import SCORE_ROUNDING

_SEED = 0  # of surrogates; nobody needs another one


@final
@dataclass(frozen=True, eq=False)
class LayerCut:
    """Correlation of genes with ridge predictions from each layer, and the best layer."""

    layers: tuple[str, ...]
    """In order; the last is the one that the predictor reads."""
    width: tuple[int, ...]
    """Features of each layer."""
    inner_pcc: Float[np.ndarray, "F L"]
    """PCC on inner groups, for each part of the groups that is left out."""
    best: int
    """The layer with the best mean of `inner_pcc`; of equal ones the earliest."""
    layer_of_part: tuple[int, ...]
    """The layer with the best `inner_pcc` in each part."""
    cut_values: Float[np.ndarray, "N G"]
    """Prediction of every tile by the ridge at `layer_of_part`, fitted without its group."""
    present_values: Float[np.ndarray, "N G"]
    """The same at the last layer."""


def layer_cut(
    names: Sequence[str],
    pooled: Sequence[Float[np.ndarray, "N C"]],
    measured: Float[np.ndarray, "N G"],
    tiles: ConceptTiles,
) -> LayerCut:
    """Choose the layer on inner groups, for each part of the groups that is left out.

    Parameters
    ----------
    pooled
        Features of each tile at every layer; the last are those that the predictor reads.
    measured
        Genes on these tiles, all measured.
    """
    group = tiles.group
    section = tiles.keys.section
    outer = GroupKFold(min(MOST_FOLDS, len(np.unique(group))))
    inner_pcc, chosen = [], []
    cut, present = np.empty_like(measured), np.empty_like(measured)
    for train, test in outer.split(measured, groups=group):
        part = (measured[train], group[train], section[train])
        scores = [_inner_pcc(x[train], *part) for x in pooled]
        layer = _best(np.array(scores))
        inner_pcc.append(scores)
        chosen.append(layer)
        for values, at in ((cut, layer), (present, -1)):
            x = pooled[at]
            values[test] = _predicted(x[train], measured[train], group[train], x[test])
    table = np.array(inner_pcc)
    return LayerCut(
        layers=tuple(names),
        width=tuple(x.shape[1] for x in pooled),
        inner_pcc=table,
        best=_best(table.mean(axis=0)),
        layer_of_part=tuple(chosen),
        cut_values=cut,
        present_values=present,
    )


def cut_numbers(
    cut: LayerCut, measured: Float[np.ndarray, "N G"], tiles: ConceptTiles
) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    """PCC and error at the chosen and at the present layer, and the gain, each by chance."""
    at_cut, present = (
        _MapScores.of(made, measured, tiles) for made in (cut.cut_values, cut.present_values)
    )
    where = "ridge at the layer chosen on the others", "ridge at the layer that the predictor reads"
    pcc = f"mean PCC of genes in sections, {tiles.held_out} left out"
    error = (
        f"mean squared error of genes over their variance in sections, {tiles.held_out} left out"
    )
    gain = "PCC at the chosen layer minus that at the layer that the predictor reads"
    rows = (
        ("pcc_at_cut", at_cut.pcc, at_cut.pcc_draws, f"{pcc}, {where[0]}"),
        ("pcc_as_it_is", present.pcc, present.pcc_draws, f"{pcc}, {where[1]}"),
        ("gain_of_cut", at_cut.pcc - present.pcc, at_cut.pcc_draws - present.pcc_draws, gain),
        ("error_at_cut", at_cut.error, at_cut.error_draws, f"{error}, {where[0]}"),
        ("error_as_it_is", present.error, present.error_draws, f"{error}, {where[1]}"),
    )
    by_chance = f"of {N_DRAWS} equally smooth random maps of the genes"
    return (
        tuple(Number(name, value, words) for name, value, _, words in rows),
        tuple(
            Number.of_draws(name, drawn, f"{words}, {by_chance}") for name, _, drawn, words in rows
        ),
    )


def _inner_pcc(
    x: Float[np.ndarray, "n C"],
    y: Float[np.ndarray, "n G"],
    group: Int[np.ndarray, " n"],
    section: Int[np.ndarray, " n"],
) -> float:
    """PCC of genes in inner groups, mean over sections; penalties are chosen on the same groups."""
    predicted = choose_alphas(Standard.of(x).apply(x), Standard.of(y).apply(y), group).predicted
    by_section = [
        defined_mean(pearson_per_gene(predicted[section == one], y[section == one]))
        for one in np.unique(section)
    ]
    return defined_mean(by_section)


def _predicted(
    x: Float[np.ndarray, "n C"],
    y: Float[np.ndarray, "n G"],
    group: Int[np.ndarray, " n"],
    new: Float[np.ndarray, "m C"],
) -> Float[np.ndarray, "m G"]:
    features, genes = Standard.of(x), Standard.of(y)
    inner = choose_alphas(features.apply(x), genes.apply(y), group)
    weights = ridge_weights(features.apply(x), genes.apply(y), inner.alpha)
    return genes.undo(features.apply(new) @ weights.T)


def _best(scores: Float[np.ndarray, " L"]) -> int:
    """The earliest layer that no other beats by more than rounding."""
    return int(np.flatnonzero(scores >= scores.max() - SCORE_ROUNDING)[0])


@final
@dataclass(frozen=True, eq=False)
class _MapScores:
    """Scores of predicted maps, and the same with random maps in place of the measured ones."""

    pcc: float
    pcc_draws: Float[np.ndarray, " draws"]
    error: float
    error_draws: Float[np.ndarray, " draws"]

    @classmethod
    def of(
        cls,
        predicted: Float[np.ndarray, "N G"],
        measured: Float[np.ndarray, "N G"],
        tiles: ConceptTiles,
    ) -> "_MapScores":
        """Mean over genes and sections; random maps are the same for all genes of a section."""
        pcc, error = [], []
        for section, rows in tiles.by_section:
            seed = integer(_SEED, f"explain-concepts-cut-{section}")
            of_section = [
                _pcc_and_error(x, y, tiles.um[rows], seed)
                for x, y in zip(predicted[rows].T, measured[rows].T, strict=True)
                if np.ptp(y) > 0
            ]
            if of_section:
                both = np.mean(of_section, axis=0)
                pcc.append(both[0])
                error.append(both[1])
        first, second = np.mean(pcc, axis=0), np.mean(error, axis=0)
        return cls(float(first[0]), first[1:], float(second[0]), second[1:])


def _pcc_and_error(
    predicted: Float[np.ndarray, " n"],
    measured: Float[np.ndarray, " n"],
    um: Float[np.ndarray, "n 2"],
    seed: int,
) -> Float[np.ndarray, "2 values"]:
    """PCC and error of one gene, followed by those of random maps.

    Random maps have the mean and variance of the measured one, so that their error follows from
    their correlation. A constant prediction correlates with nothing.
    """
    test = correlation_test(predicted, measured, um, seed)
    pcc = np.nan_to_num(np.array([test.value, *test.draws]))
    deviation = predicted.std() / measured.std()
    shift = (predicted.mean() - measured.mean()) / measured.std()
    return np.stack([pcc, deviation**2 + 1 + shift**2 - 2 * pcc * deviation])

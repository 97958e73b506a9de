"""How far the maps of gene pairs agree with their co-expression, and the same of permuted genes."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from time import perf_counter
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.together.moved_labels import moved
from histoscribe.explain.together.pairs import PairSection, of_pairs
from histoscribe.progress import track
from histoscribe.seed import stream

N_DRAWS = 999
"""Permutations of the genes: the least p-value is 0.001."""
N_MOVED = 199
"""Times that the measured values of a section are moved over it."""
_SEED = 0  # of the permutations; nobody needs another one
ALIKE, SAME_SPOTS, CARRIED = "alike", "alike_same_spots", "carried"
MEASURES = {
    ALIKE: "correlation over gene pairs of the likeness of their maps at one end of the tissue "
    "with their co-expression at the other end",
    SAME_SPOTS: "the same in the same spots, where it is too high for smooth maps",
    CARRIED: "co-expression that is in the maps, at the right places: slope of the covariance of "
    "one gene's map with what was measured of the other, over co-expression at the other end",
}
"""What is measured of a section, with its meaning."""


@final
@dataclass(frozen=True, eq=False)
class PairMatrices:
    """Gene by gene matrices, of a section or a mean of several."""

    coexpression: Float[np.ndarray, "G G"]
    """Correlation of what was measured."""
    likeness: Float[np.ndarray, "G G"]
    """Correlation of the maps."""
    following: Float[np.ndarray, "G G"]
    """Covariance of one gene's map with what was measured of the other, in measured deviations."""

    @classmethod
    def of(cls, section: PairSection, maps: Float[np.ndarray, "N G"]) -> "PairMatrices":
        """Matrices over all spots of a section."""
        whole = section.whole
        return cls(whole.coexpression, whole.likeness(maps), whole.following(maps))

    @classmethod
    def mean(cls, maps: "Sequence[ComparedMaps]") -> "PairMatrices":
        """Mean over patients."""
        weights = weights_of([of.section for of in maps])

        def mean(name: str) -> Float[np.ndarray, "G G"]:
            return np.tensordot(weights, np.array([getattr(of.matrices, name) for of in maps]), 1)

        return cls(*(mean(field.name) for field in fields(cls)))


@final
@dataclass(frozen=True, eq=False)
class ComparedMaps:
    """Predicted maps of a section, compared with the measured values of its spots.

    Vectors have a value for each pair of genes, without what mean expression says of it.
    """

    section: PairSection
    values_of_spots: Float[np.ndarray, "N G"]
    """The maps."""
    likeness: tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"]]
    """Of the maps, at each end."""
    following: tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"]]
    """Covariance of one gene's map with what was measured of the other, at each end."""
    coexpression: tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"]]
    """At the end that the maps are not of."""
    same_spots: tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"]]
    """Likeness and co-expression over all spots."""
    matrices: "PairMatrices"
    """Over all spots, with what mean expression says."""

    @classmethod
    def of(cls, section: PairSection, maps: Float[np.ndarray, "N G"]) -> "ComparedMaps":
        """Compare the maps of the same genes, in the same order."""
        one, other = section.parts
        whole = PairMatrices.of(section, maps)
        return cls(
            section,
            maps,
            likeness=_both([part.likeness(maps) for part in section.parts], section),
            following=_both([part.following(maps) for part in section.parts], section),
            coexpression=_both([other.coexpression, one.coexpression], section),
            same_spots=_both([whole.likeness, whole.coexpression], section),
            matrices=whole,
        )

    @property
    def values(self) -> Mapping[str, float]:
        """Value of each of `MEASURES`."""
        ends = zip(self.likeness, self.following, self.coexpression, strict=True)
        both = np.array([(_correlation(like, go), _slope(follow, go)) for like, follow, go in ends])
        alike, carried = both.mean(axis=0)
        same = _correlation(*self.same_spots)
        return {ALIKE: float(alike), SAME_SPOTS: same, CARRIED: float(carried)}


def weights_of(sections: Sequence[PairSection]) -> Float[np.ndarray, " S"]:
    """Weight of each section: patients count alike, and so do the sections of a patient."""
    patients = [of.patient for of in sections]
    share = np.array([1.0 / patients.count(patient) for patient in patients])
    return share / share.sum()


def mean_values(maps: Sequence[ComparedMaps]) -> Mapping[str, float]:
    """Mean of each measure over patients."""
    weights = weights_of([of.section for of in maps])
    return {name: float(weights @ np.array([of.values[name] for of in maps])) for name in MEASURES}


def as_measured(maps: Sequence[ComparedMaps]) -> Mapping[str, float]:
    """`ALIKE` and `CARRIED` of the measured values themselves, as if they were maps.

    Counts are noisy and both ends differ, so these fall short of 1: about the most that `CARRIED`
    can reach. Maps have less noise than counts, so their `ALIKE` can be higher.
    """
    values = mean_values([ComparedMaps.of(of.section, of.section.measured) for of in maps])
    return {name: values[name] for name in (ALIKE, CARRIED)}


def permuted_genes(maps: Sequence[ComparedMaps]) -> Mapping[str, Float[np.ndarray, " draws"]]:
    """`ALIKE` and `SAME_SPOTS` with the co-expression of each gene given to another.

    A draw permutes the genes of all sections alike. Not `CARRIED`: what was measured is in both of
    its sides, so permuted genes vary less.
    """
    n_genes = len(maps[0].section.log_mean)
    left, right = [], []
    for weight, of in zip(weights_of([of.section for of in maps]), maps, strict=True):
        for like, go in zip(of.likeness, of.coexpression, strict=True):
            unit = weight / 2 * _unit(like) / _norm(go)
            left.append(np.stack([unit, np.zeros_like(like)]))
            right.append(_square(go, n_genes))
        like, go = of.same_spots
        left.append(np.stack([np.zeros_like(like), weight * _unit(like) / _norm(go)]))
        right.append(_square(go, n_genes))
    draws = _permuted(np.stack(left, axis=1), np.stack(right), maps[0].section)
    return dict(zip((ALIKE, SAME_SPOTS), draws.T, strict=True))


def moved_measured(maps: Sequence[ComparedMaps]) -> Float[np.ndarray, " draws"]:
    """`CARRIED` with what was measured moved over each section, mean over patients.

    Co-expression and smoothness stay, so this is the range of maps at wrong places.
    """
    weights, draws = weights_of([of.section for of in maps]), np.empty(N_MOVED)
    start = perf_counter()
    with closing(track(range(N_MOVED), "measured values moved")) as runs:
        for run in runs:
            draws[run] = weights @ np.array([_carried_of_moved(of, run) for of in maps])
            if run == 0:
                seconds = (perf_counter() - start) * N_MOVED
                tell_estimate(f"measured values moved {N_MOVED} times", seconds)
    return draws


def _carried_of_moved(of: ComparedMaps, run: int) -> float:
    section, maps = of.section, of.values_of_spots
    rng = stream(_SEED, f"together-measured-{section.name}-{run}")
    elsewhere = section.from_spots(moved(section.um, rng))
    one, other = elsewhere.parts
    follow = _both([part.following(maps) for part in elsewhere.parts], elsewhere)
    go = _both([other.coexpression, one.coexpression], elsewhere)
    return float(np.mean([_slope(a, b) for a, b in zip(follow, go, strict=True)]))


def share_above(value: float, draws: Float[np.ndarray, " draws"]) -> float:
    """Share of draws at least as high, the value itself among them: a one-sided p."""
    return float((1 + (draws >= value).sum()) / (1 + len(draws)))


def _permuted(
    left: Float[np.ndarray, "k parts P"],
    right: Float[np.ndarray, "parts G G"],
    section: PairSection,
) -> Float[np.ndarray, "draws k"]:
    """Products of pairs with pairs of permuted genes, summed over parts."""
    first, second = section.pairs
    rng, draws = stream(_SEED, "together-genes"), np.empty((N_DRAWS, len(left)))
    with closing(track(range(N_DRAWS), "genes permuted")) as runs:
        for run in runs:
            order = rng.permutation(right.shape[1])
            draws[run] = np.einsum("kqp,qp->k", left, right[:, order[first], order[second]])
    return draws


def _both(
    matrices: Sequence[Float[np.ndarray, "G G"]], section: PairSection
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"]]:
    one, other = (of_pairs(matrix, section) for matrix in matrices)
    return one, other


def _norm(values: Float[np.ndarray, " P"]) -> float:
    """Length; 1 for zeros, which go with nothing."""
    return float(np.linalg.norm(values)) or 1.0


def _unit(values: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
    return values / _norm(values)


def _correlation(one: Float[np.ndarray, " P"], other: Float[np.ndarray, " P"]) -> float:
    return float(_unit(one) @ _unit(other))


def _slope(values: Float[np.ndarray, " P"], on: Float[np.ndarray, " P"]) -> float:
    return float(values @ on / _norm(on) ** 2)


def _square(values: Float[np.ndarray, " P"], n_genes: int) -> Float[np.ndarray, "G G"]:
    matrix = np.zeros((n_genes, n_genes))
    first, second = np.triu_indices(n_genes, 1)
    matrix[first, second] = matrix[second, first] = values
    return matrix

"""Scores of readers and model on a reading sheet, and how far readers agree."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

from histoscribe.explain.levels.reading_key import ANSWERS
from histoscribe.seed import stream

N_DRAWS = 999
"""Draws by chance."""
_SEED = 0  # of these draws; nobody needs another one


def aurocs(
    score: Float[np.ndarray, " n"], high: Bool[np.ndarray, "draws n"]
) -> Float[np.ndarray, " draws"]:
    """Share of pairs of a high and a low tile in which the high one has more, ties half."""
    rank = rankdata(score)
    n_high = high.sum(axis=-1)
    n_low = len(score) - n_high
    return (high @ rank - n_high * (n_high + 1) / 2) / (n_high * n_low)


def permuted_sides(
    high: Bool[np.ndarray, " n"], patient: Sequence[str], *, of_patients: bool
) -> Bool[np.ndarray, "draws n"]:
    """High and low by chance, patient by patient: the tiles of a patient keep together.

    Where a patient has one value, values are permuted over patients. Else high and low change
    places in each patient with probability one half.
    """
    rng = stream(_SEED, "explain-levels-reading")
    names, first, of_tile = np.unique(np.asarray(patient), return_index=True, return_inverse=True)
    if of_patients:
        return np.stack([rng.permutation(high[first])[of_tile] for _ in range(N_DRAWS)])
    swapped = rng.random((N_DRAWS, len(names))) < 0.5
    return swapped[:, of_tile] ^ high


def weighted_kappa(first: Int[np.ndarray, " n"], second: Int[np.ndarray, " n"]) -> float:
    """Agreement of two readers beyond chance, by squared distance of their answers.

    1 is full agreement, 0 that of independent answers (Cohen 1968, doi:10.1037/h0026256). NaN where
    both give one and the same answer to every tile.
    """
    shares = [np.bincount(of, minlength=len(ANSWERS) + 1) / len(of) for of in (first, second)]
    answer = np.arange(len(ANSWERS) + 1)
    distance = (answer[:, None] - answer) ** 2
    expected = shares[0] @ distance @ shares[1]
    return float(1 - np.mean((first - second) ** 2) / expected) if expected > 0 else float("nan")


def pairwise_kappas(answers: Int[np.ndarray, "readers n"]) -> Float[np.ndarray, " pairs"]:
    """Agreement of each two readers, in the order of `np.triu_indices`."""
    pairs = np.transpose(np.triu_indices(len(answers), k=1))
    return np.array([weighted_kappa(answers[one], answers[other]) for one, other in pairs])


def shuffled_kappas(answers: Int[np.ndarray, "readers n"]) -> Float[np.ndarray, "draws pairs"]:
    """The same with the answers of each reader shuffled over the tiles."""
    rng = stream(_SEED, "explain-levels-agreement")
    return np.stack([pairwise_kappas(rng.permuted(answers, axis=1)) for _ in range(N_DRAWS)])

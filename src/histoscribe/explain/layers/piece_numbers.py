"""Numbers of the scores from cut tiles, each with its value by chance."""

import numpy as np
from jaxtyping import Float

from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.layers.piece_scores import SURVIVES, PieceScores
from histoscribe.explain.layers.random_range import next_random


def numbers(scores: PieceScores) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    """Scores of every cut, and the part that survives; both beside their values by chance."""
    pairs = [_score(scores, at) for at in range(len(scores.cuts))]
    pairs += [
        _survival(scores, scores.finest, "share_surviving", "most shuffled pieces"),
        _survival(scores, len(scores.cuts) - 1, "share_turned", "as many pieces turned in place"),
        _predicted_genes(scores),
        _texture_share(scores),
    ]
    statistic = tuple(value for value, _ in pairs)
    return statistic, (*(chance for _, chance in pairs), *_random_networks(scores))


def _score(scores: PieceScores, at: int) -> tuple[Number, Number]:
    cut = scores.cuts[at]
    name = f"score_{cut.name}"
    words = f"correlation with measured values, mean over genes and patients, {_words(cut.name)}"
    draws = np.array([defined_mean(draw) for draw in scores.draws[at]])
    by_chance = f"{words}, of random maps as smooth as the predicted ones"
    return (
        Number(name, defined_mean(scores.score[at]), words),
        Number.of_draws(name, draws, by_chance),
    )


def _words(cut: str) -> str:
    kind, _, n_side = cut.partition("_")
    if not n_side:
        return "whole tiles"
    places = "in other places" if kind == "shuffled" else "turned in their places"
    return f"{n_side} pieces a side {places}"


def _survival(scores: PieceScores, at: int, name: str, of: str) -> tuple[Number, Number]:
    """Part of the score of the predicted genes that is left."""
    genes = scores.is_predicted
    words = f"score of {of} by that of whole tiles, over the {genes.sum()} predicted genes"
    whole = scores.score[0, genes].sum()
    if not genes.any():
        return _undefined(name, words, len(scores.draws[at]))
    draws = scores.draws[at][:, genes].sum(axis=1) / whole
    return (
        Number(name, float(scores.score[at, genes].sum() / whole), words),
        Number.of_draws(name, draws, f"{words}; cut tiles give random maps"),
    )


def _predicted_genes(scores: PieceScores) -> tuple[Number, Number]:
    words = "genes that whole tiles predict better than chance"
    draws = (scores.draws[0] > scores.limit[0]).sum(axis=1).astype(np.float64)
    return (
        Number("predicted_genes", float(scores.is_predicted.sum()), words),
        Number.of_draws("predicted_genes", draws, f"{words}, of random maps"),
    )


def _texture_share(scores: PieceScores) -> tuple[Number, Number]:
    genes = scores.is_predicted
    words = (
        f"share of the predicted genes that keep {SURVIVES:.0%} of their score, and stay above "
        "chance, in the most shuffled pieces"
    )
    if not genes.any():
        return _undefined("texture_share", words, len(scores.draws[0]))
    value = scores.reading.count("texture") / genes.sum()
    draws = scores.survival_by_chance()[:, genes].mean(axis=1)
    return (
        Number("texture_share", float(value), words),
        Number.of_draws("texture_share", draws, f"{words}; cut tiles give random maps"),
    )


def _random_networks(scores: PieceScores) -> tuple[Number, ...]:
    if not len(scores.random):
        return ()
    ends = zip((0, scores.finest), scores.random.transpose(1, 0, 2), strict=True)
    return tuple(_of_networks(scores.cuts[at].name, values) for at, values in ends)


def _of_networks(cut: str, values: Float[np.ndarray, "K G"]) -> Number:
    means = np.array([defined_mean(network) for network in values])
    words = f"score_{cut} of {len(means)} networks with random weights, and the range of a further"
    return next_random(f"score_{cut}_random_networks", means, words)


def _undefined(name: str, words: str, n_draws: int) -> tuple[Number, Number]:
    return (
        Number(name, float("nan"), words),
        Number.of_draws(name, np.full(n_draws, np.nan), words),
    )

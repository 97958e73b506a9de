"""Similarity of layers with its values by chance: numbers and tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.layers.alignments import Alignments, Column
from histoscribe.explain.layers.random_range import next_random_cka
from histoscribe.explain.random_networks import N_RANDOM

WIDER = (N_RANDOM - 1) / (N_RANDOM - 2)
"""Each random network is part of the mean of the others, which pulls their means together."""


@final
@dataclass(frozen=True, eq=False)
class LayerAlignments:
    """CKA between the layers of one predictor or two, of their starts and of random networks."""

    aligned: Alignments
    layers: tuple[tuple[str, ...], ...]
    """Of each predictor."""
    has_start: tuple[bool, ...]
    """Whether the network of each predictor started from published weights."""

    def of_network(self, number: int, *, kind: str = "trained") -> list[Column]:
        """Network layers of a predictor, without its encoder's layers."""
        return [(f"{number}/{kind}", name) for name in self._network_layers(number)]

    def of_predictor(self, number: int, *, kind: str = "trained") -> list[Column]:
        """Layers of encoder and network, with one of its networks."""
        encoder = [name for name in self.layers[number] if name.startswith("encoder.")]
        return [(f"{number}/encoder", name) for name in encoder] + self.of_network(
            number, kind=kind
        )

    def residuals(self, number: int, part: str, *, kind: str = "trained") -> list[Column]:
        """Skip connections of a network, in order: part `stream` (the sums) or `branch`."""
        return [of for of in self.aligned.place if of[0] == f"{number}/{kind}/{part}"]

    def residual_matrix(
        self, number: int, part: str, *, kind: str = "trained"
    ) -> Float[np.ndarray, "n n"]:
        """CKA between the sums, or the branches alone, of a network."""
        columns = self.residuals(number, part, kind=kind)
        return self.aligned.between(columns, columns)

    def random_residuals(self, number: int, part: str) -> Float[np.ndarray, "draws n n"]:
        """The same of random networks."""
        draws = range(N_RANDOM)
        return np.stack([self.residual_matrix(number, part, kind=_random(d)) for d in draws])

    def matrix(self, first: int, second: int) -> Float[np.ndarray, "n m"]:
        """CKA between all layers of two predictors, or of one."""
        return self.aligned.between(self.of_predictor(first), self.of_predictor(second))

    def random_matrices(self, first: int, second: int) -> Float[np.ndarray, "draws n m"]:
        """The same of random networks; of two predictors, with other draws."""
        shift = 0 if first == second else 1
        return np.stack(
            [
                self.aligned.between(
                    self.of_predictor(first, kind=_random(draw)),
                    self.of_predictor(second, kind=_random(draw + shift)),
                )
                for draw in range(N_RANDOM)
            ]
        )

    def to_random(self, number: int) -> Float[np.ndarray, " n"]:
        """CKA of each layer of the network with the same of random networks, mean over these."""
        trained = self.of_network(number)
        return np.mean([self._pairs(trained, number, _random(d)) for d in range(N_RANDOM)], axis=0)

    def random_to_random(self, number: int) -> Float[np.ndarray, "draws n"]:
        """The same of each random network with the others."""
        draws = []
        for draw in range(N_RANDOM):
            own = self.of_network(number, kind=_random(draw))
            others = [_random(other) for other in range(N_RANDOM) if other != draw]
            draws.append(np.mean([self._pairs(own, number, other) for other in others], axis=0))
        return np.stack(draws)

    def to_start(self, number: int, kind: str = "trained") -> Float[np.ndarray, " n"]:
        """CKA of each layer of a network with the same before training."""
        return self._pairs(self.of_network(number, kind=kind), number, "start")

    def random_to_start(self, number: int) -> Float[np.ndarray, "draws n"]:
        """The same of random networks."""
        return np.stack([self.to_start(number, _random(draw)) for draw in range(N_RANDOM)])

    def constant_layers(self) -> list[str]:
        """Names of layers that give the same numbers for all tiles."""
        columns = [of for number in range(len(self.layers)) for of in self.of_predictor(number)]
        own = self.aligned.pairs(columns, columns)
        return [name for (_, name), value in zip(columns, own, strict=True) if np.isnan(value)]

    def numbers(self) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
        """Numbers of the answer, and each by chance; then the values of permuted tiles."""
        pairs = [pair for number in range(len(self.layers)) for pair in self._of_one(number)]
        if len(self.layers) > 1:
            pairs += self._of_two()
        places = [self.aligned.place[of] for of in self.of_predictor(0)]
        permuted = Number.of_draws(
            "cka_permuted_tiles",
            np.array([defined_mean(draw) for draw in self.aligned.permuted[:, places]]),
            "CKA of each layer with itself, its tiles permuted within sections; mean over layers",
        )
        return tuple(value for value, _ in pairs), (*(chance for _, chance in pairs), permuted)

    def _of_one(self, number: int) -> Iterator[tuple[Number, Number]]:
        end = f"_{number + 1}" if len(self.layers) > 1 else ""
        words = "mean CKA of each layer of the network with"
        drawn = np.array([defined_mean(of) for of in self.random_to_random(number)])
        name = f"cka_to_random{end}"
        yield (
            Number(name, defined_mean(self.to_random(number)), f"{words} that of random networks"),
            next_random_cka(name, drawn, "a random network with the others", wider=WIDER),
        )
        if len(self.of_network(number)) > 1:
            name = f"cka_of_next{end}"
            drawn = np.array([self._next(number, _random(draw)) for draw in range(N_RANDOM)])
            yield (
                Number(name, self._next(number, "trained"), f"{words} the next layer"),
                next_random_cka(name, drawn, "the same in random networks"),
            )
        if len(self.residuals(number, "stream")) > 1:
            for part, what in (("stream", "sum after a skip connection"), ("branch", "branch")):
                name = f"cka_of_next_{part}{end}"
                drawn = np.array([_next(of) for of in self.random_residuals(number, part)])
                value = _next(self.residual_matrix(number, part))
                yield (
                    Number(name, value, f"mean CKA of each {what} with the next one"),
                    next_random_cka(name, drawn, "the same in random networks"),
                )
        if self.has_start[number]:
            name = f"cka_to_start{end}"
            drawn = np.array([defined_mean(of) for of in self.random_to_start(number)])
            yield (
                Number(name, defined_mean(self.to_start(number)), f"{words} that before training"),
                next_random_cka(name, drawn, "the same of random networks"),
            )

    def _of_two(self) -> list[tuple[Number, Number]]:
        common = [name for name in self._network_layers(0) if name in self._network_layers(1)]
        if not common:
            return []

        def value(kind: str, other: str) -> float:
            first = [(f"0/{kind}", name) for name in common]
            second = [(f"1/{other}", name) for name in common]
            return defined_mean(self.aligned.pairs(first, second))

        name = "cka_of_predictors"
        drawn = np.array([value(_random(draw), _random(draw + 1)) for draw in range(N_RANDOM)])
        meaning = (
            "CKA of each layer of one network with the same layer of the other; mean over layers"
        )
        return [
            (
                Number(name, value("trained", "trained"), meaning),
                next_random_cka(name, drawn, "the same of random networks of both"),
            )
        ]

    def pair_table(self, names: Sequence[str]) -> pd.DataFrame:
        """A row for each pair of layers, within predictors and between them."""
        rows = []
        n = len(self.layers)
        for first, second in [(i, j) for i in range(n) for j in range(i, n)]:
            drawn = self.random_matrices(first, second)
            of_pair = self.matrix(first, second)
            for (i, j), value in np.ndenumerate(of_pair):
                chance = next_random_cka("", drawn[:, i, j], "")
                rows.append(
                    {
                        "predictor": names[first],
                        "layer": self.layers[first][i],
                        "with_predictor": names[second],
                        "with_layer": self.layers[second][j],
                        "cka": value,
                        "random_networks": chance.value,
                        "random_low": chance.low,
                        "random_high": chance.high,
                    }
                )
        return pd.DataFrame(rows)

    def layer_table(self, names: Sequence[str]) -> pd.DataFrame:
        """A row for each layer of each network: what training changed, and what it kept."""
        rows = []
        for number, predictor in enumerate(names):
            columns = self.of_network(number)
            drawn, to_random = self.random_to_random(number), self.to_random(number)
            start = self.to_start(number) if self.has_start[number] else [None] * len(columns)
            for at, column in enumerate(columns):
                chance = next_random_cka("", drawn[:, at], "", wider=WIDER)
                permuted = self.aligned.permuted[:, self.aligned.place[column]]
                rows.append(
                    {
                        "predictor": predictor,
                        "layer": column[1],
                        "to_random": to_random[at],
                        "random_to_random": chance.value,
                        "random_low": chance.low,
                        "random_high": chance.high,
                        "to_start": start[at],
                        "permuted_tiles": permuted.mean(),
                    }
                )
        return pd.DataFrame(rows)

    def _network_layers(self, number: int) -> list[str]:
        return [name for name in self.layers[number] if name.startswith("network.")]

    def _pairs(self, first: Sequence[Column], number: int, kind: str) -> Float[np.ndarray, " n"]:
        return self.aligned.pairs(first, self.of_network(number, kind=kind))

    def _next(self, number: int, kind: str) -> float:
        columns = self.of_network(number, kind=kind)
        return defined_mean(self.aligned.pairs(columns[:-1], columns[1:]))


def _next(matrix: Float[np.ndarray, "n n"]) -> float:
    """Mean beside the diagonal."""
    return defined_mean(np.diag(matrix, k=1))


def _random(draw: int) -> str:
    return f"random-{draw % N_RANDOM}"

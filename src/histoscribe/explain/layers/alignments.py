"""CKA between all layers of several networks, over the same tiles."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.explain.layers.activations import Layers
from histoscribe.explain.layers.cka import alignment, centred_likeness, hsic, permuted_hsic
from histoscribe.seed import stream

Column = tuple[str, str]
"""A network, or an encoder, and its layer."""
N_PERMUTED = 20
"""Random orders of the tiles that a layer is compared with itself in."""


@final
@dataclass(frozen=True, eq=False)
class Alignments:
    """CKA of every pair of layers of some networks."""

    place: Mapping[Column, int]
    cka: Float[np.ndarray, "S S"]
    """NaN for a layer that is the same for all tiles."""
    permuted: Float[np.ndarray, "draws S"]
    """Of each layer with itself after the tiles were permuted within their section."""

    def between(
        self, first: Sequence[Column], second: Sequence[Column]
    ) -> Float[np.ndarray, "n m"]:
        """CKA of each first layer with each second layer."""
        return self.cka[np.ix_(*([self.place[of] for of in part] for part in (first, second)))]

    def pairs(self, first: Sequence[Column], second: Sequence[Column]) -> Float[np.ndarray, " n"]:
        """Of the layers one by one."""
        rows, columns = ([self.place[of] for of in part] for part in (first, second))
        return self.cka[rows, columns]


def align(sections: Iterator[Mapping[str, Layers]]) -> Alignments:
    """Add up the layers of each network, section by section.

    Each section is a batch: tiles of one section are compared, so that stain that differs between
    sections takes no part. Sections count equally.
    """
    products: list[Float[np.ndarray, "S S"]] = []
    permuted: list[Float[np.ndarray, "draws S"]] = []
    columns: list[Column] = []
    for batch, networks in enumerate(sections):
        columns = [(name, layer) for name, layers in networks.items() for layer in layers]
        likeness = [centred_likeness(rows) for of in networks.values() for rows in of.values()]
        draws = [stream(number, f"explain-layers-permuted-{batch}") for number in range(N_PERMUTED)]
        orders = [draw.permutation(len(likeness[0])) for draw in draws]
        products.append(hsic(likeness))
        permuted.append(np.array([[permuted_hsic(k, order) for k in likeness] for order in orders]))
    mean = np.mean(products, axis=0)
    with_itself = np.diag(mean)
    size = np.where(with_itself > 0, with_itself, np.nan)
    return Alignments(
        place={of: at for at, of in enumerate(columns)},
        cka=alignment(mean, with_itself, with_itself),
        permuted=np.mean(permuted, axis=0) / size,
    )

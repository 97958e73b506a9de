"""Main layers of a network, chosen by names and nesting."""

from collections.abc import Sequence

import numpy as np

FEWEST_LAYERS, MOST_LAYERS = 8, 12
"""Of the encoder, and of the network, unless layers are named."""


def main_layers(names: Sequence[str]) -> tuple[str, ...]:
    """Of these layers the outermost, evenly thinned to `MOST_LAYERS`.

    Where there are fewer than `FEWEST_LAYERS`, the largest are opened: the layers inside them
    count, too, and stand before the layer that holds them.

    >>> main_layers(["block", "block.norm", "block.mix", "head"])
    ('block.norm', 'block.mix', 'block', 'head')
    """
    kept = _outermost(names)
    while len(kept) < FEWEST_LAYERS:
        inside = {
            name: [other for other in names if other.startswith(f"{name}.")]
            for name in kept
            if not any(other.startswith(f"{name}.") for other in kept)
        }
        most = max(map(len, inside.values()), default=0)
        if not most:
            break
        for layers in inside.values():
            if len(layers) == most:
                kept += _outermost(layers)
    return thinned(in_order(kept, names))


def thinned(names: Sequence[str]) -> tuple[str, ...]:
    """At most `MOST_LAYERS` of these layers, at even steps."""
    steps = np.linspace(0, len(names) - 1, min(MOST_LAYERS, len(names)))
    return tuple(names[int(step)] for step in np.rint(steps))


def in_order(kept: Sequence[str], names: Sequence[str]) -> list[str]:
    """Sort some of these layers as they run: a layer ends after the layers inside it."""
    place = {name: at for at, name in enumerate(names)}

    def ends(name: str) -> tuple[int, int]:
        inside = [at for other, at in place.items() if other.startswith(f"{name}.")]
        return max(inside, default=place[name]), -name.count(".")

    return sorted(kept, key=ends)


def _outermost(names: Sequence[str]) -> list[str]:
    known = set(names)
    return [name for name in names if not any(above in known for above in _above(name))]


def _above(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]

"""Labels moved over a section as a whole: co-expression and smoothness stay, the tissue does not.

Labels that are shuffled spot by spot are not smooth any more. Smooth labels, also of genes that no
image shows, meet smooth tissue by accident, and a model learns this; of shuffled ones it learns
less, so that they are too easy to exceed (`benchmarks/together.py`).
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from histoscribe.explain.retraining.labels import Exchange
from histoscribe.seed import stream
from histoscribe.types import SpotKeys

_LEAST, _MOST = 0.25, 0.75
"""Shift along each side, as a share of it: the labels of all spots come from afar."""


def moved_in_sections(keys: SpotKeys, um: Float[np.ndarray, "N 2"], seed: int) -> Exchange:
    """Mirror and shift the labels of each section by random amounts, around its edges.

    Each spot gets the label of the spot that is nearest to where the moved label came from. `um`
    are places in the section.
    """
    origin = np.arange(len(keys))
    for name, _, rows in keys.by_section():
        origin[rows] = rows[moved(um[rows], stream(seed, f"together-moved-{name}"))]
    return Exchange.of_origin(origin)


def moved(um: Float[np.ndarray, "n 2"], rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    """Mirror and shift a section by a random amount: the spot whose label each spot gets."""
    low = um.min(axis=0)
    pitch = np.median(cKDTree(um).query(um, k=min(2, len(um)))[0][:, -1])
    side = um.max(axis=0) - low + pitch  # the last place is a pitch before the first one
    mirrored = rng.choice([-1.0, 1.0], 2)
    shift = rng.uniform(_LEAST, _MOST, 2) * side
    came_from = (mirrored * (um - low) + shift) % side + low
    return np.asarray(cKDTree(um).query(came_from)[1], dtype=np.int64)

"""Named random streams: a new one changes no other."""

import zlib

import numpy as np


def stream(seed: int, use: str) -> np.random.Generator:
    """Give a generator that depends only on the run seed and the name of its use.

    Uses are keyed by patient or section id, never by a fold's index, so that removing one section
    from a cohort does not change the draws of the others.

    >>> float(stream(0, "demo").random()) == float(stream(0, "demo").random())
    True
    """
    return np.random.default_rng([seed, zlib.crc32(use.encode())])


def integer(seed: int, use: str) -> int:
    """Give a seed for a library that wants a whole number (torch, scikit-learn)."""
    return int(stream(seed, use).integers(2**31 - 1))

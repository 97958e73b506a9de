"""Values of many spots and genes as text small enough for a page."""

from base64 import b64encode
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LEVELS = 254
"""Steps between a gene's lowest and highest value; one code is reserved for unknown values."""

_UNKNOWN = LEVELS + 1


@dataclass(frozen=True)
class Packed:
    """Values as one byte each, gene after gene, spots in order.

    A value is `low + code * (high - low) / 254`, so it is off by at most 0.2 % of the gene's
    range in that section; code 255 is unknown.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    codes: str
    """Base64 of [G, N] bytes."""


def pack(values: Float[np.ndarray, "N G"]) -> Packed:
    """Pack the values of a section; NaN stays unknown, a gene without values has range 0 to 0."""
    known = np.isfinite(values)
    low = np.where(known, values, np.inf).min(axis=0, initial=np.inf).astype(np.float64)
    high = np.where(known, values, -np.inf).max(axis=0, initial=-np.inf).astype(np.float64)
    empty = ~known.any(axis=0)
    low[empty] = high[empty] = 0.0
    step = np.where(high > low, (high - low) / LEVELS, 1.0)
    codes = np.full(values.shape, _UNKNOWN, dtype=np.uint8)
    codes[known] = np.rint((values - low) / step)[known].astype(np.uint8)
    return Packed(_six_digits(low), _six_digits(high), b64encode(codes.T.tobytes()).decode("ascii"))


def _six_digits(values: Float[np.ndarray, " G"]) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values)

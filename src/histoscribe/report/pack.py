"""Values of many spots and genes as text small enough for a page."""

from base64 import b64encode
from dataclasses import dataclass
from zlib import compress

import numpy as np
from jaxtyping import Float, Float32

PLACE_LEVELS = 65_534
"""Steps of the positions of spots: at most 1 um across 6.5 cm."""

_MANTISSA_BITS = 10  # of the ends of a range; the rest of a float32 would not compress


@dataclass(frozen=True)
class Packed:
    """Values of G columns over N spots, as one code each, column after column.

    A value is `low + code * (high - low) / levels`, so it is off by at most half a step; the
    highest code of its type is unknown.
    """

    deflated: str
    """Base64 of zlib's stream of [G] lows and [G] highs as float32, then [G, N] codes: one byte
    each, two with more than 254 levels. All are little-endian.
    """
    levels: int


def pack(values: Float[np.ndarray, "N G"], levels: int) -> Packed:
    """Pack columns; NaN stays unknown, a column without values has range 0 to 0.

    The range of a column is widened by at most 0.2 %, so that its ends are short; a constant column
    keeps its value.
    """
    known = np.isfinite(values)
    low, high = _ranges(values, known)
    code = np.uint8 if levels <= 254 else np.dtype("<u2")
    step = np.where(high > low, (high.astype(np.float64) - low) / levels, 1.0)
    codes = np.full(values.shape, np.iinfo(code).max, dtype=code)
    codes[known] = np.rint((values - low) / step)[known].astype(code)
    stream = low.astype("<f4").tobytes() + high.astype("<f4").tobytes() + codes.T.tobytes()
    return Packed(b64encode(compress(stream, level=9)).decode("ascii"), levels)


def _ranges(
    values: Float[np.ndarray, "N G"], known: np.ndarray
) -> tuple[Float32[np.ndarray, " G"], Float32[np.ndarray, " G"]]:
    low = np.where(known, values, np.inf).min(axis=0, initial=np.inf).astype(np.float64)
    high = np.where(known, values, -np.inf).max(axis=0, initial=-np.inf).astype(np.float64)
    empty = ~known.any(axis=0)
    low[empty] = high[empty] = 0.0
    varies = high > low
    short_low = np.where(varies, _short(low, np.floor), low)
    short_high = np.where(varies, _short(high, np.ceil), high)
    return short_low.astype(np.float32), short_high.astype(np.float32)


def _short(values: Float[np.ndarray, " G"], towards: np.ufunc) -> Float[np.ndarray, " G"]:
    """Round to few bits, down or up."""
    _, exponent = np.frexp(values)
    unit = np.ldexp(1.0, exponent - _MANTISSA_BITS)
    rounded: Float[np.ndarray, " G"] = towards(values / unit) * unit
    return rounded

"""Signs of damage in the bytes of a tile, of any codec."""

import re
from dataclasses import dataclass

import simplejpeg
import tifffile

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides.resample import Box

_JPEG = (7, 33007, 34892)
"""Codes of JPEG in TIFF: the usual one, its alias, and lossy DNG."""
_ZEROS = {34927: 64, 50001: 64, 34712: 512, 33003: 512, 33004: 512, 33005: 512}
"""Zero bytes in a row that WebP and JPEG 2000 do not write, which check nothing themselves.

A flat tile of JPEG 2000 has some hundred, one for each empty packet.
"""
_ZEROS_OF_JPEG = 64
_UNSUPPORTED = re.compile(r"unsupported|not supported|conversion", re.IGNORECASE)
"""Complaints of the JPEG check about kinds of JPEG that it does not know."""


@dataclass(frozen=True)
class DamagedTile:
    """A tile of a slide whose pixels are lost or wrong."""

    level: int
    box: Box
    """Rectangle in level-0 px."""
    why: str

    def __str__(self) -> str:
        """Place and reason."""
        box = self.box
        return (
            f"level {self.level}, x {box.left:.0f} to {box.right:.0f}, y {box.top:.0f} to "
            f"{box.bottom:.0f} px: {self.why}"
        )


class DamagedTileError(Exception):
    """Raised where a tile cannot be decoded, or decodes to wrong pixels."""


def damaged_problem(where: str, tile: DamagedTile) -> DataContractError:
    """Error of a damaged tile where damage stops the work."""
    return DataContractError(
        Problem(
            where=where,
            found=f"the slide is truncated or broken: a damaged tile at {tile}",
            expected="a slide whose tiles can all be read",
            remedy="copy or download it again, then compare the file sizes; `predict` leaves out "
            "the places on damaged tiles (--damaged-tiles leave-out)",
        )
    )


def damage_in(data: bytes, page: tifffile.TiffPage) -> str:
    """Damage that the decoder of a tile would pass over; empty if the bytes are sound."""
    if page.compression in _JPEG and page.samplesperpixel in (1, 3):
        return jpeg_damage(_with_tables(data, page.jpegtables))
    n_zeros = _ZEROS.get(int(page.compression))
    if n_zeros is not None and bytes(n_zeros) in data:
        return f"{n_zeros} zero bytes or more in a row within the compressed data"
    return ""


def jpeg_damage(data: bytes) -> str:
    """What libjpeg remarks on in a JPEG while it decodes; empty for a sound one."""
    try:
        # reduced to an eighth: all bits are read, and few pixels are computed
        simplejpeg.decode_jpeg(data, colorspace="GRAY", min_height=1, min_width=1, strict=True)
    except ValueError as error:
        return "" if _UNSUPPORTED.search(str(error)) else str(error)
    if bytes(_ZEROS_OF_JPEG) in data and _zeros_are_detail(data):
        return f"{_ZEROS_OF_JPEG} zero bytes or more in a row within the compressed data"
    return ""


def _with_tables(data: bytes, tables: bytes | None) -> bytes:
    return data if tables is None else tables[:-2] + data[2:]


def _zeros_are_detail(data: bytes) -> bool:
    """Whether zero bits stand for detail, as in the usual code, and not for the end of a block.

    With a code that is made for the picture, flat blocks may be zero bits.
    """
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xC4 and data[at + 4] == 0x10:
            return data[at + 21] != 0
        at = end
    return False

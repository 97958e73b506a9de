"""Flat images decoded whole; a process keeps two of them, and more where they are small."""

import struct
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides import tiff, tiled
from histoscribe.io.slides.file_images import FileImage, ImagePath, choose_image
from histoscribe.io.slides.not_a_slide import broken_image, not_a_slide
from histoscribe.io.slides.tiff_tiles import on_white
from histoscribe.io.slides.tile_cache import stamp
from histoscribe.io.slides.tile_damage import jpeg_damage

_KEPT, _KEPT_BYTES = 2, 256 << 20
"""Decoded images kept: two of any size, for an her2st image has 276 MB, or as many as fit."""
_ORIENTATION = 0x0112
_SUFFIXES = (".jpg", ".jpeg", ".png")
_lock = RLock()
_decoded: OrderedDict[tuple[int | None, ...], UInt8[np.ndarray, "height width 3"]] = OrderedDict()


def is_flat_name(path: Path) -> bool:
    """Whether a file name is that of a JPEG or PNG."""
    return path.suffix.lower() in _SUFFIXES


def size(image: ImagePath) -> tuple[int, int]:
    """Width and height in px, from the header; refuses images that cannot be read exactly."""
    path = image.path
    if tiff.is_tiff(path):
        return tiled.header(image).sizes[0]
    with _opened(path) as picture:
        if picture.mode.startswith(("I", "F")) or _png_depth(path) == 16:
            raise _refused(path, "16 or 32 bits a channel", "save it with 8 bits a channel")
        if picture.mode == "CMYK":
            remedy = "save it as RGB, by the colour profile that it was made with"
            raise _refused(path, "colours of a printer (CMYK)", remedy)
        return picture.size


def stated_mpp(path: Path) -> tuple[float, float] | None:
    """Um/px in x and y from the resolution of a JPEG or PNG, plausible or not."""
    with _opened(path) as image:
        # from EXIF they are rationals that Pillow cannot subtract
        x, y = (float(side) for side in image.info.get("dpi", (0, 0)))
    return (25_400 / x, 25_400 / y) if x > 0 and y > 0 else None


def told(path: Path, number: int | None) -> tuple[str, ...]:
    """Warnings of a file of several pictures, of which only the first is read.

    The others are previews, depths or frames of an animation. Raises DataContractError if another
    one is asked for.
    """
    with _opened(path) as image:
        n_pictures, first = getattr(image, "n_frames", 1), FileImage(*image.size)
    choose_image(str(path), [first], number)
    if n_pictures == 1:
        return ()
    return (f"The file holds {n_pictures} pictures; the first, of {first}, is read.",)


def orientation(path: Path) -> int:
    """EXIF orientation of a JPEG or PNG; 1 if it states none."""
    exif = Image.Exif()
    with _opened(path) as image:
        # Pillow's `getexif` decodes a whole PNG, in search of a block behind the pixels
        exif.load(_png_exif(path) if image.format == "PNG" else image.info.get("exif", b""))
        return int(exif.get(_ORIENTATION, 1))


def _png_exif(path: Path) -> bytes:
    """EXIF of a PNG, before or behind the pixels."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            n_bytes, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                return file.read(n_bytes)
            file.seek(n_bytes + 4, 1)
    return b""


def decoded(image: ImagePath) -> UInt8[np.ndarray, "height width 3"]:
    """All pixels as RGB, alpha composed on white; the array is read-only and shared."""
    path = image.path
    key = (*stamp(path), image.number, image.fill)
    with _lock:
        if key not in _decoded:
            _make_room()
            pixels = tiled.decode_flat(image) if tiff.is_tiff(path) else _decode(path)
            pixels.flags.writeable = False
            _decoded[key] = pixels
        _decoded.move_to_end(key)
        return _decoded[key]


def _make_room() -> None:
    """Forget the images that were read longest ago, before another one is decoded."""
    n_bytes = sum(pixels.nbytes for pixels in _decoded.values())
    while len(_decoded) >= _KEPT and n_bytes > _KEPT_BYTES:
        _, oldest = _decoded.popitem(last=False)
        n_bytes -= oldest.nbytes


def _decode(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    with _opened(path) as image:
        if image.format == "JPEG" and image.mode in ("RGB", "L"):
            # Pillow passes over corrupt data, and holds the pixels twice
            data = path.read_bytes()
            if why := jpeg_damage(data):
                raise OSError(why)
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            return on_white(np.asarray(image.convert("RGBA")))
        # np.array would copy all pixels again: 276 MB and half a second for an her2st image
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open with Pillow; Pillow's guard against large images is lifted for this block only."""
    with _lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            with Image.open(path) as image:
                yield image
        except UnidentifiedImageError as error:
            raise not_a_slide(path) from error
        except (OSError, SyntaxError, struct.error) as error:
            raise broken_image(path, "image", error) from error
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _png_depth(path: Path) -> int | None:
    """Bits per channel of a PNG: Pillow silently cuts 16-bit colour down to 8."""
    with path.open("rb") as file:
        head = file.read(25)
    return head[24] if head.startswith(b"\x89PNG") and len(head) == 25 else None


def _refused(path: Path, found: str, remedy: str) -> DataContractError:
    return DataContractError(
        Problem(
            where=str(path),
            found=found,
            expected="a JPEG, PNG or TIFF with 8 bits a channel, in colour or grey",
            remedy=remedy,
        )
    )

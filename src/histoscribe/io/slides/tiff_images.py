"""Images of a TIFF: full-resolution pages, each with its reduced levels, and their names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from re import IGNORECASE, search
from xml.etree import ElementTree

import numpy as np
import tifffile

from histoscribe.errors import Problem
from histoscribe.io.slides.file_images import FileImage

_COLOUR = (
    tifffile.PHOTOMETRIC.RGB,
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.MINISWHITE,
)
_TO_RGB = (6, 7, 34892, 50001)
"""Compressions whose decoder turns YCbCr into RGB: JPEG (old, new, lossy DNG) and WebP."""
_ASIDE = r"\b(label|macro|thumbnail|overview image)\b"
"""Names of pictures that come with a scan."""


@dataclass(frozen=True, eq=False)
class TiffImage:
    """One image of a TIFF."""

    page: tifffile.TiffPage
    """At full resolution."""
    reduced: tuple[tifffile.TiffPage, ...]
    """Pages that the file marks as its reduced levels, the largest first."""
    pixels: ElementTree.Element | None
    """Its element `Pixels` in OME-XML."""
    about: FileImage


def tiff_images(tiff: tifffile.TiffFile) -> tuple[TiffImage, ...]:
    """Images of a file, in the order of their pages.

    Reduced levels are in the SubIFDs of a page, or in later pages: marked as reduced, except in
    Aperio files, where every page in tiles is a level of the first.
    """
    pages = _pages(tiff)
    ome = _ome_images(pages[0].description)
    if pages[0].description.startswith("Aperio"):
        groups = _of_aperio(pages)
    else:
        groups = _by_mark(_starts(pages, ome) if ome else pages)
    images = []
    for full, below in groups:
        described = ome.get(full.index)
        pixels = None if described is None else next(_parts(described, "Pixels"), None)
        name = next(_names(full, described, is_first=full is pages[0]), "")
        about = _about(full, pixels, "" if below else name)
        reduced = tuple(sorted(below, key=lambda page: -page.imagewidth))
        images.append(TiffImage(page=full, reduced=reduced, pixels=pixels, about=about))
    return tuple(images)


def misread(page: tifffile.TiffPage) -> str:
    """Name the pixel type of a page whose colours would be misread; empty for known types."""
    ycbcr = page.photometric == tifffile.PHOTOMETRIC.YCBCR and page.compression in _TO_RGB
    known = (page.photometric in _COLOUR or ycbcr) and page.samplesperpixel <= 4
    if page.dtype == np.uint8 and page.bitspersample == 8 and known:
        return ""
    return (
        f"{page.dtype} {tifffile.PHOTOMETRIC(page.photometric).name} pixels of "
        f"{page.samplesperpixel} samples"
    )


def planes_problem(where: str, image: TiffImage) -> Problem | None:
    """Problem of fluorescence, whose first channel would look like a grey image."""
    sizes = _planes(image.pixels)
    if sizes["C"] <= image.page.samplesperpixel and sizes["Z"] == sizes["T"] == 1:
        return None
    return Problem(
        where=where,
        found=f"an OME-TIFF of {sizes['C']} channels, {sizes['Z']} depths and {sizes['T']} "
        f"times in pages of {image.page.samplesperpixel} samples a px",
        expected="one brightfield image, its three colours stored in one page",
        remedy="save the H&E image as RGB, e.g. with QuPath: Export images, OME TIFF",
    )


def fits_as_level(full: tifffile.TiffPage, page: tifffile.TiffPage) -> bool:
    """Whether a page has the type and proportions of a reduced level of `full`."""
    same = (page.dtype, page.samplesperpixel) == (full.dtype, full.samplesperpixel)
    if not same or not page.is_tiled or min(page.imagewidth, page.imagelength) < 1:
        return False
    factor = full.imagewidth / page.imagewidth
    # scanners round the sides of a level up or down; Philips and similar ones up to a whole tile
    return factor > 1 and abs(full.imagelength / factor - page.imagelength) <= 1.5


Group = tuple[tifffile.TiffPage, list[tifffile.TiffPage]]


def _pages(tiff: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    tiff.pages.useframes = False
    return [page for page in tiff.pages if isinstance(page, tifffile.TiffPage)]


def _sub_pages(page: tifffile.TiffPage) -> list[tifffile.TiffPage]:
    return [below for below in page.pages or () if isinstance(below, tifffile.TiffPage)]


def _of_aperio(pages: Sequence[tifffile.TiffPage]) -> list[Group]:
    """The scan with its levels in tiles; thumbnail, label and macro image are in strips."""
    first, *others = pages
    levels = [*_sub_pages(first), *(page for page in others if page.is_tiled)]
    return [(first, levels), *((page, []) for page in others if not page.is_tiled)]


def _by_mark(pages: Sequence[tifffile.TiffPage]) -> list[Group]:
    """Each page that is not marked as reduced, with the reduced ones that follow it."""
    groups: list[Group] = []
    for page in pages:
        if groups and page.is_reduced:
            fits = [group for group in groups if fits_as_level(group[0], page)]
            (fits or groups)[-1][1].append(page)
        else:
            groups.append((page, _sub_pages(page)))
    return groups


def _starts(
    pages: Sequence[tifffile.TiffPage], ome: Mapping[int, ElementTree.Element]
) -> list[tifffile.TiffPage]:
    """Pages with which an image of OME-XML begins, and those marked as reduced."""
    return [page for page in pages if page.index in ome or page.is_reduced or page is pages[0]]


def _ome_images(description: str) -> dict[int, ElementTree.Element]:
    """Element `Image` of OME-XML by the number of its first page; empty without OME-XML."""
    if "<OME" not in description[:2000]:
        return {}
    try:
        root = ElementTree.fromstring(description)
    except ElementTree.ParseError as error:
        raise ValueError(f"the OME-XML cannot be read: {error}") from error
    found: dict[int, ElementTree.Element] = {}
    following = 0
    for image in _parts(root, "Image"):
        data = next(_parts(image, "TiffData"), None)
        start = following if data is None else int(data.get("IFD", following))
        found.setdefault(start, image)
        sizes = _planes(next(_parts(image, "Pixels"), None))
        following = start + max(sizes["Z"] * sizes["T"], 1)
    return found


def _parts(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (part for part in root.iter() if part.tag.endswith(f"}}{name}"))


def _planes(pixels: ElementTree.Element | None) -> dict[str, int]:
    return {axis: 1 if pixels is None else int(pixels.get(f"Size{axis}", "1")) for axis in "CZT"}


def _about(page: tifffile.TiffPage, pixels: ElementTree.Element | None, name: str) -> FileImage:
    sizes = _planes(pixels)
    stack = sizes["Z"] * sizes["T"] > 1 or sizes["C"] > page.samplesperpixel
    return FileImage(
        width=page.imagewidth,
        height=page.imagelength,
        name=name,
        is_colour=page.samplesperpixel >= 3,
        unfit=misread(page) or ("several planes" if stack else ""),
        aside=bool(name),
    )


def _names(
    page: tifffile.TiffPage, described: ElementTree.Element | None, *, is_first: bool
) -> Iterator[str]:
    """Name of a picture that comes with a scan, as scanners write it; none for a scan."""
    texts = [] if is_first else [page.description[:500]]
    if described is not None:
        texts.append(described.get("Name", ""))
    for text in texts:
        if found := search(_ASIDE, text, IGNORECASE):
            yield found[1].lower()
    if not is_first and page.description.startswith("Aperio"):
        yield "thumbnail"

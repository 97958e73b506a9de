"""Um/px and magnification of a TIFF from its metadata."""

from re import IGNORECASE, MULTILINE, search
from xml.etree import ElementTree

import tifffile

from histoscribe.io.slides.tiff_images import TiffImage

_UM_PER_UNIT = {tifffile.RESUNIT.INCH: 25_400.0, tifffile.RESUNIT.CENTIMETER: 10_000.0}
_UM_PER_OME_UNIT = {"µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}
_UM_PER_IMAGEJ_UNIT = {"micron": 1.0, "\\u00b5m": 1.0, "inch": 25_400.0, **_UM_PER_OME_UNIT}


def um_per_px(image: TiffImage) -> tuple[float, float] | None:
    """Um/px in x and y from Aperio's text, else from OME-XML, else from the resolution tags."""
    page = image.page
    if (found := _of_aperio(page, "MPP")) is not None:
        return found, found
    return (image.pixels is not None and _ome_size(image.pixels)) or _from_tags(page)


def magnification(image: TiffImage) -> float | None:
    """Magnification of the objective according to Aperio's text."""
    return _of_aperio(image.page, "AppMag")


def _of_aperio(page: tifffile.TiffPage, name: str) -> float | None:
    if not page.description.startswith("Aperio"):
        return None
    found = search(rf"\|\s*{name}\s*=\s*([0-9.,]+)", page.description, IGNORECASE)
    return _number(found[1]) if found else None


def _ome_size(pixels: ElementTree.Element) -> tuple[float, float] | None:
    sides = [pixels.get(f"PhysicalSize{axis}") for axis in "XY"]
    units = [pixels.get(f"PhysicalSize{axis}Unit", "µm") for axis in "XY"]
    if None in sides or any(unit not in _UM_PER_OME_UNIT for unit in units):
        return None
    x, y = (
        (_number(side or "") or 0.0) * _UM_PER_OME_UNIT[unit]
        for side, unit in zip(sides, units, strict=True)
    )
    return (x, y) if x > 0 and y > 0 else None


def _number(text: str) -> float | None:
    """Parse a decimal number; None for other text, and the user is then asked for the um/px.

    Programs on European systems write a decimal comma.
    """
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def _from_tags(page: tifffile.TiffPage) -> tuple[float, float] | None:
    sides = [page.tags.valueof(name) for name in ("XResolution", "YResolution")]
    um = _um_of_unit(page)
    if None in sides or um is None or any(0 in side for side in sides):
        return None
    x, y = (um * side[1] / side[0] for side in sides)
    return float(x), float(y)


def _um_of_unit(page: tifffile.TiffPage) -> float | None:
    """Um of the unit of the resolution tags; ImageJ writes its unit into the description."""
    unit = page.tags.valueof("ResolutionUnit", default=tifffile.RESUNIT.INCH)
    named = search(r"^unit=(.+)$", page.description, IGNORECASE | MULTILINE)
    if named and page.description.startswith("ImageJ="):
        return _UM_PER_IMAGEJ_UNIT.get(named[1].strip().lower())
    return _UM_PER_UNIT.get(unit)

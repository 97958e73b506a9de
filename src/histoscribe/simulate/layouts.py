"""The instruments that a simulated section can be written for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from histoscribe.simulate.section import MeasuredSection
from histoscribe.simulate.spaceranger import write_visium
from histoscribe.simulate.visium_hd import write_visium_hd
from histoscribe.simulate.xenium import write_xenium


@dataclass(frozen=True)
class Layout:
    """Files of one instrument."""

    kind: str
    """As in the column `kind` of the manifest."""
    image: str
    """Ending of the name of the image."""
    write: Callable[[Path, MeasuredSection], None]
    """Writes image and folder of a section, both named after it."""


LAYOUTS: Mapping[str, Layout] = {
    "visium": Layout("spaceranger", ".jpg", write_visium),
    "visium_hd": Layout("visium_hd", ".btf", write_visium_hd),
    "xenium": Layout("xenium", "_he_image.ome.tif", write_xenium),
}
"""Layouts by the name that `simulate` takes."""

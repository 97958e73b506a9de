"""Twins: sections whose images have equal pixels."""

from collections import defaultdict
from collections.abc import Iterable

from histoscribe.progress import track
from histoscribe.types import Section


def twin_images(sections: Iterable[Section]) -> list[tuple[Section, ...]]:
    """Groups of sections whose images have equal pixels, however they are stored.

    Only images of equal size are read. Groups, and the sections in them, keep the given order.
    """
    by_size: dict[tuple[int, int], list[Section]] = defaultdict(list)
    for section in sections:
        by_size[section.slide.width, section.slide.height].append(section)
    compared = [section for same in by_size.values() if len(same) > 1 for section in same]
    by_pixels: dict[str, list[Section]] = defaultdict(list)
    for section in track(compared, "images compared"):
        by_pixels[section.slide.pixel_hash()].append(section)
    return [tuple(twins) for twins in by_pixels.values() if len(twins) > 1]


def patients_of(twins: Iterable[Section]) -> tuple[str, ...]:
    """Patients of the twins, each once."""
    return tuple(dict.fromkeys(str(twin.patient) for twin in twins))

"""Scale factors of a section, as Space Ranger writes them and AnnData keeps them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

IMAGES = ("hires", "lowres")
"""Small images of a section, the finer first."""
_BINS = ("bin_size_um", "microns_per_pixel")
"""Keys that only Visium HD has."""


@dataclass(frozen=True)
class ScaleFactors:
    """What `scalefactors_json.json` says; None for what it does not say."""

    spot_diameter_px: float | None = None
    """In px of the full-resolution image."""
    hires: float | None = None
    """Px of the hires image per px of the full-resolution image."""
    lowres: float | None = None
    bin_um: float | None = None
    """Side of a bin of Visium HD."""
    mpp: float | None = None
    """Um per px of the full-resolution image; only Visium HD states it."""
    bins: tuple[str, ...] = ()
    """Entries that only Visium HD has, as `name value`."""

    @property
    def by_image(self) -> tuple[tuple[str, float], ...]:
        """Factors that are known, by the name of their image."""
        named = (("hires", self.hires), ("lowres", self.lowres))
        return tuple((name, factor) for name, factor in named if factor is not None)


def scale_factors_of(values: Mapping[str, object]) -> ScaleFactors:
    """Read the factors from JSON or `uns`; a value that is no number above 0 counts as missing."""
    return ScaleFactors(
        spot_diameter_px=_positive(values.get("spot_diameter_fullres")),
        hires=_positive(values.get("tissue_hires_scalef")),
        lowres=_positive(values.get("tissue_lowres_scalef")),
        bin_um=_positive(values.get(_BINS[0])),
        mpp=_positive(values.get(_BINS[1])),
        bins=tuple(f"{name} {values[name]}" for name in _BINS if name in values),
    )


def _positive(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if number > 0 and math.isfinite(number) else None

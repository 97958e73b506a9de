"""Doubts about the resolution of the images of a cohort."""

from collections.abc import Iterator, Mapping

COARSE_MPP = 2.0
"""um/px above which a nucleus is only a few pixels wide."""
MOST_DIFFERENT = 2.0
"""Ratio of um/px above which sections show other details at the same spot."""


def resolution_doubts(mpp: Mapping[str, float]) -> Iterator[str]:
    """Say which images are too coarse for nuclei, and that sections differ in um/px.

    `mpp` has the um/px of each section.
    """
    coarse = [f"{section} {of:.3g}" for section, of in mpp.items() if of > COARSE_MPP]
    if coarse:
        yield (
            f"pixels too coarse for nuclei (um/px): {', '.join(coarse)}; models see tissue, not "
            "cells. Use the full-resolution images if you have them"
        )
    if not mpp:
        return
    fine, rough = min(mpp, key=mpp.__getitem__), max(mpp, key=mpp.__getitem__)
    if mpp[rough] > MOST_DIFFERENT * mpp[fine]:
        yield (
            f"sections differ in um/px by more than {MOST_DIFFERENT:g} times: {fine} "
            f"{mpp[fine]:.3g}, {rough} {mpp[rough]:.3g}; is a scale wrong? Set inputs.mpp to at "
            f"least {mpp[rough]:.3g}, so that all show the same details"
        )

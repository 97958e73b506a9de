"""Limits of an answer to `latent`, in words."""

from collections.abc import Sequence

import numpy as np

from histoscribe.explain.latent.purity import N_NEAREST
from histoscribe.explain.latent.stain import StainProbe, held_out
from histoscribe.explain.representation import Representation
from histoscribe.explain.request import trained_on
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section


def caveats_of(
    predictors: Sequence[Predictor],
    sections: Sequence[Section],
    spots: Representation,
    probe: StainProbe,
) -> tuple[str, ...]:
    """Caveats of these predictors and spots."""
    caveats = [
        "Distances, sizes and gaps in a t-SNE mean little; the numbers are of the "
        "representation itself.",
        "Neighbouring spots of a tissue look alike and often have the same label: compare the "
        "share with the same label with the share of the nearest spots by place.",
    ]
    n_labelled = sum(label is not None for label in spots.label)
    if 0 < n_labelled <= N_NEAREST:
        caveats.append(f"{n_labelled} spots have labels: too few to look at their neighbours.")
    if len(np.unique(spots.keys.patient)) == 1:
        caveats.append("All spots are of one patient: whether it separates patients is not known.")
    caveats.append(_probe_caveat(predictors, sections, probe))
    known = dict.fromkeys(trained_on(of, section) for section in sections for of in predictors)
    if words := "; ".join(word for word in known if word is not None):
        caveats.append(f"Not held out: {words}.")
    if len({_tiles_of(predictor) for predictor in predictors}) > 1:
        caveats.append(
            "The predictors read tiles of different sizes; the stain is that of the tiles of the "
            "first."
        )
    return tuple(caveats)


def _probe_caveat(
    predictors: Sequence[Predictor], sections: Sequence[Section], probe: StainProbe
) -> str:
    if not probe.sections:
        return "No section has enough spots for a probe of the stain."
    where = "held-out patients" if held_out(predictors, sections) else "patients of the training"
    return (
        f"The stain probe is refitted in sections of {where}. Strength of stain follows tissue, "
        "too, and a network with random weights passes it on: compare predictors with each other "
        "and with the encoder's features."
    )


def _tiles_of(predictor: Predictor) -> tuple[int, float]:
    tiles = predictor.encoding.tiles
    return tiles.side_px, tiles.mpp

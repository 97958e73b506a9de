"""The probe of stain in held-out sections: what it is fitted to, and its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from histoscribe.data.images import SlideTiles
from histoscribe.data.tile_measures.section_measures import STAIN_STRENGTHS
from histoscribe.data.tile_measures.stained_tile import StainedTile
from histoscribe.data.tiles import Tiles
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.finding import Number
from histoscribe.explain.latent.probe import ProbedSection
from histoscribe.explain.representation import Representation
from histoscribe.explain.request import trained_on
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.seed import stream
from histoscribe.types import Section

MOST_TILES = 400
"""Tiles of a section that are measured."""
_STAINS = tuple(name.removesuffix("_strength") for name in STAIN_STRENGTHS)
_SEED = 0  # of the tiles; nobody needs another one
_AT_ONCE = 32


@final
@dataclass(frozen=True, eq=False)
class StainProbe:
    """Probed sections with their strength of stain."""

    sections: tuple[ProbedSection, ...]
    """Of held-out patients, or of all where none is held out; in order of their names."""

    @classmethod
    def of(cls, predictors: Sequence[Predictor], sections: Sequence[Section]) -> "StainProbe":
        """Measure the stain of the tiles that the first predictor reads, without normalisation."""
        tiles = replace(predictors[0].encoding.tiles, stain=None, jitter=None)
        probed = held_out(predictors, sections) or tuple(sections)
        _tell(probed, tiles)
        parts = [_probed(section, tiles) for section in track(probed, "stain of sections")]
        return cls(tuple(part for part in parts if part is not None))

    def scores(self, spots: Representation) -> "ProbeScores | None":
        """Probe what the network reads, and what the encoder gives; None without sections.

        `spots` are all spots of all sections in their order.
        """
        if not self.sections:
            return None
        rows_of = {name: rows for name, _, rows in spots.keys.by_section()}
        found, start = [], perf_counter()
        for of in track(self.sections, "probe of sections"):
            rows = rows_of[of.section][of.rows]
            both = (spots.values[rows], spots.feature[rows])
            found.append([of.scores(values.astype(np.float64)) for values in both])
            if len(found) == 1:
                seconds = (perf_counter() - start) * len(self.sections)
                tell_estimate(f"the probe of {len(self.sections)} sections", seconds)
        network, features = np.stack(found, axis=1)
        return ProbeScores(self, network, features)

    def mean(self, scores: Float[np.ndarray, "sections K draws"]) -> Float[np.ndarray, " draws"]:
        """Mean over both stains, the sections of a patient, and patients."""
        patient = np.array([of.patient for of in self.sections])
        each = [scores[patient == one].mean(axis=(0, 1)) for one in np.unique(patient)]
        return np.mean(each, axis=0)


@final
@dataclass(frozen=True, eq=False)
class ProbeScores:
    """Correlations of each section and stain; the first draw is of the measured stain."""

    probe: StainProbe
    network: Float[np.ndarray, "sections K draws"]
    """With what the last layer reads."""
    features: Float[np.ndarray, "sections K draws"]
    """With what the encoder gives."""

    def numbers(self) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
        """The probe of a network, by chance, and in the encoder's features."""
        found = self.probe.mean(self.network)
        meaning = (
            "correlation of the strength of the stain with what ridge regression of it from the "
            "representation predicts, refitted in each section, mean over patients"
        )
        null = (
            Number.of_draws(
                "stain_probe", found[1:], f"{meaning}, of equally smooth random stains"
            ),
            Number(
                "stain_probe_in_features",
                float(self.probe.mean(self.features)[0]),
                f"{meaning}, in the encoder's features",
            ),
        )
        return (Number("stain_probe", float(found[0]), meaning),), null

    def table(self) -> pd.DataFrame:
        """A row for each section and stain: its correlation, and those of random stains."""
        rows = []
        for of, scores in zip(self.probe.sections, self.network, strict=True):
            for name, draws in zip(_STAINS, scores, strict=True):
                low, high = np.percentile(draws[1:], [2.5, 97.5])
                where = (of.section, of.patient, name, len(of.rows))
                rows.append((*where, draws[0], draws[1:].mean(), low, high))
        columns = ["section", "patient", "stain", "n_spots", "correlation", "by_chance"]
        return pd.DataFrame(rows, columns=[*columns, "chance_low", "chance_high"])


def held_out(predictors: Sequence[Predictor], sections: Sequence[Section]) -> tuple[Section, ...]:
    """Sections of patients that no predictor was trained on."""
    return tuple(
        section for section in sections if not any(trained_on(of, section) for of in predictors)
    )


def _probed(section: Section, tiles: Tiles) -> ProbedSection | None:
    order = stream(_SEED, f"explain-latent-stain-{section.id}").permutation(len(section.spots))
    rows = np.sort(order[:MOST_TILES])
    um = section.spots.xy[rows] * section.slide.mpp
    patient = section.patient or f"unknown ({section.id})"
    return ProbedSection.of((section.id, patient), rows, strengths(section, tiles, rows), um)


def strengths(
    section: Section, tiles: Tiles, rows: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "n 2"]:
    """Strength of haematoxylin and of eosin in the tile of each spot; NaN without tissue."""
    images, found = SlideTiles(section, tiles, tiles.slide_look(section.slide)), []
    for start in range(0, len(rows), _AT_ONCE):
        read = images.read(rows[start : start + _AT_ONCE])
        for pixels in read.permute(0, 2, 3, 1).numpy():
            tile = StainedTile(pixels, tiles.mpp)
            known = tile.has_tissue
            found.append([of(tile) if known else np.nan for of in STAIN_STRENGTHS.values()])
    return np.array(found).reshape(len(rows), len(STAIN_STRENGTHS))


def _tell(sections: Sequence[Section], tiles: Tiles) -> None:
    """Tell how long the measures will take, after a few tiles that pay for what is done once."""
    few = np.arange(min(4, len(sections[0].spots)))
    strengths(sections[0], tiles, few)
    start = perf_counter()
    strengths(sections[0], tiles, few)
    n_tiles = sum(min(MOST_TILES, len(section.spots)) for section in sections)
    seconds = (perf_counter() - start) / len(few) * n_tiles
    tell_estimate(f"the stain of {n_tiles:,} tiles", seconds)

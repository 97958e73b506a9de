"""The tiles of exemplars, read from the training sections that the cohort has."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from histoscribe.data.images import SlideTiles
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.request import ExplainRequest
from histoscribe.types import Section, SpotKeys


@dataclass(frozen=True, eq=False)
class ExemplarTile:
    """Tile of one exemplar, or the reason why it is missing."""

    pixels: UInt8[np.ndarray, "P P 3"] | None
    why_missing: str = ""


@dataclass(eq=False)
class ExemplarTiles:
    """Reads the tiles of exemplars as the model saw them; opens each slide once."""

    request: ExplainRequest
    keys: SpotKeys
    """Section, patient and id of each row of the pool."""
    _slides: dict[str, SlideTiles] = field(default_factory=dict)

    def of(self, row: int) -> ExemplarTile:
        """Tile of one row of the pool.

        Raises
        ------
        DataContractError
            The cohort's section of this name has another image than the one trained on.
        """
        name = self.keys.sections[self.keys.section[row]]
        spot = str(self.keys.spot[row])
        if name not in self.request.cohort.ids:
            return ExemplarTile(None, f"{name} is not\nin the cohort")
        section = self.request.cohort[name]
        if spot not in section.spots.ids:
            return ExemplarTile(None, "the cohort\nlacks the spot")
        if name not in self._slides:
            self._check_same_image(section)
            self._slides[name] = SlideTiles(section, self.request.predictor.encoding.tiles)
        image = self._slides[name].read(np.array([section.spots.ids.index(spot)]))
        return ExemplarTile(image[0].permute(1, 2, 0).numpy())

    def _check_same_image(self, section: Section) -> None:
        trained = self.request.predictor.card.sections[section.id].image_sha256
        if section.slide.pixel_hash() != trained:
            raise DataContractError(
                Problem(
                    where=f"section {section.id} ({section.slide.path.name})",
                    found="another image than the one that the predictor was trained on",
                    expected="the training sections under their names, to draw the exemplars",
                    remedy="give the training cohort, or leave this section out of it",
                )
            )

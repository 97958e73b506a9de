"""The pictures of exemplars, from the training sections that the cohort at hand has."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from histoscribe.data.exemplars.pool import ExemplarPool
from histoscribe.data.images import SlideTiles
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.request import ExplainRequest
from histoscribe.types import Section


@dataclass(frozen=True, eq=False)
class ExemplarTile:
    """The tile of one exemplar, or why there is none."""

    pixels: UInt8[np.ndarray, "P P 3"] | None
    why_missing: str = ""


@dataclass(eq=False)
class ExemplarTiles:
    """Reads the tiles of exemplars as the model saw them; each slide is looked over once."""

    asked: ExplainRequest
    pool: ExemplarPool
    _slides: dict[str, SlideTiles] = field(default_factory=dict)

    def of(self, row: int) -> ExemplarTile:
        """The tile of this row of the pool.

        Raises
        ------
        DataContractError
            Its section has another image in the cohort than the one that was trained on.
        """
        name, spot = self.pool.section[row], self.pool.spot[row]
        if name not in self.asked.cohort.ids:
            return ExemplarTile(None, f"{name} is not\nin the cohort")
        section = self.asked.cohort[name]
        if spot not in section.spots.ids:
            return ExemplarTile(None, "the cohort\nlacks the spot")
        if name not in self._slides:
            self._check_same_image(section)
            self._slides[name] = SlideTiles(section, self.asked.predictor.encoding.tiles)
        image = self._slides[name].read(np.array([section.spots.ids.index(spot)]))
        return ExemplarTile(image[0].permute(1, 2, 0).numpy())

    def _check_same_image(self, section: Section) -> None:
        trained = self.asked.predictor.card["sections"][section.id]["image_sha256"]
        if section.slide.pixel_hash() != trained:
            raise DataContractError(
                Problem(
                    where=f"section {section.id} ({section.slide.path.name})",
                    found="another image than the one that the predictor was trained on",
                    expected="the training sections under their names, for pictures of exemplars",
                    remedy="give the training cohort, or leave this section out of it",
                )
            )

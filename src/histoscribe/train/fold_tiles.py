"""Tiles of a run's spots, for each fold."""

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from histoscribe.data.images import StackedTiles, stored_tiles
from histoscribe.data.jitter import HedJitter
from histoscribe.data.tiles import SlideLook, Tiles
from histoscribe.data.tissue_windows import DRAW_VERSION, windows_on_tissue
from histoscribe.encoders.egn_extractor.training import Windows
from histoscribe.errors import DataContractError, Problem
from histoscribe.train.settings import RunSettings
from histoscribe.train.slide_colours import SlideColours
from histoscribe.types import Cohort, Fold, Section


@dataclass(eq=False)
class FoldTiles:
    """Tiles of the sections of a run, with the stain of a fold's training slides.

    View 0 is the unchanged tissue. The other views are jittered and used for fitting only.
    """

    settings: RunSettings
    cohort: Cohort
    cache: Path

    def __post_init__(self) -> None:
        self._colours = SlideColours(self.cohort)

    @property
    def normalised(self) -> bool:
        """Whether slides are normalised to the colour of a fold's training slides."""
        return self.settings.inputs.stain == "reinhard"

    @property
    def n_views(self) -> int:
        """Number of jittered views of each training spot."""
        inputs = self.settings.inputs
        return inputs.views if inputs.hed_jitter > 0 else 0

    def slide_look(self, section: str) -> SlideLook | None:
        """Tissue and colour of a section's slide; None without normalisation.

        Raises
        ------
        DataContractError
            if the slide shows no tissue or is grey.
        """
        return self._colours.slide_look(section) if self.normalised else None

    def geometry(self, fold: Fold | None) -> Tiles:
        """Tile geometry of a fold, for prediction.

        `fold` is required with normalisation: each fold has another reference.
        """
        inputs, stain = self.settings.inputs, None
        if self.normalised:
            if fold is None:
                raise ValueError("slides are normalised to a fold's training slides: give the fold")
            stain = self._colours.reference(fold)
        return Tiles(
            inputs.tile_px, inputs.mpp, white_off_tissue=inputs.white_off_tissue, stain=stain
        )

    def view(self, fold: Fold | None, section: str, view: int) -> Tiles:
        """Tile geometry of a fold for one view of a section."""
        tiles = self.geometry(fold)
        if view == 0:
            return tiles
        strength, seed = self.settings.inputs.hed_jitter, self.settings.seed
        return replace(tiles, jitter=HedJitter(strength, seed, f"hed-{section}-{view}"))

    def pixels(
        self, section: str, fold: Fold | None = None, *, view: int = 0, margin_px: int = 0
    ) -> UInt8[np.ndarray, "N P P 3"]:
        """Tiles of every spot of a section for a fold; mapped, not loaded into memory.

        `margin_px` is read in addition on each side.
        """
        tiles = self.view(fold, section, view)
        return stored_tiles(
            self.cohort[section],
            replace(tiles, side_px=tiles.side_px + 2 * margin_px),
            cache=self.cache,
            slide_look=self.slide_look(section),
        )

    def training(self, fold: Fold, margin_px: int = 0) -> StackedTiles:
        """Tiles of a fold's training spots: sections in sorted order, one view after the other."""
        parts = sorted(fold.train.items())
        return StackedTiles(
            [
                (self.pixels(section, fold, view=view, margin_px=margin_px), rows)
                for view in range(1 + self.n_views)
                for section, rows in parts
            ]
        )

    def windows(self, fold: Fold) -> Windows:
        """Windows on the tissue of a fold's training sections, to train an encoder on.

        They are drawn, and read from the slides, when the first are read: an encoder that is
        trained already needs no tissue mask. Reading raises DataContractError, naming every section
        whose tissue is smaller than a window.
        """
        ids = sorted(section for section, rows in fold.train.items() if len(rows))
        n_rows = len(ids) * self.settings.extractor.windows_per_section
        tiles = self.geometry(fold)

        @cache
        def images() -> StackedTiles:
            stored = [
                stored_tiles(of, tiles, cache=self.cache, slide_look=self.slide_look(of.id))
                for of in self._on_tissue(fold, ids, tiles)
            ]
            return StackedTiles([(pixels, np.arange(len(pixels))) for pixels in stored])

        return Windows(
            lambda rows: images().read(rows),
            n_rows,
            tiles.side_px,
            self._identity_of_windows(fold, ids, tiles),
        )

    def _on_tissue(self, fold: Fold, ids: list[str], tiles: Tiles) -> list[Section]:
        """Sections with windows in place of their spots."""
        settings = self.settings
        drawn: list[Section] = []
        problems: list[Problem] = []
        for section in ids:
            train, test = _both_sides(fold, section)
            try:
                of = windows_on_tissue(
                    self.cohort[section],
                    tiles,
                    n_windows=settings.extractor.windows_per_section,
                    seed=settings.seed,
                    train=train,
                    test=test,
                )
            except DataContractError as error:
                problems += error.problems
            else:
                drawn.append(of)
        if problems:
            raise DataContractError(problems)
        return drawn

    def _identity_of_windows(self, fold: Fold, ids: list[str], tiles: Tiles) -> str:
        """Hash of all that decides the pixels of the windows, known before they are drawn."""
        seed, number = self.settings.seed, self.settings.extractor.windows_per_section
        identity = hashlib.sha256(f"{tiles.identity} {DRAW_VERSION} {seed} {number}".encode())
        for section in ids:
            of = self.cohort[section]
            identity.update(f"{section} {of.slide.pixel_hash()} {of.slide.mpp!r}".encode())
            sides = _both_sides(fold, section)
            if len(sides[1]):  # places depend on spots only then
                for rows in sides:
                    identity.update(np.ascontiguousarray(of.spots.xy[rows]).tobytes())
        return identity.hexdigest()


def _both_sides(fold: Fold, section: str) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " M"]]:
    """Rows of a section's training and test spots; most sections have one kind only."""
    train = fold.train[section]
    return train, fold.test.get(section, train[:0])

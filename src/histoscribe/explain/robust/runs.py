"""Predicts held-out sections again after every step of every change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from histoscribe.explain.changed_tiles import ChangeableSection, unchanged
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.robust.changes import CHANGES, GRADIENT, NOISE, Change
from histoscribe.explain.robust.curves import (
    ChangedPredictions,
    ChangedSection,
    Curve,
    in_deviations,
    spread_of,
)
from histoscribe.explain.robust.pixel_steps import along_gradient, at_random
from histoscribe.explain.spot_choice import random_spots
from histoscribe.explain.where.gradients import GenesOfPixels, genes_of_pixels
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.seed import stream
from histoscribe.types import DISTANCE, Images, Prediction, Section

N_PIXEL_TILES = 32
"""Tiles of each section whose pixels are changed along the gradient: each needs many passes."""
N_NOISE = 20
"""Random changes of the pixels of each tile, for every step."""
MOST_GENES = 100
"""Genes among which directions are drawn, more only if more are asked about; each keeps all its
predictions."""
_BATCH = 8  # tiles with gradients at once
_SEED = 0  # of tiles, starts and noise; nobody needs another one

Tile = UInt8[np.ndarray, "P P 3"]


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class ChangeRuns:
    """The work of the question: which sections, genes and steps."""

    predictor: Predictor
    genes: tuple[str, ...]
    sections: tuple[Section, ...]
    steps: Mapping[str, tuple[float, ...]]
    """Name of each change -> its steps, the weakest first."""
    cache: Path

    def predictions(self) -> ChangedPredictions:
        """Predict all sections unchanged and after every step."""
        unchanged_ones = tuple(self._unchanged())
        deviation = spread_of([of.before for of in unchanged_ones])
        curves = [
            Curve(change.name, change, self.steps[change.name], tuple(self._changed(change)))
            for change in track(self._of_tiles, "changes")
        ]
        if GRADIENT not in self.steps:
            return ChangedPredictions(unchanged_ones, tuple(curves), {})
        along, random, noise = self._pixel_curves(deviation)
        return ChangedPredictions(unchanged_ones, (*curves, along, random), noise)

    @property
    def _of_tiles(self) -> list[Change]:
        return [of for of in CHANGES if of.make is not None and of.name in self.steps]

    @cached_property
    def _changeable(self) -> list[ChangeableSection]:
        return [
            ChangeableSection.of(self.predictor, section, self.cache) for section in self.sections
        ]

    @cached_property
    def _before(self) -> list[Prediction]:
        """Predictions of the sections as they are; the first one tells how long all will take."""
        first, *others = self._changeable
        began = perf_counter()
        predictions = [first.predict(unchanged)]
        seconds = (perf_counter() - began) / len(first.section.spots)
        n_spots = sum(len(of.section.spots) for of in self._changeable)
        n_passes = 1 + sum(len(self.steps[of.name]) for of in self._of_tiles)
        what = f"{n_passes} predictions of {len(self.sections)} sections"
        tell_estimate(what, seconds * n_spots * n_passes)
        return [*predictions, *(of.predict(unchanged) for of in others)]

    @cached_property
    def _panel(self) -> list[int]:
        """Places among the genes of the predictor: those asked about, and others evenly spread."""
        places = self.predictor.target.genes
        asked = {places.index(gene) for gene in self.genes}
        others = np.array([at for at in range(len(places)) if at not in asked], dtype=np.int64)
        n_others = max(0, min(len(others), MOST_GENES - len(asked)))
        spread = np.arange(n_others) * len(others) // max(n_others, 1)
        return sorted({*asked, *others[spread].tolist()})

    @cached_property
    def _columns(self) -> Int[np.ndarray, " K"]:
        """Places of the genes in the panel."""
        genes = self.predictor.target.genes
        return np.array([self._panel.index(genes.index(gene)) for gene in self.genes])

    def _unchanged(self) -> list[ChangedSection]:
        return [
            self._section(changeable, before, ())
            for changeable, before in zip(self._changeable, self._before, strict=True)
        ]

    def _changed(self, change: Change) -> list[ChangedSection]:
        return [
            self._steps(changeable, before, change, place)
            for place, (changeable, before) in enumerate(
                zip(self._changeable, self._before, strict=True)
            )
        ]

    def _steps(
        self, changeable: ChangeableSection, before: Prediction, change: Change, place: int
    ) -> ChangedSection:
        """One section after each step; the first section of all gives the example tiles."""
        images = [self._images(change, changeable, step) for step in self.steps[change.name]]
        after = [changeable.predict_tiles(of) for of in images]
        tiles: list[Tile] = []
        if place == 0:
            row = _example(changeable.section)
            tiles = [_pixels(of.read(row)) for of in (changeable.images, *images)]
        return self._section(changeable, before, after, tuple(tiles))

    def _images(self, change: Change, changeable: ChangeableSection, step: float) -> Images:
        if change.make is None:
            raise ValueError(f"{change.name} needs the gradient of a model")
        tiles = self.predictor.encoding.tiles
        return change.make(changeable.section, tiles, changeable.images, step)

    def _section(
        self,
        changeable: ChangeableSection,
        before: Prediction,
        after: Sequence[Prediction],
        tiles: tuple[Tile, ...] = (),
    ) -> ChangedSection:
        panel = self._panel
        return ChangedSection(
            section=changeable.section,
            rows=np.arange(len(changeable.section.spots)),
            columns=self._columns,
            panel_measured=changeable.measured[:, panel],
            panel_before=before.values[:, panel].astype(np.float64),
            panel_after=tuple(of.values[:, panel].astype(np.float64) for of in after),
            distance=tuple(
                of.head.spot_facts[DISTANCE].astype(np.float64) for of in (before, *after)
            ),
            tiles=tiles,
        )

    def _pixel_curves(
        self, deviation: Float[np.ndarray, " K"]
    ) -> tuple[Curve, Curve, Mapping[float, Float[np.ndarray, " draws"]]]:
        """Predict after changes along the gradient and at random; give sizes of the latter."""
        steps = self.steps[GRADIENT]
        names = [self.predictor.target.genes[at] for at in self._panel]
        with genes_of_pixels([self.predictor], names) as (panel, device):
            genes = _PixelGenes(panel, self._panel, self._columns, deviation, device)
            self._tell_pixel_estimate(genes)
            parts = [_PixelSection(of, genes, steps) for of in track(self._changeable, "pixels")]
        (change,) = (of for of in CHANGES if of.name == GRADIENT)
        along, random = (
            Curve(name, change, steps, tuple(of.changed(name) for of in parts))
            for name in (GRADIENT, NOISE)
        )
        noise = {step: _means(np.sum([of.noise[step] for of in parts], axis=0)) for step in steps}
        return along, random, noise

    def _tell_pixel_estimate(self, genes: "_PixelGenes") -> None:
        """Measure the ascent of a few tiles; random changes take about as long again."""
        first = self._changeable[0].images.read(np.arange(min(_BATCH, len(self._before[0].values))))
        began = perf_counter()
        genes.along_gradient(first, 1, stream(_SEED, "robust-estimate"))
        seconds = 2 * (perf_counter() - began) / len(first)
        n_tiles = sum(min(N_PIXEL_TILES, len(of.spots)) for of in self.sections)
        what = f"changes of the pixels of {n_tiles} tiles"
        tell_estimate(what, seconds * n_tiles * len(self.steps[GRADIENT]))


@dataclass(frozen=True, eq=False)
class _PixelGenes:
    """The genes of the panel as a function of pixels."""

    predict: GenesOfPixels
    panel: list[int]
    """Places of its genes among those of the predictor."""
    columns: Int[np.ndarray, " K"]
    """Places of the genes that are asked about in the panel."""
    deviation: Float[np.ndarray, " K"]
    """Of each gene asked about between spots; NaN for a constant."""
    device: torch.device

    def along_gradient(
        self, image: UInt8[Tensor, "B 3 P P"], size: int, draws: np.random.Generator
    ) -> UInt8[Tensor, "B 3 P P"]:
        """Change the genes that are asked about most; a constant one takes no part."""
        columns = torch.from_numpy(self.columns).to(self.device)
        deviation = np.where(np.isnan(self.deviation), np.inf, self.deviation)
        image = image.to(self.device)
        moved = along_gradient(
            lambda pixels: self.predict(pixels)[:, columns], image, deviation, size, draws
        )
        return moved.cpu()


class _PixelSection:
    """Some tiles of a section, each predicted by itself, before and after changes of pixels."""

    def __init__(
        self, changeable: ChangeableSection, genes: _PixelGenes, steps: Sequence[float]
    ) -> None:
        section = changeable.section
        drawn = random_spots(len(section.spots), N_PIXEL_TILES, section.id)
        self.rows = np.array([of.row for of in drawn])
        self._changeable, self._genes = changeable, genes
        self._image = changeable.images.read(self.rows)
        self.before = self._predicted(self._image)
        self.after: dict[str, list[np.ndarray]] = {GRADIENT: [], NOISE: []}
        self.tiles: dict[str, list[Tile]] = {name: [_pixels(self._image)] for name in self.after}
        self.noise: dict[float, np.ndarray] = {}
        """Step -> sum of the defined changes of each random change, in deviations, and their number
        [draws, 2]."""
        for step in steps:
            self._add(int(step))

    def changed(self, name: str) -> ChangedSection:
        """Predictions before and after steps along the gradient, or random ones."""
        return ChangedSection(
            section=self._changeable.section,
            rows=self.rows,
            columns=self._genes.columns,
            panel_measured=self._changeable.measured[self.rows][:, self._genes.panel],
            panel_before=self.before,
            panel_after=tuple(self.after[name]),
            tiles=tuple(self.tiles[name]),
        )

    def _add(self, size: int) -> None:
        draws = stream(_SEED, f"robust-pixels-{self._changeable.section.id}-{size}")
        moved = []
        for start in range(0, len(self.rows), _BATCH):
            image = self._image[start : start + _BATCH]
            moved.append(self._genes.along_gradient(image, size, draws))
        self._keep(GRADIENT, torch.cat(moved))
        changes = []
        for number in range(N_NOISE):
            image = at_random(self._image, size, draws)
            predicted = self._predicted(image)
            if number == 0:
                self._keep(NOISE, image, predicted)
            change = (predicted - self.before)[:, self._genes.columns]
            sizes = in_deviations(change, self._genes.deviation)
            changes.append((np.nansum(sizes), np.count_nonzero(~np.isnan(sizes))))
        self.noise[float(size)] = np.stack(changes)

    def _keep(
        self,
        name: str,
        image: UInt8[Tensor, "n 3 P P"],
        predicted: Float[np.ndarray, "n G"] | None = None,
    ) -> None:
        self.after[name].append(self._predicted(image) if predicted is None else predicted)
        self.tiles[name].append(_pixels(image))

    def _predicted(self, image: UInt8[Tensor, "n 3 P P"]) -> Float[np.ndarray, "n G"]:
        with torch.no_grad():
            parts = [
                self._genes.predict(part.to(self._genes.device).float()).cpu().numpy()
                for part in image.split(_BATCH)
            ]
        return np.concatenate(parts).astype(np.float64)


def _means(sums: Float[np.ndarray, "draws 2"]) -> Float[np.ndarray, " draws"]:
    """Sum over number; NaN without any."""
    total, n = sums.T
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _example(section: Section) -> Int[np.ndarray, " 1"]:
    (spot,) = random_spots(len(section.spots), 1, section.id)
    return np.array([spot.row])


def _pixels(image: UInt8[Tensor, "n 3 P P"]) -> Tile:
    return np.ascontiguousarray(image[0].permute(1, 2, 0).numpy())

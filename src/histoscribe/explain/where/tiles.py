"""Tiles that are explained pixel by pixel: their choice, their maps, and what to beware of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from histoscribe.data.images import SlideTiles
from histoscribe.explain.finding import defined_mean
from histoscribe.explain.grad_cam.likeness import rank_correlation
from histoscribe.explain.spot_choice import DrawnSpot, spots_by_value
from histoscribe.explain.where.attribution import (
    LARGEST_ERROR,
    MOST_STEPS,
    Attribution,
    attributions,
)
from histoscribe.explain.where.gradients import genes_of_pixels, modules_of
from histoscribe.explain.where.results import SectionMaps
from histoscribe.predictor.gene_choice import GeneChoice
from histoscribe.predictor.predictor import Predictor


@final
@dataclass(frozen=True, eq=False)
class ExplainedTiles:
    """Tiles with the maps of every method."""

    spots: tuple[DrawnSpot, ...]
    image: UInt8[Tensor, "n 3 P P"]
    side_um: float
    maps: tuple[Attribution, ...]

    def method(self, name: str) -> Attribution | None:
        """Maps made by one method and baseline; None if no network layer allows them."""
        return next((one for one in self.maps if one.name == name), None)

    @property
    def agreement(self) -> Float[np.ndarray, "n K"]:
        """Rank correlation of integrated gradients with occlusion, both against white glass.

        Over the squares that occlusion covers; NaN where one of the two is the same everywhere.
        """
        return _likeness(*self._pair)

    @property
    def agreement_of_others(self) -> float:
        """The same with occlusion of another tile, mean over all pairs; NaN for a single tile."""
        gradients, occlusion = self._pair
        shifts = range(1, len(self.spots))
        others = [_likeness(gradients, np.roll(occlusion, by, axis=0)) for by in shifts]
        return defined_mean(np.array(others))

    @property
    def _pair(self) -> tuple[np.ndarray, np.ndarray]:
        gradients, occlusion = (
            one for one in self.maps if one.baseline == "white"
        )  # in the order of `attributions`
        return _in_cells(gradients.maps, occlusion.maps.shape[-1]), occlusion.maps

    @property
    def caveats(self) -> tuple[str, ...]:
        """Completeness of integrated gradients, agreement of methods, and their meaning."""
        words = [_completeness(one) for one in self.maps if one.error is not None]
        beside = "one tile has no other to compare with"
        if len(self.spots) > 1:
            beside = f"{_two_decimals(self.agreement_of_others)} with occlusion of another tile"
        words.append(
            f"Integrated gradients and occlusion rank the squares of a tile alike by "
            f"{_two_decimals(defined_mean(self.agreement))} (rank correlation; {beside})."
        )
        words.append(
            "White glass asks what the tissue adds to an empty tile, a blurred tile what its fine "
            "structure adds to its colours. Models were trained on neither."
        )
        if self.method("Grad-CAM") is None:
            words.append("The network has no map with more than one cell, so no Grad-CAM.")
        return tuple(words)


def explain_tiles(
    predictors: Sequence[Predictor],
    genes: GeneChoice,
    maps: SectionMaps,
    named: Sequence[DrawnSpot],
) -> ExplainedTiles:
    """Explain the named tiles, or those of the spots with extreme predictions.

    Of several predictors or members it explains their mean prediction; Grad-CAM is of the last map
    of the first predictor. All of them must read tiles of one size.
    """
    spots = tuple(named) or spots_by_value(maps.prediction.mean[0], maps.section.id)
    tiles = predictors[0].encoding.tiles
    image = SlideTiles(maps.section, tiles).read(np.array([spot.row for spot in spots]))
    with genes_of_pixels(predictors, genes.genes) as (function, device):
        pixels, modules = image.to(device, torch.float32), modules_of(predictors[:1])
        found = attributions(function, modules, pixels, len(genes.genes))
    return ExplainedTiles(spots, image, tiles.side_px * tiles.mpp, found)


def _completeness(one: Attribution) -> str:
    """The error of one baseline, and whether more steps would have been needed."""
    error = np.zeros(1) if one.error is None else one.error
    text = (
        f"Completeness error of integrated gradients against the {one.baseline} tile: "
        f"{error.mean():.1%} of the change of the prediction, with up to {one.n_steps} steps"
    )
    n_short = int((error > LARGEST_ERROR).sum())
    if n_short:
        text += (
            f"; {n_short} of {error.size} maps are still off by more than {LARGEST_ERROR:.0%} "
            f"after {MOST_STEPS} steps: do not read their sums"
        )
    return f"{text}."


def _two_decimals(value: float) -> str:
    """Value in words of a caveat.

    >>> _two_decimals(0.256), _two_decimals(float("nan"))
    ('0.26', 'an undefined value')
    """
    return "an undefined value" if np.isnan(value) else f"{value:.2f}"


def _likeness(
    first: Float[np.ndarray, "n K h w"], second: Float[np.ndarray, "n K h w"]
) -> Float[np.ndarray, "n K"]:
    n_cells = first.shape[2] * first.shape[3]
    # steps of the rounding are of the largest value: shift both above zero
    flat = [maps.reshape(-1, n_cells) for maps in (first, second)]
    above = [maps - maps.min(axis=1, keepdims=True) for maps in flat]
    return rank_correlation(above[0], above[1]).reshape(first.shape[:2])


def _in_cells(maps: Float[np.ndarray, "n K h w"], side: int) -> Float[np.ndarray, "n K s s"]:
    """Sums over fewer squares."""
    mean = functional.adaptive_avg_pool2d(torch.from_numpy(maps), side).numpy()
    return mean * maps.shape[-1] ** 2 / side**2

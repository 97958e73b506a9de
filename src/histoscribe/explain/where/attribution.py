"""Which pixels of a tile raise the prediction of a gene: three methods, two of them by captum.

Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365), occlusion (Zeiler and Fergus
2014, arXiv:1311.2901) and Grad-CAM (Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74). What a tile
is compared with decides what is explained: white glass, or the same tile blurred, which keeps its
colours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Literal, final, get_args

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.where.gradients import GenesOfPixels
from histoscribe.explain.where.last_map import grad_cam, last_map_layer
from histoscribe.extras import need
from histoscribe.progress import track
from histoscribe.threads import in_order, n_workers

Baseline = Literal["white", "blurred"]
FIRST_STEPS, MOST_STEPS = 64, 256
"""Steps of integrated gradients: at first, and at most for a tile whose sum does not fit."""
LARGEST_ERROR = 0.05
"""Completeness error up to which a tile gets no more steps."""
CELLS = 8
"""Squares along one side of a tile that occlusion covers one at a time."""
FINE_CELLS = 32
"""Squares along one side in which integrated gradients are summed."""
_BLUR = 1 / 8  # standard deviation of the blur, of the side of a tile
_AT_ONCE = 16  # versions of a tile in one pass


@final
@dataclass(frozen=True, eq=False)
class Attribution:
    """Maps of one method over tiles, in the unit of the prediction."""

    method: Literal["integrated gradients", "occlusion", "Grad-CAM"]
    baseline: Baseline | None
    """None for Grad-CAM, which compares with nothing."""
    maps: Float[np.ndarray, "n K h w"]
    """Above zero where the tissue raises the prediction; Grad-CAM is never below zero."""
    error: Float[np.ndarray, "n K"] | None = None
    """Completeness error of integrated gradients: how far the sum of a map is from the difference
    of the predictions of tile and baseline, relative to the mean of this difference over tiles."""
    n_steps: int | None = None
    """Most steps that a tile took."""

    @property
    def name(self) -> str:
        """Method and baseline."""
        return self.method if self.baseline is None else f"{self.method}, {self.baseline}"


def attributions(
    function: GenesOfPixels,
    modules: Sequence[nn.Module],
    tiles: Float[Tensor, "n 3 P P"],
    n_genes: int,
) -> tuple[Attribution, ...]:
    """Explain tiles by every method; Grad-CAM where a module gives a map of several cells.

    Parameters
    ----------
    function
        Prediction of the genes from tiles, each by itself.
    modules
        Where to find the last map, in the order of the computation.
    tiles
        Floats in 0-255: captum takes whole numbers without a word, and its steps between them are
        then lost.
    """
    _tell_time(function, tiles[:1], n_genes * len(tiles))
    baselines = {name: baseline_of(tiles, name) for name in get_args(Baseline)}
    found = [
        method(function, tiles, base, name, n_genes)
        for method in (_integrated, _occluded)
        for name, base in baselines.items()
    ]
    layer = last_map_layer(modules, function, tiles[:1])
    if layer is not None:
        maps = torch.cat([grad_cam(function, tile, layer, n_genes) for tile in tiles.split(1)])
        found.append(Attribution("Grad-CAM", None, maps.double().cpu().numpy()))
    return tuple(found)


def baseline_of(tiles: Float[Tensor, "n 3 P P"], baseline: Baseline) -> Float[Tensor, "n 3 P P"]:
    """What tiles are compared with: white, or the tiles blurred by an eighth of their side."""
    if baseline == "white":
        return torch.full_like(tiles, 255.0)
    return torch.from_numpy(blurred(tiles.cpu().numpy())).to(tiles)


def blurred(tiles: Float[np.ndarray, "n 3 P P"]) -> Float[np.ndarray, "n 3 P P"]:
    """Tiles after a Gaussian blur with a standard deviation of an eighth of their side."""
    sigma = tiles.shape[-1] * _BLUR
    return gaussian_filter(tiles, (0, 0, sigma, sigma), mode="nearest")


def _captum(method: str) -> Any:
    return getattr(need("captum.attr", "explain", "explain where, attribution"), method)


def _tell_time(function: GenesOfPixels, tile: Float[Tensor, "1 3 P P"], n_maps: int) -> None:
    """Say how long integrated gradients will take, from a few steps of one tile."""
    start = perf_counter()
    steps = tile.expand(_AT_ONCE, -1, -1, -1).clone().requires_grad_()
    torch.autograd.grad(function(steps)[:, 0].sum(), steps)
    seconds = (perf_counter() - start) / _AT_ONCE
    n_passes = n_maps * len(get_args(Baseline)) * (FIRST_STEPS + CELLS**2 / 2)
    tell_estimate("explaining tiles pixel by pixel", seconds * n_passes / n_workers())


def _integrated(
    function: GenesOfPixels,
    tiles: Float[Tensor, "n 3 P P"],
    base: Float[Tensor, "n 3 P P"],
    baseline: Baseline,
    n_genes: int,
) -> Attribution:
    """Integrated gradients, with twice as many steps for a tile until its sum fits."""
    with torch.no_grad():
        change = torch.cat(
            [function(tile) - function(zero) for tile, zero in _one_by_one(tiles, base)]
        )
    scale = change.abs().mean(dim=0).clamp(min=torch.finfo(change.dtype).tiny)
    work = partial(_of_tile, function, scale, n_genes)
    pieces = list(zip(_one_by_one(tiles, base), change, strict=True))
    done = list(track(in_order(work, pieces), f"integrated gradients, {baseline}", len(pieces)))
    return Attribution(
        "integrated gradients",
        baseline,
        np.stack([maps for maps, _, _ in done]),
        np.stack([error for _, error, _ in done]),
        max(n_steps for _, _, n_steps in done),
    )


def _of_tile(
    function: GenesOfPixels,
    scale: Float[Tensor, " K"],
    n_genes: int,
    piece: tuple[tuple[Tensor, Tensor], Float[Tensor, " K"]],
) -> tuple[Float[np.ndarray, "K h w"], Float[np.ndarray, " K"], int]:
    """Maps of the genes over one tile, their completeness errors, and the steps they took."""
    (tile, base), change = piece
    maps, errors, most = [], [], 0
    for gene in range(n_genes):
        n_steps = FIRST_STEPS
        while True:
            pixels = integrated_gradients(function, tile, base, gene, n_steps)
            error = float((pixels.sum() - change[gene]).abs() / scale[gene])
            if error <= LARGEST_ERROR or n_steps >= MOST_STEPS:
                break
            n_steps *= 2
        maps.append(_cells(pixels, FINE_CELLS)[0])
        errors.append(error)
        most = max(most, n_steps)
    return np.stack(maps), np.array(errors), most


def integrated_gradients(
    function: GenesOfPixels,
    tile: Float[Tensor, "1 3 P P"],
    base: Float[Tensor, "1 3 P P"],
    gene: int,
    n_steps: int,
) -> Float[Tensor, "1 3 P P"]:
    """Integrated gradients of one gene over one tile."""
    explain = _captum("IntegratedGradients")(function)
    return explain.attribute(
        tile.clone().requires_grad_(),
        baselines=base,
        target=gene,
        n_steps=n_steps,
        internal_batch_size=_AT_ONCE,
    ).detach()


def _occluded(
    function: GenesOfPixels,
    tiles: Float[Tensor, "n 3 P P"],
    base: Float[Tensor, "n 3 P P"],
    baseline: Baseline,
    n_genes: int,
) -> Attribution:
    """Fall of the prediction when a square of the tile is replaced by the baseline."""
    side = -(-tiles.shape[-1] // CELLS)

    def of_tile(piece: tuple[Tensor, Tensor]) -> Float[np.ndarray, "K h w"]:
        maps = []
        for gene in range(n_genes):
            with torch.no_grad():
                falls = _captum("Occlusion")(function).attribute(
                    piece[0],
                    sliding_window_shapes=(3, side, side),
                    strides=(3, side, side),
                    baselines=piece[1],
                    target=gene,
                    perturbations_per_eval=_AT_ONCE,
                )
            # each pixel of a square has the fall of its square
            maps.append(falls[0, 0, side // 2 :: side, side // 2 :: side].double().cpu().numpy())
        return np.stack(maps)

    pieces = list(_one_by_one(tiles, base))
    maps = np.stack(list(track(in_order(of_tile, pieces), f"occlusion, {baseline}", len(pieces))))
    return Attribution("occlusion", baseline, maps)


def _one_by_one(
    tiles: Float[Tensor, "n 3 P P"], base: Float[Tensor, "n 3 P P"]
) -> list[tuple[Tensor, Tensor]]:
    return list(zip(tiles.split(1), base.split(1), strict=True))


def _cells(pixels: Float[Tensor, "n 3 P P"], n_cells: int) -> Float[np.ndarray, "n h w"]:
    """Sums over squares of a tile, at most this many along a side."""
    side = min(n_cells, pixels.shape[-1])
    mean = functional.adaptive_avg_pool2d(pixels.double().sum(dim=1, keepdim=True), side)
    total = pixels.shape[-2] * pixels.shape[-1] / side**2
    return (mean[:, 0] * total).cpu().numpy()

"""The edges of one graph over several windows, in numbers: self-loops, lengths, shared edges."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from histoscribe.models.evidence import GraphModel
from histoscribe.models.layers.graph_edges import Edges

_BATCH = 8  # windows at once


@dataclass(frozen=True, eq=False)
class WindowGraphs:
    """Directed edges over windows, between the cells of a square grid, row by row."""

    source: Int[np.ndarray, "n E"]
    target: Int[np.ndarray, "n E"]
    weight: Float[np.ndarray, "n E"]
    side: int
    """Cells along one side of a window."""
    pitch_um: float
    """Width of a cell."""

    def __post_init__(self) -> None:
        if max(self.source.max(), self.target.max()) >= self.side**2:
            raise ValueError(f"an edge leaves the grid of {self.side} x {self.side} cells")

    def __len__(self) -> int:
        return len(self.source)

    @property
    def self_loop(self) -> Bool[np.ndarray, "n E"]:
        """Edges from a cell to itself."""
        return self.source == self.target

    @property
    def length_um(self) -> Float[np.ndarray, "n E"]:
        """Distance between the centres of the two cells."""
        return lengths(self.source, self.target, self.side) * self.pitch_um

    def quartiles_um(self, window: int) -> Float[np.ndarray, "3"]:
        """Lower quartile, median and upper quartile of the lengths, without self-loops.

        NaN where every edge is a self-loop.
        """
        known = self.length_um[window][~self.self_loop[window]]
        return np.quantile(known, [0.25, 0.5, 0.75]) if known.size else np.full(3, np.nan)

    def shared(self, window: int, others: "WindowGraphs", other: int) -> float:
        """Share of the edges over a window, without self-loops, that another graph has.

        NaN where every edge is a self-loop.
        """
        mine, theirs = self._pairs(window), others._pairs(other)
        return float(np.isin(mine, theirs).mean()) if mine.size else float("nan")

    def strongest(self, window: int, n_edges: int) -> Int[np.ndarray, " m"]:
        """Places of the strongest edges that are no self-loops, at most this number."""
        order = np.argsort(-self.weight[window], kind="stable")
        return order[~self.self_loop[window][order]][:n_edges]

    def _pairs(self, window: int) -> Int[np.ndarray, " m"]:
        """Source and target as one number, without self-loops."""
        pair = self.source[window] * self.side**2 + self.target[window]
        return pair[~self.self_loop[window]]


def lengths(
    source: Int[np.ndarray, "*n"], target: Int[np.ndarray, "*n"], side: int
) -> Float[np.ndarray, "*n"]:
    """Distances between cells of a square grid, in cells."""
    rows, columns = (part(source, side) - part(target, side) for part in (np.floor_divide, np.mod))
    return np.hypot(rows, columns)


def window_graphs(
    network: GraphModel, image: UInt8[Tensor, "n 3 P P"], side_um: float, device: torch.device
) -> tuple[WindowGraphs, WindowGraphs]:
    """Both graphs over these windows of `side_um`; the network must be in eval mode.

    Raises ValueError for a network without graphs.
    """
    side = network.graph_side()
    if side is None:
        raise ValueError("this network has no graph")
    with torch.no_grad():
        parts = [network.graph_edges(part.to(device)) for part in image.split(_BATCH)]
    first, second = zip(*parts, strict=True)
    pitch_um = side_um / side
    return _joined(first, side, pitch_um), _joined(second, side, pitch_um)


def _joined(parts: tuple[Edges, ...], side: int, pitch_um: float) -> WindowGraphs:
    source, target, weight = (
        torch.cat([getattr(part, name) for part in parts]).cpu().numpy()
        for name in ("source", "target", "weight")
    )
    return WindowGraphs(source, target, weight.astype(np.float64), side, pitch_um)

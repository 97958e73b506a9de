"""Position biases of attention for a map of another size.

CMT (Guo et al. 2022, arXiv:2107.06263) moves weights to tiles of another side by bicubic
interpolation of its biases. A bias has a row for each query and a column for each key; queries and
keys are two square grids over the same tile.
"""

from collections.abc import Mapping
from math import isqrt

import torch
from jaxtyping import Float
from torch import Tensor


def with_biases_of(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The tensors, with every position bias resized to the grids of the network's.

    Biases of other heads, and of grids that are no squares, stay as they are: they do not fit.
    """
    return {name: _fitted(tensor, expected.get(name)) for name, tensor in tensors.items()}


def resized_bias(
    bias: Float[Tensor, "heads N M"], n_queries: int, n_keys: int
) -> Float[Tensor, "heads N2 M2"]:
    """Bias of a map with `n_queries` positions and `n_keys` keys, both square grids.

    Bicubic over the grid of queries, and over the grid of keys. The centres of cells keep their
    place in the tile, and the border is continued. Cubic convolution with slope -1/2 (Keys 1981,
    doi:10.1109/TASSP.1981.1163711) keeps a bias that is constant or linear in a position. A bias of
    this size already is returned unchanged.

    Raises
    ------
    ValueError
        if one of the four numbers is no square.
    """
    if bias.shape[1:] == (n_queries, n_keys):
        return bias
    queries = _grid_weights(_side(bias.shape[1]), _side(n_queries))
    keys = _grid_weights(_side(bias.shape[2]), _side(n_keys))
    return (queries @ bias.double() @ keys.T).to(bias.dtype)


def _fitted(tensor: Tensor, expected: Tensor | None) -> Tensor:
    if expected is None or tensor.ndim != 3 or expected.ndim != 3:
        return tensor
    if len(tensor) != len(expected) or not all(isqrt(n) ** 2 == n for n in tensor.shape[1:]):
        return tensor
    return resized_bias(tensor, expected.shape[1], expected.shape[2])


def _side(n: int) -> int:
    side = isqrt(n)
    if side**2 != n:
        raise ValueError(f"{n} positions are no square grid")
    return side


def _grid_weights(side: int, new_side: int) -> Float[Tensor, "N2 N"]:
    """Weight of each cell of a grid in each cell of another grid over the same tile."""
    line = _line_weights(side, new_side)
    return torch.kron(line, line)


def _line_weights(side: int, new_side: int) -> Float[Tensor, "S2 S"]:
    """The same for cells along a line; every row sums to one."""
    centre = (torch.arange(new_side, dtype=torch.float64) + 0.5) * side / new_side - 0.5
    weights = torch.zeros(new_side, side, dtype=torch.float64)
    for step in range(-1, 3):
        cell = centre.floor().long() + step
        weight = _cubic((centre - cell).abs())[:, None]
        weights.scatter_add_(1, cell.clamp(0, side - 1)[:, None], weight)
    return weights


def _cubic(distance: Float[Tensor, " S"]) -> Float[Tensor, " S"]:
    """Weight of a cell at this distance, in cells: equation 15 of Keys, for 0 to 2."""
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    return torch.where(distance < 1, near, far)

"""Turns by right angles and mirror images of training items: the eight symmetries of a square.

Symmetries 0 to 3 turn by that number of right angles, from x towards the top; 4 to 7 also mirror
the result from left to right.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from histoscribe.data.items.items import Batch

N_SYMMETRIES = 8

Turned = Literal["tiles", "places"]


def turned_input(names: Sequence[str]) -> Turned | None:
    """What turns move in the inputs of a network; None if it reads neither tiles nor places."""
    if "image" in names:
        return "tiles"
    return "places" if "context_um" in names else None


def turned_batch(batch: Batch, symmetry: Int[np.ndarray, " B"]) -> Batch:
    """Turn tiles and places of each item by its symmetry; features stay as they are."""
    moved = dict(batch)
    if "image" in batch:
        moved["image"] = turned_tiles(batch["image"], symmetry)
    if "context_um" in batch:
        moved["context_um"] = turned_places(batch["context_um"], symmetry)
    return moved


def turned_tiles(
    image: UInt8[Tensor, "B 3 P P"], symmetry: Int[np.ndarray, " B"]
) -> UInt8[Tensor, "B 3 P P"]:
    """Turn each tile by its symmetry."""
    out = torch.empty_like(image)
    for number in np.unique(symmetry):
        of_it = torch.from_numpy(np.flatnonzero(symmetry == number))
        tiles = torch.rot90(image[of_it], int(number) % 4, (2, 3))
        out[of_it] = tiles.flip(3) if number >= 4 else tiles
    return out


def turned_places(
    um: Float[Tensor, "B K 2"], symmetry: Int[np.ndarray, " B"]
) -> Float[Tensor, "B K 2"]:
    """Turn the places of each item around the centroid of its tissue; x right, y down."""
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])  # (x, y) becomes (y, -x)
    mirror = torch.diag(torch.tensor([-1.0, 1.0]))
    moves = [torch.linalg.matrix_power(quarter, turns) for turns in range(4)]
    moves += [move @ mirror for move in moves]
    return um @ torch.stack([moves[int(number)] for number in symmetry]).to(um)

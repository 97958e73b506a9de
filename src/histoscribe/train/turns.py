"""Turns and mirror images of training items; here by the eight symmetries of a square.

Symmetries 0 to 3 turn by that number of right angles, from x towards the top; 4 to 7 also mirror
the result from left to right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from histoscribe.data.items.items import Batch, Items
from histoscribe.data.items.spots import SpotItems
from histoscribe.models.base import ExpressionModel
from histoscribe.train.any_angle import AnyAngle

N_SYMMETRIES = 8

Turned = Literal["tiles", "places"]


@final
@dataclass(frozen=True)
class RightAngles:
    """Turn tiles and places by right angles, and mirror half of them."""

    def draw(self, draws: np.random.Generator, n_items: int) -> Int[np.ndarray, " N"]:
        """Symmetry of each item."""
        return draws.integers(N_SYMMETRIES, size=n_items)

    def apply(self, batch: Batch, drawn: Int[np.ndarray, " B"]) -> Batch:
        """Turn each item by its symmetry."""
        return turned_batch(batch, drawn)


Turns = RightAngles | AnyAngle
"""How the items of a training run are turned."""


def turns_of(model: ExpressionModel, items: Items) -> tuple[Turns | None, Items]:
    """How training of a model turns its items, and the items whose tiles are turned.

    None if nothing is turned. Where corners are read, the tiles of the items have a margin.

    Raises
    ------
    ValueError
        for a model that turns anything but the tiles of spots by any angle.
    """
    recipe = model.recipe(model.config)
    part = turned_input(model.inputs(model.config))
    if recipe.turned == "no" or part is None:
        return None, items
    if recipe.turned == "right-angles":
        return RightAngles(), items
    if part != "tiles" or not isinstance(items, SpotItems) or items.table.image is None:
        raise ValueError(f"{model.name} turns by any angle: this is for tiles of single spots")
    tile_px = items.table.image.side_px
    turns = AnyAngle(tile_px, recipe.side_px or tile_px)
    return turns, items.with_margin() if recipe.corners == "read" else items


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

"""Sheet of made images beside the real tiles that excite each target most and least."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from histoscribe.explain.layers.unit_results import UnitResults
from histoscribe.plot.contact_sheet import SheetRow, SheetTile, draw_contact_sheet

_N_BEST, _N_LEAST = 3, 2
Pictures = tuple[UInt8[Tensor, "U 3 P P"], UInt8[Tensor, "U 3 P P"], UInt8[Tensor, "U 3 P P"]]


def draw_units(
    results: UnitResults,
    pictures: Pictures,
    tiles: UInt8[Tensor, "n 3 P P"],
    title: str,
    path: Path,
) -> None:
    """Draw a row for each target.

    Parameters
    ----------
    pictures
        Images made for the targets, for a random direction of their layer, and for the targets of
        a network with random weights.
    """
    n_columns = 3 + _N_BEST + _N_LEAST
    rows = [
        SheetRow(target.words, _tiles_of(results, at, pictures, tiles))
        for at, target in enumerate(results.targets)
    ]
    below = (
        "Numbers are activations in deviations over the real tiles, of the network that the image "
        "was made for; “random direction”: an image made in as many steps for a random direction "
        "of the layer, as the target sees it; “random network”: the target that the same rule or "
        "name gives in a network with random weights, by an image made for it there."
    )
    draw_contact_sheet(rows, title, below, path, n_columns=n_columns)


def _tiles_of(
    results: UnitResults,
    at: int,
    pictures: Pictures,
    tiles: UInt8[Tensor, "n 3 P P"],
) -> tuple[SheetTile, ...]:
    made, direction, random = (_tile(of[at]) for of in pictures)
    values = results.deviations[:, at]
    order = results.order(at)
    return (
        SheetTile(made, ("made", f"{results.made[at]:.1f}")),
        SheetTile(direction, ("random direction", f"{results.directions[0, at]:.1f}")),
        SheetTile(random, ("random network", f"{results.random_made[0, at]:.1f}")),
        *(
            SheetTile(_tile(tiles[int(row)]), (words, f"{values[row]:.1f}"))
            for words, rows in (("most", order[:_N_BEST]), ("least", order[::-1][:_N_LEAST]))
            for row in rows
        ),
    )


def _tile(image: UInt8[Tensor, "3 P P"]) -> UInt8[np.ndarray, "P P 3"]:
    return image.permute(1, 2, 0).numpy()

"""Helpers for backbones of several stages: maps of a quarter of the tile, halved per stage."""

from collections.abc import Sequence

from torch import nn

from histoscribe.errors import Problem


def check_stages(
    model: str, widths: Sequence[int], *others: Sequence[int], width_unit: int
) -> None:
    """Refuse settings that do not describe stages.

    Parameters
    ----------
    widths, others
        One number per stage in each; at least 1.
    width_unit
        Number that divides each width.

    Raises
    ------
    ValueError
        for lists of different length, an empty one, a number below 1 or an indivisible width.
    """
    lengths = {len(numbers) for numbers in (widths, *others)}
    if len(lengths) != 1 or not widths:
        raise ValueError(f"{model} needs one number per stage in each list, not {sorted(lengths)}")
    if min(min(numbers) for numbers in (widths, *others)) < 1:
        raise ValueError(f"{model} needs numbers of at least 1 in each stage")
    if any(width % width_unit for width in widths):
        raise ValueError(f"{model} needs widths that are multiples of {width_unit}, not {widths}")


def small_tile(
    model: str, n_stages: int, tile_px: int, *, stages: str = "stages"
) -> Problem | None:
    """Problem of tiles that shrink to less than one position; None without a problem.

    Every size from the total stride on is accepted: maps are rounded if a side is no multiple.
    `stages` is the model's word for them.
    """
    stride_px = 4 * 2 ** (n_stages - 1)
    if tile_px >= stride_px:
        return None
    return Problem(
        where=f"model {model}",
        found=f"tiles of {tile_px} px",
        expected=f"at least {stride_px} px: its {n_stages} {stages} shrink tiles by this factor",
        remedy=f"set inputs.tile_px to {stride_px} or more, "
        f"or give settings.{model} fewer {stages}",
    )


def start_linear(layer: nn.Module) -> None:
    """Initialise the weights of a linear layer as in both papers; other layers keep torch's."""
    if isinstance(layer, nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=0.02)
        nn.init.zeros_(layer.bias)

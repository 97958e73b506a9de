"""What backbones of several stages share: a map a quarter of the tile, then halved each stage."""

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
        One number a stage in each; at least 1.
    width_unit
        What the layers divide each width by.

    Raises
    ------
    ValueError
        Lists of different length, an empty one, a number below 1 or a width that does not divide.
    """
    lengths = {len(numbers) for numbers in (widths, *others)}
    if len(lengths) != 1 or not widths:
        raise ValueError(f"{model} needs one number a stage in each list, not {sorted(lengths)}")
    if min(min(numbers) for numbers in (widths, *others)) < 1:
        raise ValueError(f"{model} needs at least 1 of everything in each stage")
    if any(width % width_unit for width in widths):
        raise ValueError(f"{model} needs widths that are multiples of {width_unit}, not {widths}")


def small_tile(
    model: str, n_stages: int, tile_px: int, *, stages: str = "stages"
) -> Problem | None:
    """Say that tiles shrink to less than one position before the last stage; None: they do not.

    Every size from the total stride on will do: maps are rounded where a side is no multiple.
    `stages` is the model's own word for them.
    """
    stride_px = 4 * 2 ** (n_stages - 1)
    if tile_px >= stride_px:
        return None
    return Problem(
        where=f"model {model}",
        found=f"tiles of {tile_px} px",
        expected=f"at least {stride_px} px: its {n_stages} {stages} shrink them so many times",
        remedy=f"set inputs.tile_px to {stride_px} or more, "
        f"or give settings.{model} fewer {stages}",
    )


def start_linear(layer: nn.Module) -> None:
    """Draw the weights of a linear layer as both papers do; other layers keep torch's start."""
    if isinstance(layer, nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=0.02)
        nn.init.zeros_(layer.bias)

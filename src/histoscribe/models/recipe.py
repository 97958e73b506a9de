"""Training recipe of a published network, where it is a part of the model."""

from dataclasses import dataclass
from typing import Literal

Schedule = Literal["constant", "cosine", "warm-restarts", "warmup-cosine"]
Turning = Literal["no", "right-angles", "any-angle"]
Corners = Literal["read", "mean"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Training that a paper gives for its network; None leaves a value to the run's settings."""

    optimiser: Literal["adamw", "adam", "sgd", "sgd-nesterov"] = "adamw"
    """`adam` is without weight decay. Both kinds of SGD have a momentum of 0.9; `sgd-nesterov` has
    that of Nesterov.
    """
    learning_rate: float | None = None
    weight_decay: float | None = None
    schedule: Schedule | None = None
    """`cosine` falls once to zero over all steps; `warm-restarts` rises for 100 steps and falls to
    a fifth, twice per epoch. Below 202 steps per epoch it rises once, at the start. `warmup-cosine`
    rises over `warmup_epochs` from zero, then falls to zero. None: constant, or with a warm-up if
    the run's settings have one.
    """
    warmup_epochs: int | None = None
    """Epochs of the linear rise of `warmup-cosine`."""
    turned: Turning = "no"
    """Training tiles, or places of a section's spots, are mirrored and turned at random, in every
    epoch anew: one draw for each item. By `any-angle` for tiles only.
    """
    side_px: int | None = None
    """For `any-angle`: side in px to which tiles are resized before they are turned; None leaves
    them as they are.
    """
    corners: Corners = "read"
    """For `any-angle`: where the corners of a turned tile come from. `read` takes larger tiles from
    the slide, so that its corners show tissue; `mean` fills them with the mean colour of ImageNet.
    """

    def __post_init__(self) -> None:
        if self.optimiser == "adam" and self.weight_decay:
            raise ValueError(
                f"weight_decay = {self.weight_decay} with the optimiser adam, which has none: "
                'set 0, or take "adamw"'
            )


def compared(learning_rate: float) -> Recipe:
    """Training of the Exemplar Guided Network, used for the networks it is compared with."""
    return Recipe(learning_rate=learning_rate, weight_decay=1e-4, schedule="cosine")

"""Training recipe of a published network, where it is a part of the model."""

from dataclasses import dataclass
from typing import Literal

Schedule = Literal["constant", "cosine", "warm-restarts", "warmup-cosine"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Training that a paper gives for its network; None leaves a value to the run's settings."""

    optimiser: Literal["adamw", "sgd", "sgd-nesterov"] = "adamw"
    """Both kinds of SGD have a momentum of 0.9; `sgd-nesterov` has that of Nesterov."""
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
    turned: bool = False
    """Training tiles, or places of a section's spots, are mirrored and turned by right angles at
    random, in every epoch anew: one draw for each item.
    """


def compared(learning_rate: float) -> Recipe:
    """Training of the Exemplar Guided Network, used for the networks it is compared with."""
    return Recipe(learning_rate=learning_rate, weight_decay=1e-4, schedule="cosine")

"""How a published network is trained, where that is a part of the model."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The training that a paper gives its network; None leaves it to the settings of the run."""

    optimiser: Literal["adamw", "sgd"] = "adamw"
    """`sgd` has a momentum of 0.9."""
    learning_rate: float | None = None
    weight_decay: float | None = None
    schedule: Literal["constant", "cosine", "warm-restarts"] = "constant"
    """`cosine` falls once to zero over all steps; `warm-restarts` rises for 100 steps and falls to
    a fifth, twice an epoch. Below 202 steps an epoch it rises once, at the start."""
    turned: bool = False
    """Training tiles are mirrored and turned by right angles at random, anew in every epoch."""


def compared(learning_rate: float) -> Recipe:
    """The training of the Exemplar Guided Network, for the networks it is compared with."""
    return Recipe(learning_rate=learning_rate, weight_decay=1e-4, schedule="cosine")

"""Training recipe of a published network, where it is a part of the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Schedule = Literal["constant", "cosine", "warm-restarts", "warmup-cosine"]
Turning = Literal["no", "right-angles", "any-angle"]
Corners = Literal["read", "mean"]
Kept = Literal["last", "best", "best-on-test"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Training that a paper gives for its network; None leaves a value to the run's settings.

    A run's own `train.epochs` and `train.batch_size` go before those of the recipe. Everything from
    `tile_px` on is the run's in any case: the recipe has it so that a run can say where it differs.
    """

    epochs: int | None = None
    batch_size: int | None = None
    """Items in a step of the optimiser."""
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

    tile_px: int | None = None
    """Side of the tiles, px."""
    encoder: str | None = None
    """Encoder of the features, by its name here."""
    n_exemplars: int | None = None
    """Number of nearest exemplars, by L2."""
    keeps: Kept = "last"
    """Epoch that the publication keeps: its last, the best one on training patients that were held
    out, or the best one on what it is tested on.
    """
    loss: Literal["mse-pcc"] | None = None
    """As `train.loss` names it; None for the loss of the model."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the model whose defaults are other values."""
    published: bool = True
    """Whether this is the training of a publication of this network; false for a network of ours
    that is trained as another one.
    """

    def __post_init__(self) -> None:
        if self.optimiser == "adam" and self.weight_decay:
            raise ValueError(
                f"weight_decay = {self.weight_decay} with the optimiser adam, which has none: "
                'set 0, or take "adamw"'
            )


def compared(learning_rate: float, weight_decay: float = 1e-4) -> Recipe:
    """Training of the Exemplar Guided Network, used for the networks it is compared with."""
    return Recipe(
        epochs=50,
        batch_size=32,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        schedule="cosine",
        tile_px=256,
    )


def exemplar_guided(learning_rate: float, weight_decay: float = 1e-4) -> Recipe:
    """The same for networks that read features, and exemplars chosen by them."""
    recipe = compared(learning_rate, weight_decay)
    return replace(recipe, encoder="egn-extractor", n_exemplars=9)

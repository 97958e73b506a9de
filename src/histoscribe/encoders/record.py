"""What must be known of an encoder before choosing it."""

from dataclasses import dataclass
from typing import Literal

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Group = Literal["nothing to load", "general images", "pathology", "trained here"]
Read = Literal["class", "class+mean", "mean"]


@dataclass(frozen=True, kw_only=True)
class EncoderRecord:
    """What a user must know of an encoder before choosing it."""

    name: str
    group: Group = "general images"
    """What it was trained on."""
    width: int
    """Features per tile, at the default layer."""
    read: Read = "mean"
    """What the features are: the class token, the class token followed by the mean patch token
    (twice as wide), or the mean over the last map."""
    input_px: int | None = None
    """The only tile side it can take (tiles are resized to it); None where any does."""
    mpp: float | None = None
    """um/px it was trained at, as published (20x read as 0.5; the one nearest 0.5 of several);
    None where nothing is published or it has no meaning."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Subtracted from RGB in 0..1."""
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Divides what is left."""
    licence: str
    """Of the weights; `not stated` where unknown."""
    paper: str
    needs_weights: bool
    gated: bool = False
    """The hub gives the weights only to those who accepted their terms."""
    hub: str | None = None
    """Repository of the weights on huggingface.co; None where there is none."""
    files: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin")
    """Names the weights may have there; the first that is found is taken."""

    @property
    def published(self) -> tuple[tuple[str, str], ...]:
        """Repository and file name of every place on the hub the weights may lie at."""
        return () if self.hub is None else tuple((self.hub, file) for file in self.files)

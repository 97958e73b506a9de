"""Record of an encoder: its facts."""

from dataclasses import dataclass
from typing import Literal

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Group = Literal["nothing to load", "general images", "pathology", "trained here"]
Read = Literal["class", "class+mean", "mean"]


@dataclass(frozen=True, kw_only=True)
class EncoderRecord:
    """Facts of an encoder that matter for choosing it."""

    name: str
    group: Group = "general images"
    """Kind of its training images."""
    width: int
    """Features per tile, at the default layer."""
    read: Read = "mean"
    """Kind of features: the class token, the class token followed by the mean patch token (twice as
    wide), or the mean over the last map.
    """
    input_px: int | None = None
    """The only tile side that it accepts (tiles are resized to it); None if it accepts any."""
    mpp: float | None = None
    """um/px of its training, as published (20x counts as 0.5; of several, the one nearest 0.5);
    None if nothing is published or it has no meaning.
    """
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Subtracted from RGB in 0..1."""
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Divisor after the subtraction."""
    licence: str
    """Licence of the weights; `not stated` if unknown."""
    paper: str
    needs_weights: bool
    gated: bool = False
    """Whether the hub gives the weights only to users who accepted their terms."""
    hub: str | None = None
    """Repository of the weights on huggingface.co; None if there is none."""
    files: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin")
    """Possible file names of the weights; the first that exists is used."""

    @property
    def published(self) -> tuple[tuple[str, str], ...]:
        """Repository and file name of every possible place of the weights on the hub."""
        return () if self.hub is None else tuple((self.hub, file) for file in self.files)

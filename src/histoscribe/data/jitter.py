"""Stain jitter: the same tissue with more or less of each dye.

Colours are unmixed into haematoxylin, eosin and DAB by optical density (Ruifrok and Johnston 2001,
PMID 11531144), each is scaled and shifted, and they are mixed again (Tellez et al. 2018,
doi:10.1109/TMI.2018.2820199; 2019, doi:10.1016/j.media.2019.101544).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from skimage.color import hed_from_rgb, rgb_from_hed
from torch import Tensor

from histoscribe.seed import stream

JITTER_VERSION = "1"
"""Part of the cache key of every jittered feature."""


@dataclass(frozen=True)
class HedJitter:
    """Parameters of one jittered view of every spot of a section."""

    strength: float
    """Factors lie within 1 +- this value, shifts within +- this value (optical density, base 10).
    """
    seed: int
    use: str
    """Name of the random stream: section and number of the view."""

    def __post_init__(self) -> None:
        if not 0 < self.strength < 1:
            raise ValueError(
                f"the strength of a jitter must be between 0 and 1, not {self.strength}"
            )

    @property
    def identity(self) -> str:
        """Text that identifies the draws."""
        return f"hed-{JITTER_VERSION}({self.strength!r};{self.seed};{self.use})"

    def draw(self, n_spots: int) -> tuple[Float32[Tensor, "N 3"], Float32[Tensor, "N 3"]]:
        """Factors and shifts of each spot of the section, independent of batches."""
        draws = stream(self.seed, self.use).uniform(-1.0, 1.0, size=(n_spots, 2, 3))
        moved = torch.from_numpy((self.strength * draws).astype(np.float32))
        return 1.0 + moved[:, 0], moved[:, 1]


def hed_jitter(
    tiles: UInt8[Tensor, "B 3 P P"], alpha: Float[Tensor, "B 3"], beta: Float[Tensor, "B 3"]
) -> UInt8[Tensor, "B 3 P P"]:
    """Scale each tile's haematoxylin, eosin and DAB by `alpha`, and add `beta` to them.

    Stains are in optical density, base 10. Pure white, the background off the tissue, stays white.
    Channels-last in memory.
    """
    unmix, mix = (
        torch.from_numpy(matrix).to(tiles.device, torch.float32)
        for matrix in (hed_from_rgb, rgb_from_hed)
    )
    # between the two logarithms a tile's jitter is one matrix and one shift
    matrix = torch.einsum("ij,bj,jk->bki", unmix, alpha.float(), mix)
    shift = beta.float() @ mix
    density = -torch.log10((tiles.flatten(2).float() + 1) / 256)  # black has no logarithm
    moved = torch.baddbmm(shift[:, :, None], matrix, density)
    colour = (256 * torch.exp(moved * -np.log(10.0)) - 1).round().clamp(0, 255)
    white = (tiles == 255).all(dim=1, keepdim=True)
    jittered = torch.where(white, tiles, colour.to(torch.uint8).view(tiles.shape))
    return jittered.contiguous(memory_format=torch.channels_last)

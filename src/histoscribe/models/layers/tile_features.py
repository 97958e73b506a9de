"""Features of the tiles of a bag as networks read them: standardised, and zero in padding."""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from histoscribe.models.facts import Facts


@final
class TileFeatures(nn.Module):
    """Standardises features by the training spots, and empties what is padding."""

    mean: Tensor
    scale: Tensor

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(facts.feature_mean).float())
        self.register_buffer("scale", torch.from_numpy(facts.feature_scale).float())

    def forward(
        self, context_feature: Float[Tensor, "B K D"], present: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B K D"]:
        """Standardised features.

        Raises ValueError for a bag without tiles, which has no value.
        """
        check_tiles(present)
        standard = (context_feature - self.mean) / self.scale
        return standard.masked_fill(~present[..., None], 0.0)


def check_tiles(present: Bool[Tensor, "B K"]) -> None:
    """Raises ValueError unless every bag has a tile."""
    empty = (~present.any(dim=1)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f"bag {empty[0]} of {len(present)} in this batch has no tiles, so it has no value; "
            "leave it out"
        )

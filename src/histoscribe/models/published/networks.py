"""Networks whose published weights can be converted."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import Any

import torch
from torch import Tensor

from histoscribe.models.base import create_model
from histoscribe.models.layers.image_input import NormalisedTiles

COUNTER = ".num_batches_tracked"
"""End of the name of a counter that normalisations have and never read."""
_COLOURS = "normalise."
_STRIDE_PX = 4  # side of the tile over that of the first stage's map
_WIDTH = "stage_{}.embed.project.weight"
_STAGES = "abcd"
_GENES = "head.linear.weight"


@dataclass(frozen=True)
class PublishedNetwork:
    """A network as its authors published it."""

    name: str
    model: str
    """Model whose layers it has."""
    side_px: int
    """Side of the tiles of its training."""
    whole: bool
    """Whether it predicts genes; otherwise it is the backbone with a classifier."""

    def made_for(self, tensors: Mapping[str, Tensor]) -> int:
        """Side of the training tiles of a file, by its position biases.

        A backbone is resized when it is loaded, so its file may be of any side. A whole network has
        graphs of 196 nodes, which fit tiles of one side only.
        """
        bias = tensors.get("stage_a.bias")
        if self.whole or bias is None or bias.ndim != 3:
            return self.side_px
        side_px = _STRIDE_PX * isqrt(bias.shape[1])
        return side_px if side_px and side_px % 32 == 0 else self.side_px

    @lru_cache(maxsize=8)  # noqa: B019 - a record that never changes, kept as long as the program
    def expected(self, n_genes: int, side_px: int) -> Mapping[str, Tensor]:
        """Tensors of the network without values: names and shapes."""
        settings: dict[str, Any] = {} if self.whole else {"graph": "none"}
        with torch.device("meta"):
            net = create_model(self.model, n_genes=n_genes, tile_px=side_px, **settings)
        return (net if self.whole else net.backbone()).state_dict()

    def parts_without_weights(self) -> tuple[str, ...]:
        """Parts of our network that a file of this network says nothing about."""
        if self.whole:
            return ()
        with torch.device("meta"):
            net: Any = create_model(self.model, n_genes=1, tile_px=self.side_px)
        backbone = {name.partition(".")[0] for name in net.backbone().state_dict()}
        return tuple(
            name
            for name, part in net.named_children()
            if name not in backbone and any(True for _ in part.parameters())
        )


PUBLISHED = tuple(
    PublishedNetwork(*facts)
    for facts in (
        ("cmt:ti", "tcgn", 160, False),
        ("cmt:xs", "tcgn-xs", 192, False),
        ("tcgn", "tcgn", 224, True),
        ("tcgn-xs", "tcgn-xs", 224, True),
    )
)
"""CMT as trained on ImageNet, and TCGN on sections."""


def colour_constants() -> Mapping[str, Tensor]:
    """Mean and deviation of the colours, which the published networks leave to the loader."""
    colours = NormalisedTiles.imagenet().state_dict()
    return {f"{_COLOURS}{name}": tensor for name, tensor in colours.items()}


def trained_shapes(tensors: Mapping[str, Tensor]) -> Mapping[str, tuple[int, ...]]:
    """Shape of each tensor, without counters of batches and constants."""
    return {
        name: tuple(tensor.shape)
        for name, tensor in tensors.items()
        if not name.endswith(COUNTER) and not name.startswith(_COLOURS)
    }


def sizes(tensors: Mapping[str, Tensor]) -> str:
    """Channels and number of blocks of the four stages, in words."""
    widths = [tensors[name] for stage in _STAGES if (name := _WIDTH.format(stage)) in tensors]
    blocks = [
        len({name.split(".")[2] for name in tensors if name.startswith(f"stage_{stage}.blocks.")})
        for stage in _STAGES
    ]
    of_widths = ", ".join(str(width.shape[0]) for width in widths) or "none"
    return f"stages of {of_widths} channels with {', '.join(map(str, blocks))} blocks"


def gene_count(tensors: Mapping[str, Tensor]) -> int | None:
    """Number of genes that the last layer predicts; None without that layer."""
    return tensors[_GENES].shape[0] if _GENES in tensors else None

"""What an encoder costs per tile when it is cut at a layer."""

from dataclasses import dataclass, replace
from typing import final

import torch
from torch.utils.flop_counter import FlopCounterMode

from histoscribe.encoders.encoder import Encoder
from histoscribe.encoders.pathology import PATHOLOGY
from histoscribe.predictor.predictor import Predictor

ENCODER = "encoder."
"""Before the name of a layer of the encoder; what follows is a value of `inputs.layer`."""


@final
@dataclass(frozen=True)
class EncoderCost:
    """Size of a cut encoder; a count, for times are never the same twice."""

    operations: int
    """Multiplications and additions per tile, of convolutions and matrix products."""
    parameters: int


def can_be_cut(predictor: Predictor) -> bool:
    """Whether the network reads features of an encoder that `inputs.layer` can cut."""
    encoding = predictor.encoding
    family = encoding.encoder.partition(":")[0]
    reads = any(name.endswith("feature") for name in predictor.inputs)
    return reads and family in ("torchvision", "timm") and encoding.encoder not in PATHOLOGY


def encoder_cost(predictor: Predictor, layer: str) -> EncoderCost:
    """Cost of the encoder cut at this layer, which becomes `inputs.layer`."""
    cut = replace(predictor.encoding, layer=layer.removeprefix(ENCODER)).open(predictor.weights)
    return cost_of(cut, predictor.encoding.tile_px)


def cost_of(encoder: Encoder, tile_px: int) -> EncoderCost:
    """Count the operations on one white tile."""
    device = encoder.mean.device
    image = torch.full((1, 3, tile_px, tile_px), 255, dtype=torch.uint8, device=device)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        encoder(image)
    return EncoderCost(
        operations=int(counter.get_total_flops()),
        parameters=sum(weight.numel() for weight in encoder.net.parameters()),
    )

"""What an encoder costs per tile when it is cut at a layer."""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import final

import torch
from torch.utils.flop_counter import FlopCounterMode

from histoscribe.encoders.encoder import Encoder
from histoscribe.encoders.pathology import PATHOLOGY
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import tell

ENCODER = "encoder."
"""Before the name of a layer of the encoder; what follows is a value of `inputs.layer`."""
_TIMED = 4  # tiles in a pass


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
    return cost_of(_cut_encoder(predictor, layer), predictor.encoding.tile_px)


def seconds_of(encoder: Encoder, tile_px: int) -> float:
    """Time per tile on this machine: the best of three passes of some white tiles."""
    device = encoder.mean.device
    image = torch.full((_TIMED, 3, tile_px, tile_px), 255, dtype=torch.uint8, device=device)
    times = []
    with torch.no_grad():
        for _ in range(3):
            start = perf_counter()
            encoder(image).cpu()
            times.append(perf_counter() - start)
    return min(times) / _TIMED


def tell_speed(predictor: Predictor, layer: str) -> None:
    """Say what a tile takes before and after the cut; times are in no file."""
    tile_px = predictor.encoding.tile_px
    before = seconds_of(predictor.encoder, tile_px)
    after = seconds_of(_cut_encoder(predictor, layer), tile_px)
    tell(
        f"encoder: {1e3 * before:.3g} ms per tile as it is, {1e3 * after:.3g} ms cut at "
        f"{layer.removeprefix(ENCODER)}"
    )


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


def _cut_encoder(predictor: Predictor, layer: str) -> Encoder:
    encoding = replace(predictor.encoding, layer=layer.removeprefix(ENCODER))
    return encoding.open(predictor.weights).to(predictor.encoder.mean.device)

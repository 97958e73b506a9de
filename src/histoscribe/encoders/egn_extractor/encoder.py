"""E of the extractor: the style code of a tissue window, used by EGN to retrieve exemplars.

Yang et al., WACV 2023 (arXiv:2210.16721), section 3.1: learned without labels, by reconstructing
windows from their codes. After training only this net is kept, as a frozen encoder.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import final

from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from histoscribe.encoders.catalog import EXTRACTOR
from histoscribe.encoders.egn_extractor.layers import (
    COARSEST_PX,
    CODE_WIDTH,
    EqualConv,
    EqualLinear,
    ResidualTrunk,
    StyleConfig,
    rectified,
)
from histoscribe.encoders.egn_extractor.whitening import Whitening
from histoscribe.encoders.record import EncoderRecord
from histoscribe.encoders.weights import load_exactly, read_weights
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing


@final
class StyleEncoder(nn.Module):
    """Residual convolutions down to 4 x 4, then one linear layer."""

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        self.config = config
        n_channels = config.channels(COARSEST_PX)
        self.trunk = ResidualTrunk(config)
        self.last = EqualConv(n_channels, n_channels, 3)
        self.code = EqualLinear(n_channels * COARSEST_PX**2, CODE_WIDTH)
        self.whitening = Whitening(CODE_WIDTH)

    def forward(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B 512"]:
        """Whitened codes of windows in -1..1, which distances are measured between."""
        return self.whitening(self.style(image))

    def style(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B 512"]:
        """Codes of windows in -1..1 as the generator reads them."""
        return self.code(rectified(self.last(self.trunk(image))).flatten(1))


def extractor_record(config: StyleConfig) -> EncoderRecord:
    """Facts of a trained extractor; its input side is the window side of its training."""
    return EncoderRecord(
        name=EXTRACTOR,
        group="trained here",
        width=CODE_WIDTH,
        input_px=config.window_px,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        licence="of the slides it was trained on",
        paper="arXiv:2210.16721",
        needs_weights=True,
    )


def save_extractor(net: StyleEncoder, path: Path) -> None:
    """Write the weights as safetensors, with the widths of the net as metadata."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={EXTRACTOR: json.dumps(asdict(net.config))})


def load_extractor(path: Path) -> tuple[StyleEncoder, str]:
    """Read an extractor that `save_extractor` wrote, and its checksum as `sha256:<hex>`.

    Raises
    ------
    DataContractError
        if the file cannot be read, belongs to another net, or has a missing, additional or
        misshapen tensor.
    """
    tensors, checksum = read_weights(path)
    net = StyleEncoder(_config(path))
    load_exactly(net, tensors, net_name=EXTRACTOR, where=str(path))
    return net.eval(), checksum


def _config(path: Path) -> StyleConfig:
    try:
        with safe_open(path, framework="pt") as file:
            return StyleConfig(**json.loads(file.metadata()[EXTRACTOR]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"no widths of an extractor ({type(error).__name__}: {error})",
                expected=f"the weights of an {EXTRACTOR} that histoscribe trained",
                remedy="give that file, or leave it out: then the run trains an extractor",
            )
        ) from error

"""Nets of published encoders, built from their specification and pooled as their authors do."""

from functools import partial
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe import torchvision_guard  # noqa: F401 - before timm
from histoscribe.encoders.pathology import NetSpec
from histoscribe.encoders.record import EncoderRecord
from histoscribe.encoders.tensor_names import in_timm_names, with_positions_of
from histoscribe.encoders.weights import load_exactly, read_weights
from histoscribe.seed import integer

import timm  # isort: skip
from timm.layers import SwiGLUPacked  # isort: skip


def load_published(
    record: EncoderRecord, recipe: NetSpec, weights: Path | int
) -> tuple[nn.Module, str]:
    """Load a published net with the weights of its file, or with weights drawn from a seed.

    Returns
    -------
    The net, from normalised tiles to features, and `sha256:...` of the file or `random:<seed>`.

    Raises
    ------
    DataContractError
        for weights that cannot be read, or do not fit exactly.
    """
    if isinstance(weights, int):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(integer(weights, f"encoder {record.name}"))
            return read_out(build(recipe), record), f"random:{weights}"
    tensors, source = read_weights(weights)
    net = build(recipe, empty=recipe.net.startswith("vit_"))
    named = with_positions_of(in_timm_names(tensors), net.state_dict(), recipe.file_px)
    load_exactly(net, named, net_name=record.name, where=str(weights))
    return read_out(net, record), source


def build(recipe: NetSpec, *, empty: bool = False) -> nn.Module:
    """Build the architecture without its weights.

    `empty` puts it on the meta device: a net of 1.1 billion parameters is built at once, and takes
    its tensors from the file. This works only for a net without buffers.
    """
    settings: dict[str, Any] = dict(recipe.settings)
    if recipe.swiglu:
        settings |= {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU}
    if recipe.norm_eps is not None:
        settings["norm_layer"] = partial(nn.LayerNorm, eps=recipe.norm_eps)
    with torch.device("meta" if empty else "cpu"):
        if recipe.net == "ctranspath":
            return _ctranspath()
        return timm.create_model(recipe.net, pretrained=False, num_classes=0, **settings)


def read_out(net: nn.Module, record: EncoderRecord) -> nn.Module:
    """Add the pooling of the record after the net's last map."""
    net = net.eval().requires_grad_(requires_grad=False)
    # channels-last makes convolutions on a CPU 1.5 times as fast
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub
    return _Mean(net) if record.read == "mean" else _Tokens(net, with_mean=record.read != "class")


@final
class _Tokens(nn.Module):
    """A vision transformer's class token, alone or followed by the mean of its patch tokens."""

    def __init__(self, net: Any, *, with_mean: bool) -> None:
        super().__init__()
        self.body: Any = net  # timm's nets share methods, not a type
        self.with_mean = with_mean

    def forward(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B D"]:
        tokens = self.body.forward_features(image)
        if not self.with_mean:
            return tokens[:, 0]
        # register tokens stand between the class token and the patches, and represent neither
        patches = tokens[:, self.body.num_prefix_tokens :]
        return torch.cat([tokens[:, 0], patches.mean(dim=1)], dim=1)


@final
class _Mean(nn.Module):
    """A net with its pooling over the last map."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.body: Any = net

    def forward(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B D"]:
        image = image.contiguous(memory_format=torch.channels_last)
        return self.body.forward_head(self.body.forward_features(image), pre_logits=True)


def _ctranspath() -> nn.Module:
    """CTransPath: a small Swin transformer behind a stem of convolutions (its section 3.2)."""
    net: Any = timm.create_model("swin_tiny_patch4_window7_224", pretrained=False, num_classes=0)
    net.patch_embed = _ConvolutionStem(net.embed_dim)
    return net


@final
class _ConvolutionStem(nn.Module):
    """Halves the tile twice, then embeds each position; channels come last."""

    def __init__(self, width: int) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for n_in, n_out in ((3, width // 8), (width // 8, width // 4)):
            convolution = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False)
            steps += [convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]
        self.proj = nn.Sequential(*steps, nn.Conv2d(width // 4, width, 1))
        self.norm = nn.LayerNorm(width)

    def forward(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B H W D"]:
        return self.norm(self.proj(image).permute(0, 2, 3, 1))

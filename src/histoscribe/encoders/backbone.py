"""Nets of torchvision and timm, cut at a layer, with weights from a local file or a seed."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe import torchvision_guard  # noqa: F401 - before torchvision and timm
from histoscribe.encoders.record import IMAGENET_MEAN, IMAGENET_STD, EncoderRecord
from histoscribe.encoders.weights import load_exactly, read_weights
from histoscribe.errors import DataContractError, Problem
from histoscribe.seed import integer

import timm  # isort: skip
import torchvision.models as zoo  # isort: skip
from torchvision.models.feature_extraction import create_feature_extractor  # isort: skip

# last features of each family of torchvision, before its classifier
_LAST = ("features", "layer4", "trunk_output", "Mixed_7c", "inception5b", "conv5", "layers",
         "encoder", "blocks")  # fmt: skip
_FIXED_INPUT = ("vit_", "maxvit_")
_CHANNELS_LAST = ("swin",)


def load_backbone(
    name: str, layer: str | None, weights: Path | int
) -> tuple[nn.Module, EncoderRecord, str]:
    """Load `torchvision:<model>` or `timm:<model>[.<tag>]`, with the output of `layer`.

    `weights` is a file with the whole net's tensors, or a seed to draw them from.

    Returns
    -------
    The net, from normalised tiles to features; the facts of its family; and `sha256:...` of the
    file or `random:<seed>`.

    Raises
    ------
    DataContractError
        Unknown model or layer; weights that cannot be read or do not fit.
    """
    family, _, model = name.partition(":")
    known = zoo.list_models(module=zoo) if family == "torchvision" else timm.list_models()
    tagged = family == "timm" and model in timm.list_pretrained()
    if model not in known and not tagged:
        raise DataContractError(_unknown_model(family, model))
    tensors, source = (
        ({}, f"random:{weights}") if isinstance(weights, int) else read_weights(weights)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer(weights, f"encoder {name}") if isinstance(weights, int) else 0)
        net = _torchvision_net(model) if family == "torchvision" else _timm_net(model, tensors)
    if isinstance(weights, Path):
        load_exactly(net, tensors, net_name=name, where=str(weights))
    if layer is not None and layer not in dict(net.named_modules()):
        raise DataContractError(_unknown_layer(name, layer, net))
    net = net.eval().requires_grad_(requires_grad=False)
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub
    make = _torchvision_backbone if family == "torchvision" else _timm_backbone
    cut, record = make(name, net, layer)
    return cut, record, source


def _torchvision_net(model: str) -> nn.Module:
    # these two warn about their slow initialisation unless told
    settings = {"init_weights": False} if model in ("googlenet", "inception_v3") else {}
    return zoo.get_model(model, weights=None, **settings)


def _timm_net(model: str, tensors: dict[str, Tensor]) -> nn.Module:
    """Build the net with as many classes as the file's head; none if it has no head."""
    facts = timm.get_pretrained_cfg(model)
    heads = (facts.classifier if facts is not None else None) or ()
    head = f"{heads if isinstance(heads, str) else next(iter(heads), '')}.weight"
    n_classes = tensors[head].shape[0] if head in tensors else 0
    return timm.create_model(model, pretrained=False, num_classes=n_classes)


def _torchvision_backbone(
    name: str, net: nn.Module, layer: str | None
) -> tuple[nn.Module, EncoderRecord]:
    model = name.partition(":")[2]
    read = layer or next(last for last in _LAST if hasattr(net, last))
    tokens = 1 if model.startswith("vit_") else 0
    cut = _Pooled(net, read, n_tokens=tokens, channels_last=model.startswith(_CHANNELS_LAST))
    input_px = getattr(net, "image_size", 224) if model.startswith(_FIXED_INPUT) else None
    return cut, EncoderRecord(
        name=name,
        width=_width(cut, input_px),
        input_px=input_px,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        licence="BSD-3-Clause (code); the weights' own",
        paper="https://docs.pytorch.org/vision/stable/models.html",
        needs_weights=True,
    )


def _timm_backbone(name: str, net: Any, layer: str | None) -> tuple[nn.Module, EncoderRecord]:
    facts, model = net.pretrained_cfg, name.partition(":")[2]
    tokens = getattr(net, "num_prefix_tokens", 0)
    cut = (
        _Pooled(net, layer, n_tokens=tokens, channels_last=model.startswith(_CHANNELS_LAST))
        if layer
        else _Headless(net)
    )
    input_px = facts["input_size"][-1] if facts.get("fixed_input_size") else None
    return cut, EncoderRecord(
        name=name,
        width=_width(cut, input_px),
        input_px=input_px,
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        licence=facts.get("license") or "not stated",
        paper=str(facts.get("paper_ids") or facts.get("origin_url") or "not stated"),
        needs_weights=True,
    )


@final
class _Pooled(nn.Module):
    """A net up to one layer, averaged over the tile; a class token represents its tile."""

    def __init__(self, net: nn.Module, layer: str, *, n_tokens: int, channels_last: bool) -> None:
        super().__init__()
        self.cut = create_feature_extractor(net.eval(), {layer: "map"}, suppress_diff_warning=True)
        self.n_tokens, self.channels_last = n_tokens, channels_last

    def forward(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B D"]:
        seen = self.cut(_channels_last(image))["map"]
        if seen.ndim == 4:
            return seen.mean(dim=(1, 2) if self.channels_last else (2, 3))
        if seen.ndim == 3:
            return seen[:, 0] if self.n_tokens else seen.mean(dim=1)
        return seen


@final
class _Headless(nn.Module):
    """A timm net without classifier, with timm's pooling."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.body: Any = net

    def forward(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B D"]:
        seen = self.body.forward_features(_channels_last(image))
        return self.body.forward_head(seen, pre_logits=True)


def _channels_last(image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B 3 P P"]:
    """Tiles in channels-last layout, which makes convolutions on a CPU 1.5 times as fast."""
    return image.contiguous(memory_format=torch.channels_last)


def _width(net: nn.Module, input_px: int | None) -> int:
    side_px = input_px or 96  # the smallest side that every net of the two families accepts
    with torch.inference_mode():
        return int(net.eval()(torch.zeros(1, 3, side_px, side_px)).shape[1])


def _unknown_model(family: str, model: str) -> Problem:
    names = zoo.list_models(module=zoo) if family == "torchvision" else timm.list_models()
    near = get_close_matches(model, names, n=3)
    return Problem(
        where=f"encoder {family}:{model}",
        found=f"no classification net {model!r} in {family}",
        expected=f"a name that {family} lists",
        remedy=f"did you mean {' or '.join(near)}?" if near else f"look it up in {family}",
    )


def _unknown_layer(name: str, layer: str, net: nn.Module) -> Problem:
    layers = [layer for layer, _ in net.named_modules() if layer]
    near = get_close_matches(layer, layers, n=3)
    return Problem(
        where=f"encoder {name}",
        found=f"no layer {layer!r}",
        expected=f"one of its {len(layers)} modules, such as {layers[-1]}",
        remedy=f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(layers)}",
    )

"""Precision of computed values: whole float32, or bfloat16 where it gives the same features."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Precision = Literal["float32", "bfloat16"]

ALIKE = 0.999
"""Least cosine between the values of an item in bfloat16 and in float32."""


@contextmanager
def whole_convolutions(device: torch.device) -> Iterator[None]:
    """Compute float32 convolutions in full precision; a CPU always does.

    By default torch lets a GPU round the factors to TF32, which has 10 bits: features then differ
    from those of a CPU in the third or fourth digit. `fixed_threads` says the same of products.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def mixed(device: torch.device, precision: str) -> torch.autocast:
    """Compute in bfloat16, if this is the precision, where torch holds it to be safe."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16; others would only imitate it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def least_cosine(compute: Callable[[Precision], Float[Tensor, "B D"]]) -> float:
    """Least cosine, over items, between what `compute` gives in float32 and in bfloat16.

    NaN if a value is no number.
    """
    full, half = compute("float32"), compute("bfloat16")
    return float(functional.cosine_similarity(full, half).min())


def offered(precision: Precision, device: torch.device) -> Precision:
    """Precision that a prediction may try: bfloat16 on a GPU only, for a CPU keeps its bits."""
    may = precision == "bfloat16" and device.type == "cuda" and has_bfloat16(device)
    return "bfloat16" if may else "float32"


def arithmetic(precision: str) -> str:
    """How values are computed in a run of this precision, in words for its cards."""
    whole = "whole float32 (matrix products: torch's highest)"
    if precision == "float32":
        return f"{whole}; on a GPU, convolutions of training round to TF32"
    return (
        "bfloat16 in training, for features that agree with float32, and on a GPU for validation "
        f"and predictions from tiles that agree; else {whole}"
    )

"""Convolutions in full float32 on a GPU, without TF32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def whole_convolutions(device: torch.device) -> Iterator[None]:
    """Compute float32 convolutions in full precision; a CPU always does.

    By default torch lets a GPU round the factors to TF32, which has 10 bits: features then differ
    from those of a CPU in the third or fourth digit. Matrix products are exact by default.
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

"""Float32 that is float32 on a GPU, too."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def whole_convolutions(device: torch.device) -> Iterator[None]:
    """Have convolutions in float32 keep all its bits; nothing changes on a CPU.

    By default torch lets a GPU round their factors to TF32, of 10 bits: features then differ from
    those of a CPU in the third or fourth digit. Products of matrices are whole by default.
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

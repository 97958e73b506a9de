"""The eight symmetries of a square window: tissue has no up and no left."""

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

N_SYMMETRIES = 8
_N_TURNS = 4


def turned(
    image: UInt8[Tensor, "B 3 P P"], symmetry: Int[np.ndarray, " B"]
) -> UInt8[Tensor, "B 3 P P"]:
    """Turn and mirror each window by its symmetry, 0..7; 0 leaves it unchanged.

    Modulo 4 it is a number of quarter turns; from 4 on, the window is mirrored first.
    """
    out = torch.empty_like(image)
    for kind in np.unique(symmetry):
        which = torch.from_numpy(np.flatnonzero(symmetry == kind))
        of = image[which]
        mirrored = of.flip(-1) if kind >= _N_TURNS else of
        out[which] = mirrored.rot90(int(kind) % _N_TURNS, dims=(-2, -1))
    return out

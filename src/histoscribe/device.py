"""Where a run computes."""

from typing import Literal

import torch

from histoscribe.errors import DataContractError, Problem

Device = Literal["cpu", "cuda"]


def choose_device(asked: Literal["auto", "cpu", "cuda"]) -> Device:
    """Settle on a device; `auto` takes a GPU where torch sees one.

    Raises
    ------
    DataContractError
        where a GPU is asked for and torch sees none.
    """
    found = torch.cuda.is_available()
    if asked == "cuda" and not found:
        raise DataContractError(
            Problem(
                where="settings, run.device",
                found="no GPU that torch can use",
                expected="a CUDA device and a torch that was built for it",
                remedy='use device = "auto" or "cpu"',
            )
        )
    return "cuda" if found and asked != "cpu" else "cpu"

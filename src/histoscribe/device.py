"""Choice of the device: CPU or GPU."""

from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Literal

import torch

from histoscribe.errors import DataContractError, Problem

Device = Literal["cpu", "cuda"]
CPU = torch.device("cpu")


def choose_device(requested: Literal["auto", "cpu", "cuda"]) -> Device:
    """Choose a device; `auto` takes a GPU if torch sees one.

    Raises
    ------
    DataContractError
        if a GPU is requested but torch finds none.
    """
    found = torch.cuda.is_available()
    if requested == "cuda" and not found:
        raise DataContractError(
            Problem(
                where="settings, run.device",
                found="no GPU that torch can use",
                expected="a CUDA device, and a torch built for it",
                remedy='use device = "auto" or "cpu"',
            )
        )
    return "cuda" if found and requested != "cpu" else "cpu"


def device_turn(device: torch.device) -> AbstractContextManager[object]:
    """Lock of a GPU, for one batch at a time: its memory cannot hold activations of all threads."""
    return nullcontext() if device.type == "cpu" else Lock()

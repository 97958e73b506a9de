"""The checkpoint of a training: written every few minutes, and when the training is over."""

import histoscribe.torchvision_guard  # noqa: F401  before lightning, which imports torchvision

# isort: split
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any, final

import lightning
import torch
from torch import Tensor

from histoscribe.io.atomic import replacing

CHECKPOINT = "last.ckpt"
CHECKPOINT_SECONDS = 240.0
"""Work that a killed training loses at most, besides a step; EGN at its published size writes 1.6
GB for a checkpoint, often more than an epoch is worth.
"""
_MODEL = "model."
"""What lightning puts before the name of a weight of `Task.model`."""


@final
class CheckpointFile:
    """The checkpoint in the folder of a training, and the time of the last one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / CHECKPOINT
        self.written = monotonic()
        """Time of the last one of this process, or of its start."""

    @property
    def is_due(self) -> bool:
        """Whether the last one is some minutes old."""
        return monotonic() - self.written >= CHECKPOINT_SECONDS

    def write(self, trainer: lightning.Trainer) -> None:
        """Write everything that a resumed training needs, with the state of the callback."""
        with replacing(self.path) as temporary:
            trainer.save_checkpoint(temporary, weights_only=False)
        self.written = monotonic()

    def write_result(self, key: str, state: Mapping[str, Any]) -> None:
        """Write the state of the callback alone: nothing else is needed of a finished training."""
        with replacing(self.path) as temporary:
            torch.save({"callbacks": {key: dict(state)}}, temporary)

    def read(self, key: str) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """State of the callback, and the weights of an unfinished training; None without a file."""
        if not self.path.exists():
            return None
        saved = torch.load(self.path, weights_only=True, map_location="cpu")
        weights = saved.get("state_dict", {})
        of_model = {
            name.removeprefix(_MODEL): value
            for name, value in weights.items()
            if name.startswith(_MODEL)
        }
        return saved["callbacks"][key], of_model

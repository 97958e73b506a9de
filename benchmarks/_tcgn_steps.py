"""TCGN on drawn tiles: a forward pass, a step of training, and the memory of a step.

`python benchmarks/_tcgn_steps.py BATCH` is the process of one measurement of `tcgn.py`: peak memory
is that of a process, so each figure needs its own.
"""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
from _predicting import _peak_megabytes
from torch import Tensor

from histoscribe.models.base import create_model
from histoscribe.train.optimiser import make_optimiser
from histoscribe.train.settings import TrainSettings
from histoscribe.types import Labels

SEED = 0
TILE_PX, N_GENES = 224, 785


def created(graph: str) -> Any:
    """TCGN at its published size with random weights; `none` leaves its graph out."""
    torch.manual_seed(SEED)
    return create_model("tcgn", n_genes=N_GENES, graph=graph, weights="random")


def tiles(batch: int) -> Tensor:
    """Tiles of random bytes."""
    draws = torch.Generator().manual_seed(SEED)
    shape = (batch, 3, TILE_PX, TILE_PX)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=draws)


def forward(model: Any, image: Tensor, *, bfloat16: bool = False) -> Callable[[], Tensor]:
    """Prediction of a batch."""

    def work() -> Tensor:
        with torch.inference_mode(), _autocast(image, enabled=bfloat16):
            return model.eval()(image).expression

    return work


def training_step(model: Any, image: Tensor, *, bfloat16: bool = False) -> Callable[[], None]:
    """A step as training takes it: loss, gradients and the model's optimiser."""
    labels = Labels(torch.rand(len(image), N_GENES))
    optimiser = make_optimiser(model, TrainSettings())

    def work() -> None:
        model.train()
        optimiser.zero_grad()
        with _autocast(image, enabled=bfloat16):
            output = model(image)
        model.loss(output.float(), labels).backward()
        optimiser.step()

    return work


def _autocast(image: Tensor, *, enabled: bool) -> torch.autocast:
    return torch.autocast(image.device.type, torch.bfloat16, enabled=enabled)


def step_megabytes(batch: int) -> float:
    """Peak memory of a process that takes two steps of training, on one thread."""
    done = subprocess.run(
        [sys.executable, __file__, str(batch)], check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout.split("\n")[-2])


if __name__ == "__main__":
    torch.set_num_threads(1)
    step = training_step(created("image"), tiles(int(sys.argv[1])))
    for _ in range(2):
        step()
    print(_peak_megabytes())

"""One training step of the SpatialTranscriptFormer on a section of a given size.

`python benchmarks/_section_steps.py SPOTS FLOWS CHECKPOINT` is the process of one measurement of
`stformer.py`: peak memory is that of a process, so each figure needs its own.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import torch

from histoscribe.models.base import create_model, model_class
from histoscribe.train.optimiser import make_optimiser
from histoscribe.train.settings import TrainSettings
from histoscribe.types import Labels

SEED = 0
N_FEATURES, N_GENES = 768, 1000
NO_H2H = ("p2p", "p2h", "h2p")
ALL = (*NO_H2H, "h2h")


@dataclass(frozen=True)
class SectionStep:
    """Measurements of one step in a separate process, on one thread."""

    gibibytes: float
    """Peak memory above that of the interpreter with torch and the package loaded."""
    cpu_seconds: float


def measured_step(n_spots: int, flows: tuple[str, ...], *, checkpoint: bool) -> SectionStep:
    """Run one step of training in a separate process."""
    words = [str(n_spots), "+".join(flows), str(int(checkpoint))]
    done = subprocess.run(
        [sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True
    )
    return SectionStep(*(float(word) for word in done.stdout.split("\n")[-2].split()))


def training_step(n_spots: int, flows: tuple[str, ...], *, checkpoint: bool) -> Callable[[], None]:
    """A step as training takes it: loss, gradients and AdamW, on random features."""
    torch.manual_seed(SEED)
    # the default size: 4 layers of width 384 with 8 heads, and 50 pathways
    model = create_model("stformer", N_GENES, N_FEATURES, interactions=list(flows))
    model.train()
    model.checkpointing = checkpoint
    side_um = 100.0 * n_spots**0.5
    inputs = {
        "context_feature": torch.randn(1, n_spots, N_FEATURES),
        "context_um": side_um * (torch.rand(1, n_spots, 2) - 0.5),
        "present": torch.ones(1, n_spots, dtype=torch.bool),
    }
    labels = Labels(torch.rand(1, n_spots, N_GENES), inputs["present"])
    optimiser = make_optimiser(model, TrainSettings())

    def step() -> None:
        optimiser.zero_grad()
        model.loss(model(**inputs), labels).backward()
        optimiser.step()

    return step


def _child(n_spots: str, flows: str, checkpoint: str) -> None:
    torch.set_num_threads(1)
    model_class("stformer")  # imports its module before the idle memory is read
    idle = _megabytes("VmRSS")
    step = training_step(int(n_spots), tuple(flows.split("+")), checkpoint=checkpoint == "1")
    began = process_time()
    step()
    print((_megabytes("VmHWM") - idle) / 1024, process_time() - began)


def _megabytes(name: str) -> float:
    """Memory of this process, 2^20 bytes: now (VmRSS) or at its peak (VmHWM)."""
    status = Path("/proc/self/status").read_text().split("\n")
    (line,) = (line for line in status if line.startswith(name))
    return float(line.split()[1]) / 1024


if __name__ == "__main__":
    _child(*sys.argv[1:])

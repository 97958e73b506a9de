"""One row of the table of `gpu.py`, the sizes of its measurements, and their clock."""

import gc
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from time import perf_counter, process_time

import torch
from _machine import seconds
from torch import Tensor

from histoscribe.precision import Precision, has_bfloat16

SEED = 0
HEADS = {
    "work": "work",
    "precision": "precision",
    "million_weights": "million weights",
    "bare": "bare, images/s",
    "used": "as used, images/s",
    "slides_per_hour": "slides/h",
    "seconds_an_epoch": "s an epoch",
    "card_gib": "GiB, card",
    "host_gib": "GiB, host",
    "apart": "apart",
    "same_again": "same again",
}
"""Field of a row -> its heading."""


@dataclass(frozen=True, kw_only=True)
class GpuSizes:
    """Device and sizes of the measurements."""

    device: torch.device
    encoders: tuple[str, ...]
    networks: tuple[str, ...]
    slide: Path | None = None
    preset: str = "default"
    tile_px: int = 224
    batch: int = 32
    n_genes: int = 250
    n_steps: int = 8
    spots_per_section: int = 400
    side_px: int = 12_000
    spacing_um: float = 50.0
    epochs: int = 3

    @property
    def ways(self) -> tuple[Precision, ...]:
        """Precisions to measure; a prediction on a CPU is in float32."""
        on_card = self.device.type == "cuda" and has_bfloat16(self.device)
        return ("float32", "bfloat16") if on_card else ("float32",)

    @property
    def clock(self) -> Callable[[], float]:
        """Wall time of a card; of a CPU the processor time, so that other work does not count."""
        return perf_counter if self.device.type == "cuda" else process_time


@dataclass(frozen=True, kw_only=True)
class GpuRow:
    """What one encoder or network does; None for what it does not."""

    work: str
    precision: Precision
    million_weights: float
    bare: float
    """Images a second of the net alone, on a batch that lies on the device: features of an encoder,
    steps of training of a network.
    """
    used: float
    """Images a second as used: from a slide to the predictions of all places, or in an epoch."""
    apart: float
    """Largest difference of what the last layer reads (of an encoder: of its features) to a CPU in
    float32, over the largest value.
    """
    slides_per_hour: float | None = None
    """From the H&E to the h5ad, each in a fresh process that has loaded its libraries."""
    seconds_an_epoch: float | None = None
    """With validation; median without the first epoch."""
    card_gib: float | None = None
    """Most that tensors held on the card, as used."""
    host_gib: float | None = None
    """Peak of the process that predicts a slide."""
    same_again: str | None = None
    """Whether a second training from the same seed gives the same weights."""

    def cells(self) -> list[str]:
        """Cells of the table, in the order of `HEADS`."""
        values = asdict(self)
        return [_cell(values[name]) for name in HEADS]


def table_head() -> str:
    """First two lines of the table."""
    if set(HEADS) != {field.name for field in fields(GpuRow)}:
        raise ValueError("each field of a row has a heading")
    return "| " + " | ".join(HEADS.values()) + " |\n|" + len(HEADS) * "---|"


def waited(work: Callable[[], object], device: torch.device) -> Callable[[], None]:
    """The work, which ends when the card is done with it."""

    def done() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return done


def seconds_of(work: Callable[[], object], sizes: GpuSizes) -> float:
    """Median time of this work, after two rounds that warm up."""
    ended = waited(work, sizes.device)
    for _ in range(2):
        ended()
    (taken,) = seconds(ended, repeats=sizes.n_steps, clock=sizes.clock)
    return taken


def forget_peak(device: torch.device) -> None:
    """Begin to look for the most that tensors hold on the card."""
    gc.collect()  # what was measured before may still lie there
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def peak_gib(device: torch.device) -> float | None:
    """Most that tensors held on the card since `forget_peak`; None on a CPU."""
    return torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else None


def tiles(sizes: GpuSizes) -> Tensor:
    """Drawn pixels of a batch."""
    draws = torch.Generator().manual_seed(SEED)
    shape = (sizes.batch, 3, sizes.tile_px, sizes.tile_px)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=draws)


def apart(values: Tensor, on_cpu: Tensor) -> float:
    """Largest difference over the largest value; a value that is no number is an error."""
    if not values.isfinite().all():
        raise RuntimeError("values that are no numbers")
    return float((values.float().cpu() - on_cpu).abs().max() / on_cpu.abs().max())


def _cell(value: float | str | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.3g}" if isinstance(value, float) else value

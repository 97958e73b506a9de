"""Threads that read and encode the tiles of a slide, each a whole batch from end to end.

Batches are the same in every run, and each is read and encoded by one thread. So neither an
interruption nor the number of threads or processes changes a bit. All threads read the slide, so
reading keeps up with many cores and with a GPU.
"""

from collections.abc import Callable, Generator, Iterator, Sequence, Sized
from contextlib import closing
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from torch import Tensor

from histoscribe.data.tiles import tile_reader
from histoscribe.device import choose_device, device_turn
from histoscribe.encoders.encoder import Encoder
from histoscribe.errors import DataContractError, Problem
from histoscribe.precision import ALIKE, Precision, least_cosine, mixed, offered
from histoscribe.predict.plan import SlidePlan
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.threads import in_order
from histoscribe.transfer import pinned

_BATCH = 16  # tiles that one thread encodes at once: more tiles are hardly faster, and cost memory

Rows = Int[np.ndarray, " _"]
Features = Float32[np.ndarray, "_ D"]
Tiles = UInt8[Tensor, "B 3 P P"]
T = TypeVar("T", bound=Sized)


def work_by_chunk(
    predictor: Predictor,
    plan: SlidePlan,
    chunks: Sequence[slice],
    work: Callable[[Rows, Tiles, Features], T],
) -> Generator[tuple[slice, list[T]], None, None]:
    """Read and encode the tiles of these chunks, one after the other, reading ahead.

    The encoder runs on a GPU if torch finds one, which encodes one batch at a time; in the
    precision of `slide_precision`.

    Yields
    ------
    The rows of each chunk, and the results of `work(rows, tiles, features)` for its batches.
    """
    predictor.encoder.to(choose_device("auto"))
    n_tiles = sum(rows.stop - rows.start for rows in chunks)
    encode = _encoding(predictor, plan, work, slide_precision(predictor, plan))
    with (
        closing(track(range(n_tiles), f"tiles of {plan.section.id}")) as ticks,
        closing(in_order(encode, _batches(chunks))) as results,
    ):
        for rows in chunks:
            yield rows, list(_until(rows, results, ticks))


def check_finite(
    plan: SlidePlan, predictor: Predictor, rows: slice, feature: Float32[np.ndarray, "rows D"]
) -> None:
    """Raise a DataContractError that names the places whose features are not finite."""
    bad = rows.start + np.flatnonzero(~np.isfinite(feature).all(axis=1))
    if bad.size:
        raise DataContractError(
            Problem(
                where=f"{plan.section.slide.path}, {bad.size} places: "
                + ", ".join(plan.section.spots.ids[spot] for spot in bad[:5]),
                found=f"features of {predictor.encoding.encoder} that are not finite",
                expected="finite numbers for every tile",
                remedy="check the encoder's weights file",
            )
        )


def _batches(chunks: Sequence[slice]) -> list[Rows]:
    """Rows that a thread reads and encodes in one pass."""
    return [
        np.arange(start, min(start + _BATCH, rows.stop))
        for rows in chunks
        for start in range(rows.start, rows.stop, _BATCH)
    ]


def _encoding(
    predictor: Predictor,
    plan: SlidePlan,
    work: Callable[[Rows, Tiles, Features], T],
    precision: Precision,
) -> Callable[[Rows], T]:
    """Make the function that reads and encodes a batch, and goes on with it."""
    read = tile_reader(plan.section, plan.tiles, plan.slide_look, in_grid_order=True)
    encoder = predictor.encoder
    device = encoder.mean.device
    turn = device_turn(device)

    def encode(rows: Rows) -> T:
        image = read(rows)
        ready = pinned(image, device)
        with turn:
            return work(rows, image, _encode(encoder, ready, precision))

    return encode


def slide_precision(predictor: Predictor, plan: SlidePlan) -> Precision:
    """Precision of the encoder on this slide: that of the training, if a GPU computes in bfloat16.

    It is tried on the first tiles of the slide, so parts of it that are predicted later, or in
    another process, have the same.
    """
    encoder = predictor.encoder
    tried = offered(predictor.encoding.precision, encoder.mean.device)
    if tried == "float32" or not encoder.record.needs_weights:
        return "float32"
    alike = least_cosine(lambda kind: torch.from_numpy(first_batch(predictor, plan, kind)[2]))
    return tried if alike > ALIKE else "float32"


def first_batch(
    predictor: Predictor, plan: SlidePlan, precision: Precision
) -> tuple[Rows, Tiles, Features]:
    """Rows, tiles and features of the first places of a slide."""
    rows = np.arange(min(_BATCH, len(plan.section.spots)))
    image = tile_reader(plan.section, plan.tiles, plan.slide_look)(rows)
    return rows, image, _encode(predictor.encoder, image, precision)


def _encode(encoder: Encoder, image: UInt8[Tensor, "B 3 P P"], precision: Precision) -> Features:
    device = encoder.mean.device
    with torch.inference_mode(), mixed(device, precision):
        return encoder(image.to(device, non_blocking=True)).float().cpu().numpy()


def _until(rows: slice, batches: Iterator[T], ticks: Iterator[int]) -> Iterator[T]:
    """Collect the batches of one chunk; progress counts tiles."""
    done = 0
    while done < rows.stop - rows.start:
        part = next(batches)
        for _ in range(len(part)):
            next(ticks)
        done += len(part)
        yield part

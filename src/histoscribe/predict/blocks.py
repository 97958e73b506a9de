"""Predicting the places of a plan in blocks: what is held does not grow with the slide.

Every block is cut the same way in every run, and every batch of tiles is read and encoded by one
thread from end to end, so that neither an interruption nor the number of threads or processes can
change a bit: work is shared by giving threads whole batches. Slides are read by all threads, so
reading keeps up with many cores and with a GPU.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from threadpoolctl import threadpool_limits
from torch import Tensor

from histoscribe.data.tiles import tile_reader
from histoscribe.errors import DataContractError, Problem
from histoscribe.models.encoder import Encoder
from histoscribe.predict.plan import Plan
from histoscribe.progress import track
from histoscribe.train.device import choose_device
from histoscribe.train.fit import predict_spots
from histoscribe.train.predictor import Predictor

_BATCH = 16  # tiles that one thread encodes at once: more is hardly faster, and costs memory

Rows = Int[np.ndarray, " _"]
Features = Float32[np.ndarray, "_ D"]


@dataclass(frozen=True, eq=False)
class Block:
    """Some rows of a prediction."""

    rows: slice
    values: Float32[np.ndarray, "rows G"]
    distance: Float[np.ndarray, " rows"]
    """To the nearest training features; 1 is far for training tissue, NaN unknown."""


def predicted_blocks(
    predictor: Predictor, plan: Plan, chunks: Sequence[slice]
) -> Generator[Block, None, None]:
    """Predict these chunks of rows, one after the other, reading ahead.

    The encoder runs in float32, on a GPU where torch sees one.

    Raises
    ------
    DataContractError
        A feature is not finite (names the places).
    """
    predictor.encoder.to(choose_device("auto"))
    batches = [
        np.arange(start, min(start + _BATCH, rows.stop))
        for rows in chunks
        for start in range(rows.start, rows.stop, _BATCH)
    ]
    n_tiles = sum(rows.stop - rows.start for rows in chunks)
    with (
        _one_thread_each() as n_threads,
        closing(track(range(n_tiles), f"tiles of {plan.section.id}")) as ticks,
        closing(_in_order(_encoding(predictor, plan), batches, n_threads)) as encoded,
    ):
        for rows in chunks:
            feature = np.concatenate(list(_until(rows, encoded, ticks)))
            _check_finite(plan, predictor, rows, feature)
            yield _block(predictor, rows, feature)


def _block(predictor: Predictor, rows: slice, feature: Float32[np.ndarray, "rows D"]) -> Block:
    values = predict_spots(predictor.model, feature).astype(np.float32)
    return Block(rows, values, predictor.reference.distance(feature))


@contextmanager
def _one_thread_each() -> Iterator[int]:
    """Keep every thread to itself; gives how many there may be."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):  # NumPy's BLAS, below the model
            yield n_threads
    finally:
        torch.set_num_threads(n_threads)


def _encoding(predictor: Predictor, plan: Plan) -> Callable[[Rows], Features]:
    """Make the function that reads and encodes a batch; a GPU is given one batch at a time."""
    read = tile_reader(plan.section, plan.tiles, plan.look)
    encoder = predictor.encoder
    device = encoder.mean.device
    # else the activations of as many batches as there are threads would lie in its memory
    alone: AbstractContextManager[object] = nullcontext() if device.type == "cpu" else Lock()

    def encode(rows: Rows) -> Features:
        image = read(rows).to(device)
        with alone:
            return _encode(encoder, image)

    return encode


def _in_order(
    encode: Callable[[Rows], Features], batches: Sequence[Rows], n_threads: int
) -> Generator[Features, None, None]:
    """Features of each batch in order; as many batches at once as there are threads."""
    waiting: deque[Future[Features]] = deque()
    with ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for batch in batches:
                waiting.append(pool.submit(encode, batch))
                if len(waiting) > 2 * n_threads:  # enough to do while a block is written
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _encode(encoder: Encoder, image: UInt8[Tensor, "B 3 P P"]) -> Features:
    with torch.inference_mode():
        return encoder(image).float().cpu().numpy()


def _until(
    rows: slice,
    encoded: Iterator[Features],
    ticks: Iterator[int],
) -> Iterator[Features]:
    """The batches of one chunk; progress counts tiles."""
    done = 0
    while done < rows.stop - rows.start:
        feature = next(encoded)
        for _ in feature:
            next(ticks)
        done += len(feature)
        yield feature


def _check_finite(
    plan: Plan, predictor: Predictor, rows: slice, feature: Float32[np.ndarray, "rows D"]
) -> None:
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

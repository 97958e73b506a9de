"""Predicting the places of a plan in blocks: what is held does not grow with the slide.

Every block is cut the same way in every run, and every batch of tiles is encoded by one thread
from end to end, so that neither an interruption nor the number of threads or processes can
change a bit: work is shared by giving threads whole batches.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from threadpoolctl import threadpool_limits
from torch import Tensor

from histoscribe.data.tiles import tile_batches
from histoscribe.errors import DataContractError, Problem
from histoscribe.models.encoder import Encoder
from histoscribe.predict.plan import Plan
from histoscribe.progress import track
from histoscribe.train.device import choose_device
from histoscribe.train.fit import predict_spots
from histoscribe.train.predictor import Predictor

_BATCH = 16  # tiles that one thread encodes at once: more is hardly faster, and costs memory


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
    encoder = predictor.encoder.to(choose_device("auto"))
    batches = [
        np.arange(start, min(start + _BATCH, rows.stop))
        for rows in chunks
        for start in range(rows.start, rows.stop, _BATCH)
    ]
    images = tile_batches(plan.section, plan.tiles, batches, plan.look)
    n_tiles = sum(rows.stop - rows.start for rows in chunks)
    with (
        _one_thread_each() as n_threads,
        closing(track(range(n_tiles), f"tiles of {plan.section.id}")) as ticks,
        closing(_encoded(encoder, images, n_threads)) as encoded,
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


def _encoded(
    encoder: Encoder, images: Iterable[UInt8[Tensor, "B 3 P P"]], n_threads: int
) -> Generator[Float32[np.ndarray, "B D"], None, None]:
    """Features of each batch in order; as many batches at once as there are threads."""
    if encoder.mean.device.type != "cpu":
        n_threads = 1  # the device has threads of its own
    waiting: deque[Future[np.ndarray]] = deque()
    with ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for image in images:
                waiting.append(pool.submit(_encode, encoder, image))
                if len(waiting) > n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _encode(encoder: Encoder, image: UInt8[Tensor, "B 3 P P"]) -> Float32[np.ndarray, "B D"]:
    with torch.inference_mode():
        return encoder(image.to(encoder.mean.device)).float().cpu().numpy()


def _until(
    rows: slice,
    encoded: Iterator[Float32[np.ndarray, "B D"]],
    ticks: Iterator[int],
) -> Iterator[Float32[np.ndarray, "B D"]]:
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

"""Predict the positions of a slide in blocks, so that memory does not grow with the slide.

Blocks are the same in every run, and every batch of tiles is read and encoded by one thread from
end to end. So neither an interruption nor the number of threads or processes changes a bit: threads
get whole batches. All threads read the slide, so reading keeps up with many cores and with a GPU.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from threadpoolctl import threadpool_limits
from torch import Tensor

from histoscribe.data.images import HeldTiles
from histoscribe.data.items.spots import SpotQueries, places_um
from histoscribe.data.tiles import tile_reader
from histoscribe.device import choose_device
from histoscribe.encoders.encoder import Encoder
from histoscribe.errors import DataContractError, Problem
from histoscribe.predict.plan import SlidePlan
from histoscribe.predictor.predictor import BAG, Predictor
from histoscribe.progress import track
from histoscribe.types import SpotKeys

_BATCH = 16  # tiles that one thread encodes at once: more tiles are hardly faster, and cost memory

DISTANCE = "distance_to_training"
"""Distance to the nearest training spot, by features; 1 is far for training tissue, NaN unknown."""

Rows = Int[np.ndarray, " _"]
Features = Float32[np.ndarray, "_ D"]
T = TypeVar("T", bound=Sized)


@dataclass(frozen=True, eq=False)
class _Part:
    """Result of a thread for one batch."""

    feature: Features
    values: Float32[np.ndarray, "_ G"]
    evidence: Mapping[str, Float[np.ndarray, "_ _"]]

    def __len__(self) -> int:
        return len(self.feature)


@dataclass(frozen=True, eq=False)
class PredictedBlock:
    """Block of rows of a prediction."""

    rows: slice
    values: Float32[np.ndarray, "rows G"]
    spot_columns: Mapping[str, Float[np.ndarray, "rows _"]]
    """Further columns of each spot, by name: `DISTANCE` and the evidence of the values.

    For a bag model, `bag` is its prediction for the whole slide, equal at each spot.
    """


def spot_column_widths(predictor: Predictor) -> dict[str, int]:
    """Names of a block's further columns, and their number per spot."""
    bag = {BAG: len(predictor.target.genes)} if predictor.fitted.item == "bag" else {}
    return {DISTANCE: 1, **predictor.fitted.evidence, **bag}


def predicted_blocks(
    predictor: Predictor, plan: SlidePlan, chunks: Sequence[slice]
) -> Generator[PredictedBlock, None, None]:
    """Predict these chunks of rows, one after the other, reading ahead.

    The encoder runs in float32, on a GPU if torch finds one. A model whose item is not a spot
    predicts all positions of the slide at once.

    Raises
    ------
    DataContractError
        if a feature is not finite; the message names the positions.
    """
    if predictor.fitted.item != "spot" and chunks:
        yield from _blocks_of_whole(predictor, plan, chunks)
        return
    predictor.encoder.to(choose_device("auto"))
    batches = _batches(chunks)
    n_tiles = sum(rows.stop - rows.start for rows in chunks)
    with (
        _one_thread_each() as n_threads,
        closing(track(range(n_tiles), f"tiles of {plan.section.id}")) as ticks,
        closing(_in_order(_predicting(predictor, plan), batches, n_threads)) as predicted,
    ):
        for rows in chunks:
            parts = list(_until(rows, predicted, ticks))
            feature = np.concatenate([part.feature for part in parts])
            _check_finite(plan, predictor, rows, feature)
            values = np.concatenate([part.values for part in parts])
            spot_columns = {
                DISTANCE: predictor.reference.distance(feature)[:, None],
                **{
                    name: np.concatenate([part.evidence[name] for part in parts])
                    for name in predictor.fitted.evidence
                },
            }
            yield PredictedBlock(rows, values, spot_columns)


def _blocks_of_whole(
    predictor: Predictor, plan: SlidePlan, chunks: Sequence[slice]
) -> Iterator[PredictedBlock]:
    """Encode every position of the slide, predict all of them together, and yield these chunks."""
    device = choose_device("auto")
    predictor.encoder.to(device)
    n_spots, section = len(plan.grid), plan.section
    whole = slice(0, n_spots)
    with (
        _one_thread_each() as n_threads,
        closing(track(range(n_spots), f"tiles of {section.id}")) as ticks,
        closing(_in_order(_encoding(predictor, plan), _batches([whole]), n_threads)) as encoded,
    ):
        feature = np.concatenate(list(_until(whole, encoded, ticks)))
        _check_finite(plan, predictor, whole, feature)
        queries = SpotQueries(
            feature, _keys(plan), predictor.encoder.identity, xy_um=places_um(section)
        )
        predicted = predictor.fitted.predict(queries, torch.device(device))
        bag = predictor.bag_facts(queries)
        distance = predictor.reference.distance(feature)[:, None]
    for rows in chunks:
        values = predicted.values[rows].astype(np.float32)
        repeated = {name: np.tile(of, (len(values), 1)) for name, of in bag.items()}
        yield PredictedBlock(rows, values, {DISTANCE: distance[rows], **repeated})


def _batches(chunks: Sequence[slice]) -> list[Rows]:
    """Rows that a thread reads and encodes in one pass."""
    return [
        np.arange(start, min(start + _BATCH, rows.stop))
        for rows in chunks
        for start in range(rows.start, rows.stop, _BATCH)
    ]


def _keys(plan: SlidePlan) -> SpotKeys:
    section = plan.section
    return SpotKeys.of_section(section.id, section.patient, section.spots.ids)


@contextmanager
def _one_thread_each() -> Iterator[int]:
    """Let every worker use one thread; yields the number of workers."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):  # NumPy's BLAS, below the model
            yield n_threads
    finally:
        torch.set_num_threads(n_threads)


def _predicting(predictor: Predictor, plan: SlidePlan) -> Callable[[Rows], _Part]:
    """Make the function that reads, encodes and predicts a batch; a GPU runs one at a time."""
    keys = _keys(plan)
    read = tile_reader(plan.section, plan.tiles, plan.slide_look)
    encoder = predictor.encoder
    device = encoder.mean.device
    alone = _alone(device)

    def predict(rows: Rows) -> _Part:
        image = read(rows)
        with alone:
            feature = _encode(encoder, image.to(device))
            queries = SpotQueries(
                feature=feature,
                keys=keys.take(rows),
                encoder=encoder.identity,
                image=HeldTiles(image) if predictor.sees_tiles else None,
            )
            predicted = predictor.fitted.predict(queries, device)
        return _Part(feature, predicted.values.astype(np.float32), predicted.evidence)

    return predict


def _encoding(predictor: Predictor, plan: SlidePlan) -> Callable[[Rows], Features]:
    """Make the function that reads and encodes a batch; a GPU runs one at a time."""
    read = tile_reader(plan.section, plan.tiles, plan.slide_look)
    encoder = predictor.encoder
    device = encoder.mean.device
    alone = _alone(device)

    def encode(rows: Rows) -> Features:
        image = read(rows)
        with alone:
            return _encode(encoder, image.to(device))

    return encode


def _alone(device: torch.device) -> AbstractContextManager[object]:
    """Lock of a GPU, for one batch at a time: its memory cannot hold activations of all."""
    return nullcontext() if device.type == "cpu" else Lock()


def _in_order(
    predict: Callable[[Rows], T], batches: Sequence[Rows], n_threads: int
) -> Generator[T, None, None]:
    """Yield each batch in order; the number of parallel batches is that of threads."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for batch in batches:
                waiting.append(pool.submit(predict, batch))
                if len(waiting) > 2 * n_threads:  # enough work while a block is written
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _encode(encoder: Encoder, image: UInt8[Tensor, "B 3 P P"]) -> Features:
    with torch.inference_mode():
        return encoder(image).float().cpu().numpy()


def _until(rows: slice, batches: Iterator[T], ticks: Iterator[int]) -> Iterator[T]:
    """Collect the batches of one chunk; progress counts tiles."""
    done = 0
    while done < rows.stop - rows.start:
        part = next(batches)
        for _ in range(len(part)):
            next(ticks)
        done += len(part)
        yield part


def _check_finite(
    plan: SlidePlan, predictor: Predictor, rows: slice, feature: Float32[np.ndarray, "rows D"]
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

"""Features of a section's tiles, computed or read from the cache."""

import hashlib
import warnings
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from torch import Tensor
from torch.nn import functional

from histoscribe.data.tiles import SlideLook, Tiles, grid_order, tile_batches, tile_reader
from histoscribe.device import device_turn
from histoscribe.encoders.encoder import Encoder
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.feature_store import FeatureOrigin, FeatureStore
from histoscribe.precision import ALIKE, Precision, has_bfloat16, least_cosine, mixed
from histoscribe.progress import track
from histoscribe.threads import fixed_threads, in_order
from histoscribe.transfer import pinned
from histoscribe.types import Section

_READERS = 2  # threads at least: one reads tiles while the other encodes
BATCH = 32
"""Tiles encoded at once: a divisor of the rows of a chunk, so batches are the same in every run."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Features of every spot of a section, with the precision used."""

    values: Float32[np.ndarray, "N D"]
    precision: str
    path: Path
    """The zarr array, in a zip; its rows are in the order of `grid_order`."""


def features(
    section: Section,
    encoder: Encoder,
    tiles: Tiles,
    *,
    precision: Precision = "float32",
    cache: Path,
) -> Float32[np.ndarray, "N D"]:
    """Features of every spot, in the order of the spots; see `embed`."""
    return embed(section, encoder, tiles, precision=precision, cache=cache).values


def embed(
    section: Section,
    encoder: Encoder,
    tiles: Tiles,
    *,
    precision: Precision = "float32",
    cache: Path,
    slide_look: SlideLook | None = None,
) -> Embedding:
    """Compute features missing in the cache, and read the others.

    `bfloat16` is used if the processor supports it and the cosine to float32 stays above 0.999 for
    every tile of the section's first batch; otherwise float32 is used and a warning gives the
    reason. An encoder without weights runs in float32, because bfloat16 gains nothing.
    Interruptions do not change the bits. `slide_look` is that of the slide, if already made.

    Raises
    ------
    DataContractError
        if the image is too coarse for the tiles, a feature is not finite (the message names the
        spots), or the disk is full (finished chunks stay).
    """
    stored = stored_features(
        section, encoder, tiles, precision=precision, cache=cache, slide_look=slide_look
    )
    return Embedding(stored.read(), stored.store.precision, stored.store.path)


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """Features of a section, complete on disk, not loaded into memory."""

    store: FeatureStore
    order: Int[np.ndarray, " N"]
    """Spot of each row of the store."""
    width: int

    def read(self) -> Float32[np.ndarray, "N D"]:
        """Features of every spot, in the order of the spots."""
        values = np.empty((len(self.order), self.width), dtype=np.float32)
        for rows, block in self.store.blocks():
            values[self.order[rows]] = block
        return values


def stored_features(
    section: Section,
    encoder: Encoder,
    tiles: Tiles,
    *,
    precision: Precision,
    cache: Path,
    slide_look: SlideLook | None = None,
) -> StoredFeatures:
    """Compute features missing in the cache; the result reads them when asked. See `embed`."""
    tiles.check(section)
    order = grid_order(section.spots, section.slide.mpp)
    origin = _origin(section, encoder, tiles, precision, order)
    store = FeatureStore.find(cache, origin)
    if store is None:
        used = _settle(section, encoder, tiles, precision, order[:BATCH], slide_look)
        store = FeatureStore.create(cache, origin, (len(order), encoder.width), used)
    elif store.precision != precision and encoder.record.needs_weights:
        _warn(section, encoder, "as decided when this cache was created")
    _fill(store, section, encoder, tiles, order, slide_look)
    store.finish()
    return StoredFeatures(store, order, encoder.width)


def in_cache(
    section: Section, encoder: Encoder, tiles: Tiles, *, precision: Precision, cache: Path
) -> bool:
    """Whether all features of a section are in the cache."""
    order = grid_order(section.spots, section.slide.mpp)
    store = FeatureStore.find(cache, _origin(section, encoder, tiles, precision, order))
    return store is not None and store.is_complete


def encode_batch(
    encoder: Encoder, image: UInt8[Tensor, "B 3 P P"], precision: str
) -> Float32[np.ndarray, "B D"]:
    """Features of at most `BATCH` tiles in memory, the same bits as those of `embed`.

    The bits are the same if the tiles are `BATCH` that follow one another in `grid_order`, or its
    last ones, and `precision` is that of the `Embedding`.
    """
    device, n_tiles = encoder.mean.device, len(image)
    if encoder.record.needs_weights and n_tiles < BATCH:
        # of one size: the last bits of a net hang on how many tiles share its pass
        image = functional.pad(image, (0, 0, 0, 0, 0, 0, 0, BATCH - n_tiles))
    with torch.inference_mode(), mixed(device, precision):
        return encoder(image.to(device, non_blocking=True))[:n_tiles].float().cpu().numpy()


def _fill(
    store: FeatureStore,
    section: Section,
    encoder: Encoder,
    tiles: Tiles,
    order: Int[np.ndarray, " N"],
    slide_look: SlideLook | None,
) -> None:
    """Compute the unfinished chunks, in batches that never cross a chunk."""
    if not (missing := store.missing):
        return
    batches = [
        order[start : min(start + BATCH, rows.stop)]
        for rows in missing
        for start in range(rows.start, rows.stop, BATCH)
    ]
    read = tile_reader(section, tiles, slide_look, in_grid_order=True)
    turn = device_turn(encoder.mean.device)

    def encoded(rows: Int[np.ndarray, " rows"]) -> Float32[np.ndarray, "rows D"]:
        image = pinned(read(rows), encoder.mean.device)
        with turn:
            return encode_batch(encoder, image, store.precision)

    with closing(in_order(encoded, batches, at_least=_READERS)) as results:
        parts = iter(track(results, f"features {section.id}", len(batches)))
        for rows in missing:
            n_batches = -(-(rows.stop - rows.start) // BATCH)
            values = np.concatenate([next(parts) for _ in range(n_batches)])
            _check_finite(section, encoder, order[rows], values)
            store.write(rows, values)


def _settle(
    section: Section,
    encoder: Encoder,
    tiles: Tiles,
    precision: Precision,
    first: Int[np.ndarray, " rows"],
    slide_look: SlideLook | None,
) -> Precision:
    """Precision of a section, from its first batch; warns if it differs from the setting."""
    if precision == "float32" or not encoder.record.needs_weights:
        return "float32"
    if not has_bfloat16(encoder.mean.device):
        _warn(section, encoder, "this processor has no bfloat16 arithmetic")
        return "float32"
    (image,) = tile_batches(section, tiles, [first], slide_look)
    with fixed_threads():
        alike = least_cosine(lambda kind: torch.from_numpy(encode_batch(encoder, image, kind)))
    if not alike > ALIKE:
        _warn(section, encoder, f"the cosine to float32 is {alike:.5f} on its first tiles")
        return "float32"
    return precision


def _warn(section: Section, encoder: Encoder, why: str) -> None:
    warnings.warn(
        f"section {section.id}: {encoder.record.name} runs in float32, not in bfloat16: {why}",
        stacklevel=4,
    )


def _check_finite(
    section: Section,
    encoder: Encoder,
    spots: Int[np.ndarray, " rows"],
    values: Float32[np.ndarray, "rows D"],
) -> None:
    bad = spots[~np.isfinite(values).all(axis=1)]
    if bad.size:
        names = ", ".join(section.spots.ids[spot] for spot in sorted(bad)[:5])
        raise DataContractError(
            Problem(
                where=f"section {section.id}, {bad.size} spots: {names}",
                found=f"features of {encoder.record.name} that are not finite",
                expected="finite numbers for every tile",
                remedy="check the weights file, or run in float32",
            )
        )


def _origin(
    section: Section,
    encoder: Encoder,
    tiles: Tiles,
    precision: Precision,
    order: Int[np.ndarray, " N"],
) -> FeatureOrigin:
    spots = hashlib.sha256(np.ascontiguousarray(section.spots.xy).tobytes())
    spots.update(order.astype(np.int64).tobytes())
    return FeatureOrigin(
        slide=f"{section.slide.pixel_hash()} at {section.slide.mpp!r} um/px",
        spots=spots.hexdigest(),
        encoder=encoder.identity,
        tiles=tiles.identity,
        precision=precision,
        device=encoder.mean.device.type,
    )

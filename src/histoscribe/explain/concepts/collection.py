"""Everything that the question reads from the sections: measures, layers, slopes and genes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from histoscribe.data.images import SlideTiles
from histoscribe.data.tile_measures.measures import tile_measures
from histoscribe.data.tiles import SlideLook, Tiles
from histoscribe.device import choose_device
from histoscribe.explain.concepts.depth import SCALE, ReadLayer
from histoscribe.explain.concepts.readings import read_layers
from histoscribe.explain.concepts.tiles import ConceptTiles, joined, tile_rows
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.request import trained_on
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.seed import stream
from histoscribe.types import Section, SpotKeys

COARSER = (1.25, 1.6, 2.0, 2.5)
"""um/px of the tiles that show scale, relative to those of the predictor: all are averaged, so
that none is sharper than the others only for not being resampled."""
_SEED = 0  # of the um/px that a tile is read at
_AT_ONCE = 16


@final
@dataclass(frozen=True, kw_only=True)
class Wishes:
    """Measures, layers, genes and number of tiles to read."""

    measures: tuple[str, ...]
    layers: tuple[str, ...]
    genes: tuple[int, ...]
    """Places in the panel."""
    n_tiles: int
    """Of each section."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class SectionData:
    """Tiles of one section or of several, with what the predictor makes of them."""

    tiles: ConceptTiles
    layers: tuple[ReadLayer, ...]
    scale: ConceptTiles
    """The same places at other um/px; the concept is the logarithm of um/px."""
    scale_layers: tuple[ReadLayer, ...]
    feature: Float[np.ndarray, "N D"]
    """What the encoder gives now."""
    predicted: Float[np.ndarray, "N K"]
    measured: Float[np.ndarray, "N G"]
    """On the scale of the target; NaN where not measured."""
    new: Bool[np.ndarray, " N"]
    """Whether the patient was not in training."""


def collect(predictor: Predictor, sections: Sequence[Section], wishes: Wishes) -> SectionData:
    """Read the tiles of every section."""
    n_tiles = sum(len(tile_rows(section, wishes.n_tiles)) for section in sections)
    seconds = _seconds_of_a_tile(predictor, sections[0], wishes) * n_tiles
    tell_estimate(f"measures and {len(wishes.layers)} layers of {n_tiles:,} tiles", seconds)
    parts = [
        _of_section(predictor, section, wishes, predictor.encoding.tiles.slide_look(section.slide))
        for section in track(sections, "sections")
    ]
    return SectionData(
        tiles=joined([part.tiles for part in parts]),
        layers=_joined_layers([part.layers for part in parts]),
        scale=joined([part.scale for part in parts]),
        scale_layers=_joined_layers([part.scale_layers for part in parts]),
        feature=np.concatenate([part.feature for part in parts]),
        predicted=np.concatenate([part.predicted for part in parts]),
        measured=np.concatenate([part.measured for part in parts]),
        new=np.concatenate([part.new for part in parts]),
    )


def _seconds_of_a_tile(predictor: Predictor, section: Section, wishes: Wishes) -> float:
    """Time of one tile, after one that pays for everything that is done once."""
    slide_look = predictor.encoding.tiles.slide_look(section.slide)
    one = replace(wishes, n_tiles=1)
    _of_section(predictor, section, one, slide_look)
    start = perf_counter()
    _of_section(predictor, section, one, slide_look)
    return perf_counter() - start


def _of_section(
    predictor: Predictor, section: Section, wishes: Wishes, slide_look: SlideLook
) -> SectionData:
    rows = tile_rows(section, wishes.n_tiles)
    tiles = predictor.encoding.tiles
    image = SlideTiles(section, tiles, slide_look).read(rows)
    pixels = image.permute(0, 2, 3, 1).numpy()
    values = tile_measures(pixels, tiles.mpp, wishes.measures).values
    reading = read_layers(predictor, image, wishes.layers, wishes.genes)
    coarser, images = _at_scales(section, tiles, rows, slide_look)
    at_scale = read_layers(predictor, images, wishes.layers, ())
    # an unknown patient counts as another one
    patient = section.patient or f"unknown ({section.id})"
    keys = SpotKeys.of_section(section.id, patient, [section.spots.ids[row] for row in rows])
    um = section.spots.xy[rows] * section.slide.mpp
    return SectionData(
        tiles=ConceptTiles(keys, um, wishes.measures, values),
        layers=reading.layers,
        scale=ConceptTiles(keys, um, (SCALE,), np.log2(coarser * tiles.mpp)[:, None]),
        scale_layers=at_scale.layers,
        feature=_feature(predictor, image),
        predicted=reading.predicted,
        measured=_measured(predictor, section, rows),
        new=np.full(len(rows), trained_on(predictor, section) is None),
    )


def _at_scales(
    section: Section, tiles: Tiles, rows: Int[np.ndarray, " n"], slide_look: SlideLook
) -> tuple[Float[np.ndarray, " n"], UInt8[Tensor, "n 3 P P"]]:
    """Read each place at one um/px, drawn at random."""
    draws = stream(_SEED, f"explain-concepts-scale-{section.id}")
    coarser = draws.choice(np.array(COARSER), size=len(rows))
    image = torch.empty((len(rows), 3, tiles.side_px, tiles.side_px), dtype=torch.uint8)
    for factor in np.unique(coarser):
        at = np.flatnonzero(coarser == factor)
        coarse = replace(tiles, mpp=tiles.mpp * float(factor))
        image[torch.from_numpy(at)] = SlideTiles(section, coarse, slide_look).read(rows[at])
    return coarser, image


def _feature(predictor: Predictor, image: UInt8[Tensor, "n 3 P P"]) -> Float[np.ndarray, "n D"]:
    device = torch.device(choose_device(predictor.device))
    encoder = predictor.encoder.to(device)
    with torch.no_grad():
        parts = [encoder(part.to(device)).cpu() for part in image.split(_AT_ONCE)]
    return torch.cat(parts).numpy().astype(np.float64)


def _measured(
    predictor: Predictor, section: Section, rows: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "n G"]:
    if section.counts is None:
        return np.full((len(rows), len(predictor.target.genes)), np.nan)
    return predictor.target.apply(section, rows).astype(np.float64)


def _joined_layers(parts: Sequence[tuple[ReadLayer, ...]]) -> tuple[ReadLayer, ...]:
    return tuple(
        ReadLayer(
            of_layer[0].name,
            np.concatenate([part.pooled for part in of_layer]),
            np.concatenate([part.slope for part in of_layer]),
        )
        for of_layer in zip(*parts, strict=True)
    )

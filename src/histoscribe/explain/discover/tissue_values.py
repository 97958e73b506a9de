"""Genes, concepts and what could explain their relation, on some spots of each section."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
from jaxtyping import Float, Int

from histoscribe.data.images import SlideTiles
from histoscribe.data.tile_measures.measures import tile_measures
from histoscribe.data.tile_measures.stained_tile import StainedTile
from histoscribe.explain.estimate import tell_estimate
from histoscribe.io.sections.labels import read_labels
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.seed import stream
from histoscribe.types import Section

REGION = "region "
"""Stands before the name of a label: a region is a concept, too."""
CONTROLS = ("stain", "depth", "place")
"""What may explain a relation of gene and concept."""
_SEED = 0  # of the spots; nobody needs another one
_STRENGTH = 99  # percentile of a stain's density that counts as its strength


@final
@dataclass(frozen=True, eq=False)
class TissueValues:
    """Some spots of one section."""

    section: str
    patient: str
    um: Float[np.ndarray, "n 2"]
    """Place in the section, um."""
    measured: Float[np.ndarray, "n G"]
    """In the unit of the predictor; NaN for a gene that the section lacks."""
    predicted: Float[np.ndarray, "n G"]
    concepts: tuple[str, ...]
    concept: Float[np.ndarray, "n C"]
    """NaN where a measure is undefined, or a spot has no label."""
    controls: Mapping[str, Float[np.ndarray, "n _"]]
    """Columns of each of `CONTROLS`."""

    def same_concepts(self, concepts: Sequence[str]) -> Float[np.ndarray, "n C"]:
        """Values of these concepts; NaN for one that the section lacks."""
        place = {name: column for column, name in enumerate(self.concepts)}
        values = np.full((len(self.um), len(concepts)), np.nan)
        for column, name in enumerate(concepts):
            if name in place:
                values[:, column] = self.concept[:, place[name]]
        return values


@dataclass(frozen=True, kw_only=True)
class TissueReading:
    """Genes, measures and labels to read in each section."""

    genes: tuple[int, ...]
    """Columns of the panel."""
    measures: tuple[str, ...]
    labels: Mapping[str, Path]
    n_tiles: int


def tissue_values(
    predictor: Predictor, sections: Sequence[Section], reading: TissueReading, cache: Path
) -> list[TissueValues]:
    """Predict, measure and control some spots of every section."""
    start, values = perf_counter(), []
    with closing(track(sections, "sections")) as tracked:
        for section in tracked:
            values.append(_of_section(predictor, section, reading, cache))
            if len(values) == 1:
                seconds = (perf_counter() - start) * len(sections)
                tell_estimate(f"measures of tiles in {len(sections)} sections", seconds)
    return values


def labels_hashes(reading: TissueReading) -> tuple[str, ...]:
    """Section and content of each table of labels: other labels are another question."""
    return tuple(
        f"{id_} sha256:{sha256(path.read_bytes()).hexdigest()}"
        for id_, path in sorted(reading.labels.items())
    )


def _of_section(
    predictor: Predictor, section: Section, reading: TissueReading, cache: Path
) -> TissueValues:
    rows, genes = _rows(section, reading.n_tiles), list(reading.genes)
    measures, stain = _measures(predictor, section, rows, reading.measures)
    regions = _regions(section, reading.labels.get(section.id))
    um = section.spots.xy[rows] * section.slide.mpp
    counts = section.counts
    if counts is None:
        raise ValueError(f"section {section.id} has no counts")
    depth = np.log1p(np.asarray(counts.matrix.sum(axis=1), dtype=np.float64).reshape(-1)[rows])
    queries = predictor.queries(section, cache)
    return TissueValues(
        section=section.id,
        patient=section.patient or f"unknown ({section.id})",
        um=um,
        measured=predictor.target.apply(section, rows)[:, genes].astype(np.float64),
        predicted=predictor.from_queries(section, queries).values[rows][:, genes],
        concepts=(*reading.measures, *(f"{REGION}{name}" for name in regions)),
        concept=np.column_stack([measures, *(value[rows] for value in regions.values())]),
        controls={"stain": stain, "depth": depth[:, None], "place": _trend(um)},
    )


def _rows(section: Section, n_tiles: int) -> Int[np.ndarray, " n"]:
    order = stream(_SEED, f"explain-discover-{section.id}").permutation(len(section.spots))
    return np.sort(order[:n_tiles])


def _measures(
    predictor: Predictor, section: Section, rows: Int[np.ndarray, " n"], names: Sequence[str]
) -> tuple[Float[np.ndarray, "n M"], Float[np.ndarray, "n 2"]]:
    """Measures of the tiles, and the strength of both stains.

    The strength is a high percentile of the density (Macenko et al. 2009,
    doi:10.1109/ISBI.2009.5193250): the mean rises with the number of nuclei, which is biology.
    """
    tiles = predictor.encoding.tiles
    image = SlideTiles(section, tiles).read(rows)
    pixels = image.permute(0, 2, 3, 1).numpy()
    stain = np.full((len(rows), 2), np.nan)
    for row, one in enumerate(pixels):
        tile = StainedTile(one, tiles.mpp)
        if tile.has_tissue:
            stain[row] = np.percentile(tile.stain[tile.tissue], _STRENGTH, axis=0)
    return tile_measures(pixels, tiles.mpp, names).values, stain


def _regions(section: Section, table: Path | None) -> dict[str, Float[np.ndarray, " N"]]:
    """One for the spots of a label, zero for others; NaN for spots without a label."""
    if table is None:
        return {}
    label = read_labels(table, section.spots)
    names = sorted({name for name in label if name is not None})
    return {
        name: np.array([np.nan if one is None else float(one == name) for one in label])
        for name in names
    }


def _trend(um: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 5"]:
    """Plane and saddle over the section: what lies at one side of it."""
    x, y = ((um - um.mean(axis=0)) / max(float(um.std()), 1e-9)).T
    return np.column_stack([x, y, x * x, x * y, y * y])

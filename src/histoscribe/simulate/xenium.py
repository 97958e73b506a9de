"""A simulated section as the Xenium instrument writes it, and the aligned picture of its H&E stain.

The instrument sees the section turned: its x axis runs down the picture, its y axis from right to
left. The alignment matrix takes px of the picture to px of the instrument's own image, as Xenium
Explorer exports it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from histoscribe.io.atomic import write_json, write_text
from histoscribe.seed import stream
from histoscribe.simulate.molecules import (
    BIN_UM,
    BinArray,
    Molecules,
    nearest_in_square,
    place_molecules,
)
from histoscribe.simulate.section import MeasuredSection
from histoscribe.simulate.stain import MPP
from histoscribe.simulate.tenx_files import (
    GENES,
    Features,
    write_matrix,
    write_ome_tiff,
    write_parquet,
)

_PIXEL_UM = 0.2125
"""um/px of the images of the instrument."""
_CONTROLS = (
    *((f"NegControlProbe_{number:05d}", "Negative Control Probe") for number in range(4)),
    *((f"NegControlCodeword_{number:04d}", "Negative Control Codeword") for number in range(4)),
    *((f"UnassignedCodeword_{number:04d}", "Unassigned Codeword") for number in range(4)),
)
_CONTROL_SHARE, _DOUBTFUL_SHARE = 0.002, 0.1
"""Calls of controls, and calls below the limit of quality, per molecule."""
_LEAST_QV = 20.0
_CYTOPLASM = 2.5
"""Area of a cell in areas of its nucleus."""
_UNASSIGNED = "UNASSIGNED"
_ROWS_PER_GROUP = 1 << 18


@dataclass(frozen=True, eq=False)
class _Cells:
    """Cells that the instrument finds: one around each nucleus on the array."""

    ids: tuple[str, ...]
    xy_um: Float[np.ndarray, "C 2"]
    """Centres along the axes of the instrument."""
    nucleus_um2: Float[np.ndarray, " C"]


@dataclass(frozen=True, eq=False)
class _Calls:
    """Decoded transcripts, one each."""

    feature: Int[np.ndarray, " T"]
    xy_um: Float[np.ndarray, "T 2"]
    """Along the axes of the instrument."""
    qv: Float[np.ndarray, " T"]
    cell: Int[np.ndarray, " T"]
    """Nearest cell in the square of the call; -1 where it has none."""


def write_xenium(out: Path, section: MeasuredSection) -> None:
    """Write the picture with its alignment, and the cells and transcripts in a folder."""
    folder, array = out / section.name, BinArray.over(section.drawn.tissue)
    write_ome_tiff(out / f"{section.name}_he_image.ome.tif", section.drawn.image)
    _write_alignment(out / f"{section.name}_he_imagealignment.csv", array)
    rng = stream(section.seed, f"xenium-{section.name}")
    cells = _cells(section, array)
    features = _features(section)
    calls = _calls(place_molecules(section, array), len(section.genes.ids), cells, rng)
    sure = (calls.qv >= _LEAST_QV) & (calls.cell >= 0)
    ones = np.ones(int(sure.sum()), dtype=np.int32)
    places = (calls.cell[sure], calls.feature[sure])
    counts = sp.csr_matrix((ones, places), shape=(len(cells.ids), len(features.ids)))
    write_matrix(folder / "cell_feature_matrix.h5", counts, cells.ids, features)
    _write_cells(folder / "cells.parquet", cells, counts, features)
    _write_transcripts(folder / "transcripts.parquet", calls, cells, features, rng)
    write_json(folder / "experiment.xenium", _experiment(section, cells, counts))


def _features(section: MeasuredSection) -> Features:
    """Genes of the panel, then controls."""
    genes, (names, kinds) = section.genes, zip(*_CONTROLS, strict=True)
    of_genes = (GENES,) * len(genes.ids)
    return Features((*genes.ids, *names), (*genes.names, *names), (*of_genes, *kinds))


def _turned(axes_um: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
    """Positions along the axes of the instrument from those along columns and rows of the array."""
    return axes_um[:, ::-1]


def _write_alignment(path: Path, array: BinArray) -> None:
    """Write the matrix from px of the picture to px of the instrument."""
    scale = MPP / _PIXEL_UM
    rows = (
        (0.0, scale, -array.top_um / _PIXEL_UM),
        (-scale, 0.0, array.right_um / _PIXEL_UM),
        (0.0, 0.0, 1.0),
    )
    write_text(path, "".join(",".join(map(repr, row)) + "\n" for row in rows))


def _cells(section: MeasuredSection, array: BinArray) -> _Cells:
    nuclei = section.drawn.nuclei
    axes_um = array.axes_um(nuclei.xy_um)
    size_um = np.array(array.in_tissue.shape[::-1]) * BIN_UM
    on_array = ((axes_um > 0.0) & (axes_um < size_um)).all(axis=1)
    area = np.pi * nuclei.semi_um[on_array].prod(axis=1)
    ids = tuple(_cell_id(number) for number in range(len(area)))
    return _Cells(ids, _turned(axes_um[on_array]), area)


def _cell_id(number: int) -> str:
    """Name of a cell: its number to base 16 in eight letters, `a` for 0 to `p` for 15."""
    return "".join(chr(ord("a") + int(digit, 16)) for digit in f"{number:08x}") + "-1"


def _calls(molecules: Molecules, n_genes: int, cells: _Cells, rng: np.random.Generator) -> _Calls:
    """Call every molecule, a few controls, and doubtful ones that no count may hold."""
    n = len(molecules.gene)
    n_controls, n_doubtful = int(_CONTROL_SHARE * n), int(_DOUBTFUL_SHARE * n)
    extra = rng.integers(0, n, n_controls + n_doubtful)  # near molecules, which are in tissue
    source = np.concatenate([np.arange(n), extra])
    # well inside a bin, so that a number of 32 bits stays in its square
    within = rng.uniform(0.1, 0.9, (len(source), 2))
    axes = np.stack([molecules.column[source], molecules.row[source]], axis=1)
    xy_um = _turned((axes + within) * BIN_UM)
    controls = n_genes + rng.integers(0, len(_CONTROLS), n_controls)
    doubtful = molecules.gene[rng.permutation(n)[:n_doubtful]]
    sure = rng.uniform(_LEAST_QV, 40.0, n + n_controls)
    calls = _Calls(
        feature=np.concatenate([molecules.gene, controls, doubtful]),
        xy_um=xy_um,
        qv=np.concatenate([sure, rng.uniform(0.0, _LEAST_QV - 0.1, n_doubtful)]),
        cell=nearest_in_square(xy_um, cells.xy_um),
    )
    order = rng.permutation(len(source))
    return _Calls(*(values[order] for values in vars(calls).values()))


def _write_cells(path: Path, cells: _Cells, counts: sp.csr_matrix, features: Features) -> None:
    kinds = np.array(features.kinds)

    def total(kind: str) -> Int[np.ndarray, " C"]:
        return np.asarray(counts[:, kinds == kind].sum(axis=1)).ravel().astype(np.int64)

    of_kind = {
        "transcript_counts": total(GENES),
        "control_probe_counts": total("Negative Control Probe"),
        "control_codeword_counts": total("Negative Control Codeword"),
        "unassigned_codeword_counts": total("Unassigned Codeword"),
    }
    n = len(cells.ids)
    columns: dict[str, np.ndarray | list[str]] = {
        "cell_id": list(cells.ids),
        "x_centroid": cells.xy_um[:, 0],
        "y_centroid": cells.xy_um[:, 1],
        **of_kind,
        "total_counts": np.sum(list(of_kind.values()), axis=0),
        "cell_area": _CYTOPLASM * cells.nucleus_um2,
        "nucleus_area": cells.nucleus_um2,
        "nucleus_count": np.ones(n, dtype=np.int64),
        "segmentation_method": ["Segmented by nucleus expansion of 5.0\N{MICRO SIGN}m"] * n,
    }
    write_parquet(path, columns, _ROWS_PER_GROUP)


def _write_transcripts(
    path: Path, calls: _Calls, cells: _Cells, features: Features, rng: np.random.Generator
) -> None:
    n, names = len(calls.feature), np.array(features.names)
    kinds, ids = np.array(features.kinds), np.array([*cells.ids, _UNASSIGNED])  # -1 is the last
    centre = cells.xy_um[calls.cell]
    radius = np.sqrt(cells.nucleus_um2[calls.cell] / np.pi)
    gap = np.maximum(np.hypot(*(calls.xy_um - centre).T) - radius, 0.0)
    category = np.where(kinds == GENES, "predesigned_gene", [_category(kind) for kind in kinds])
    columns = {
        "transcript_id": np.arange(n, dtype=np.uint64) + (1 << 48),
        "cell_id": ids[calls.cell],
        "overlaps_nucleus": ((gap == 0.0) & (calls.cell >= 0)).astype(np.uint8),
        "feature_name": names[calls.feature],
        "x_location": calls.xy_um[:, 0].astype(np.float32),
        "y_location": calls.xy_um[:, 1].astype(np.float32),
        "z_location": rng.uniform(12.0, 18.0, n).astype(np.float32),
        "qv": calls.qv.astype(np.float32),
        "fov_name": np.full(n, "A1"),
        "nucleus_distance": gap.astype(np.float32),
        "codeword_index": calls.feature.astype(np.int32),
        "codeword_category": category[calls.feature],
        "is_gene": (kinds == GENES)[calls.feature],
    }
    write_parquet(path, columns, _ROWS_PER_GROUP)


def _category(kind: str) -> str:
    return kind.lower().replace(" ", "_")


def _experiment(
    section: MeasuredSection, cells: _Cells, counts: sp.csr_matrix
) -> dict[str, str | int | float]:
    return {
        "major_version": 5,
        "minor_version": 1,
        "run_name": "simulated",
        "region_name": section.name,
        "preservation_method": "ffpe",
        "num_cells": len(cells.ids),
        "transcripts_per_cell": float(np.median(np.asarray(counts.sum(axis=1)))),
        "panel_name": "simulated",
        "panel_num_targets_predesigned": len(section.genes.ids),
        "panel_num_targets_custom": 0,
        "pixel_size": _PIXEL_UM,
        "analysis_sw_version": "xenium-3.1.0.4",
    }

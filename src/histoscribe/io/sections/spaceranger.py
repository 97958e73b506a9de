"""Visium sections as Space Ranger 1 to 4 writes them."""

import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.library import refuse_shared_places
from histoscribe.io.sections.platform import (
    SpotEvidence,
    platform_of,
    refuse_visium_hd,
    visium_hd,
)
from histoscribe.io.sections.scale_factors import ScaleFactors, scale_factors_of
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.sections.table import broken, read_bytes
from histoscribe.io.sections.tenx import read_matrix
from histoscribe.io.slides.slide import image_mpp, open_slide

_POSITIONS = ("tissue_positions.parquet", "tissue_positions.csv", "tissue_positions_list.csv")
_COLUMNS = (
    "barcode",
    "in_tissue",
    "array_row",
    "array_col",
    "pxl_row_in_fullres",
    "pxl_col_in_fullres",
)
_COUNTS = (
    "filtered_feature_bc_matrix.h5",
    "filtered_feature_bc_matrix",
    "raw_feature_bc_matrix.h5",
    "raw_feature_bc_matrix",
)
"""Filtered first; with the raw matrix the filter `in_tissue` gives the same section."""


def read_spaceranger(source: Source) -> Reading:
    """Read a run folder or its `outs`: counts, positions, and the best available image.

    The image is the user's full-resolution one, else the hires, else the lowres PNG; positions are
    in px of the image used, and a note names it and its um/px.
    """
    if source.path is None:
        raise ValueError("a section of kind spaceranger needs a path")
    root = _root(source.path)
    positions = _read_positions(source.spots or _positions_file(root))
    matrix = source.counts or _counts_file(root)
    counts, barcodes, notes = read_matrix(matrix, source.facts.get("genome"))
    _check_barcodes(root, positions, barcodes)
    factors = _scale_factors(root / "spatial")
    refuse_visium_hd(str(root), positions.barcodes, factors)
    image = _choose_image(source, root, factors)
    xy = positions.xy * image.scale
    diameter_px = factors.spot_diameter_px
    platform = platform_of(
        SpotEvidence(
            where=f"{root}, spot positions",
            xy=xy,
            array=positions.array,
            diameter_px=diameter_px and diameter_px * image.scale,
            factors=factors,
        )
    )
    mpp, origin = platform.resolution(source, image_mpp(image.path, source.image_number))
    spots, assumed = platform.spots(positions.barcodes, xy, mpp)
    return Reading(
        slide=open_slide(image.path, mpp, source.white, source.image_number),
        spots=spots,
        in_tissue=positions.in_tissue,
        counts=counts,
        count_ids=barcodes,
        notes=(f"image: {image.what}", origin, *assumed, *notes),
    )


SPACERANGER = Reader("spaceranger", "Visium as Space Ranger writes it", ("path",), read_spaceranger)


@dataclass(frozen=True, eq=False)
class _Positions:
    barcodes: tuple[str, ...]
    in_tissue: Bool[np.ndarray, " N"]
    xy: Float[np.ndarray, "N 2"]
    """Px of the full-resolution image."""
    array: Float[np.ndarray, "N 2"]
    """Row and column."""


@dataclass(frozen=True)
class _Image:
    path: Path
    scale: float
    """Px of this image per full-resolution px."""
    what: str


def _root(path: Path) -> Path:
    """Folder that holds `spatial`; a Visium HD folder is refused with its name."""
    hd = ("binned_outputs", "square_002um", "square_008um", "square_016um")
    if path.name.startswith("square_") or any(
        (folder / name).exists() for folder in (path, path / "outs") for name in hd
    ):
        raise DataContractError(visium_hd(str(path), "a folder of bins"))
    for folder in (path, path / "outs"):
        if (folder / "spatial").is_dir():
            return folder
    raise DataContractError(
        Problem(
            where=str(path),
            found="no folder `spatial`",
            expected="a Space Ranger folder",
            remedy="give its `outs` folder; other layouts are read from AnnData (kind h5ad), with "
            'raw counts and spot centres in obsm["spatial"]',
        )
    )


def _positions_file(root: Path) -> Path:
    for name in _POSITIONS:
        if found := _only(root / "spatial", name):
            return found
    raise DataContractError(
        Problem(
            where=str(root / "spatial"),
            found="no spot positions",
            expected=" or ".join(_POSITIONS),
            remedy="copy the whole `spatial` folder",
        )
    )


def _counts_file(root: Path) -> Path:
    for name in _COUNTS:
        if found := _only(root, name):
            return found
    raise DataContractError(
        Problem(
            where=str(root),
            found="no count matrix",
            expected=" or ".join(_COUNTS),
            remedy="copy it here, or name it in the column `counts` of the manifest",
        )
    )


def _only(folder: Path, name: str) -> Path | None:
    """File of this name, else the one file with this ending: archives prefix the sample."""
    if (folder / name).exists():
        return folder / name
    found = sorted(folder.glob(f"*{name}"))
    if len(found) > 1:
        raise DataContractError(
            Problem(
                where=str(folder),
                found=f"several: {', '.join(path.name for path in found)}",
                expected=f"one file {name}",
                remedy="one section per folder, or name the file in the manifest",
            )
        )
    return found[0] if found else None


def _read_positions(path: Path) -> _Positions:
    raw = read_bytes(path)
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(BytesIO(raw))
        else:
            # Space Ranger 2 gave the file a header and another name; copies mix the two, so the
            # content decides: the second field of a header is not a number
            has_header = not raw.split(b",", 2)[1].strip().isdigit()
            names = None if has_header else list(_COLUMNS)
            table = pd.read_csv(BytesIO(raw), header=0 if has_header else None, names=names)
    except (pd.errors.ParserError, IndexError, ValueError, OSError) as error:
        raise broken(path, f"not a table of positions ({error})", ", ".join(_COLUMNS)) from error
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise broken(path, f"no column {', '.join(missing)}", ", ".join(_COLUMNS))
    # row before column: y comes first in the file
    places = table[["pxl_col_in_fullres", "pxl_row_in_fullres", "array_row", "array_col"]]
    numbers = places.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    barcodes = tuple(table["barcode"].astype(str))
    if not np.isfinite(numbers).all() or len(set(barcodes)) != len(barcodes) or len(numbers) < 2:
        raise broken(path, "gaps, repeated barcodes or fewer than two spots", "one line a barcode")
    xy, array = np.ascontiguousarray(numbers[:, :2]), np.ascontiguousarray(numbers[:, 2:])
    refuse_shared_places(str(path), array)
    return _Positions(barcodes, table["in_tissue"].to_numpy() == 1, xy, array)


def _check_barcodes(root: Path, positions: _Positions, barcodes: tuple[str, ...]) -> None:
    unplaced = sorted(set(barcodes) - set(positions.barcodes))
    if unplaced:
        raise DataContractError(
            Problem(
                where=str(root),
                found=f"{len(unplaced)} of {len(barcodes)} barcodes have counts and no position, "
                f"e.g. {unplaced[0]}; positions are named like {positions.barcodes[0]}",
                expected="a position for every barcode of the count matrix",
                remedy="give counts and positions of the same run",
            )
        )


def _choose_image(source: Source, root: Path, factors: ScaleFactors) -> _Image:
    spatial = root / "spatial"
    given = source.image
    for name, scale in (("hires", factors.hires), ("lowres", factors.lowres)):
        png = _only(spatial, f"tissue_{name}_image.png")
        if png is not None and (given is None or given.resolve() == png.resolve()):
            if scale is None:
                raise DataContractError(_no_scale(spatial, name))
            return _Image(png, scale, f"tissue_{name}_image.png of Space Ranger")
    if given is not None:
        return _Image(given, 1.0, f"{given.name}, taken as the full-resolution image")
    raise DataContractError(
        Problem(
            where=str(spatial),
            found="no image",
            expected="tissue_hires_image.png or tissue_lowres_image.png",
            remedy="give the full-resolution image in the column `image` of the manifest",
        )
    )


def _scale_factors(spatial: Path) -> ScaleFactors:
    path = _only(spatial, "scalefactors_json.json")
    try:
        factors = json.loads(path.read_text()) if path else {}
    except ValueError as error:
        raise broken(spatial, f"scalefactors_json.json is broken ({error})", "JSON") from error
    if not isinstance(factors, dict):
        raise broken(spatial, "scalefactors_json.json holds no names and values", "a JSON object")
    return scale_factors_of(factors)


def _no_scale(spatial: Path, name: str) -> Problem:
    return Problem(
        where=str(spatial / "scalefactors_json.json"),
        found=f"no scale factor tissue_{name}_scalef",
        expected="px of the PNG per full-resolution px, above 0",
        remedy="copy scalefactors_json.json of this run here, or give the full-resolution "
        "image in the column `image` of the manifest",
    )

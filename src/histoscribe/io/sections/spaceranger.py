"""Visium sections as Space Ranger 1 to 4 writes them."""

import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.sections.table import broken, read_bytes
from histoscribe.io.sections.tenx import read_matrix
from histoscribe.io.slides.resolution import Resolutions, nearest_px
from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.types import Spots

PITCH_UM = 100.0
DIAMETER_UM = 55.0
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
    image = _choose_image(source, root)
    xy = positions.xy * image.scale
    pitch_mpp = PITCH_UM / nearest_px(xy)
    found = Resolutions(source.mpp, image_mpp(image.path, source.image_number), pitch_mpp)
    mpp, origin = found.settle(source.where, source.mpp_from)
    return Reading(
        slide=open_slide(image.path, mpp, source.white, source.image_number),
        spots=Spots(positions.barcodes, xy, DIAMETER_UM, PITCH_UM),
        in_tissue=positions.in_tissue,
        counts=counts,
        count_ids=barcodes,
        notes=(f"image: {image.what}", origin, *notes),
    )


SPACERANGER = Reader("spaceranger", "Visium as Space Ranger writes it", ("path",), read_spaceranger)


@dataclass(frozen=True, eq=False)
class _Positions:
    barcodes: tuple[str, ...]
    in_tissue: Bool[np.ndarray, " N"]
    xy: Float[np.ndarray, "N 2"]
    """Px of the full-resolution image."""


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
        raise DataContractError(
            Problem(
                where=str(path),
                found="a Visium HD folder (square bins, no spots)",
                expected="Visium with spots, as Space Ranger 1 to 4 writes it",
                remedy="Visium HD is not read yet; supported are Visium spots (kind spaceranger), "
                "ST arrays (st, st2k) and AnnData with spots (h5ad)",
            )
        )
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
    xy = table[["pxl_col_in_fullres", "pxl_row_in_fullres"]].apply(pd.to_numeric, errors="coerce")
    barcodes = tuple(table["barcode"].astype(str))
    if not np.isfinite(xy).all(axis=None) or len(set(barcodes)) != len(barcodes) or len(xy) < 2:
        raise broken(path, "gaps, repeated barcodes or fewer than two spots", "one line a barcode")
    return _Positions(barcodes, table["in_tissue"].to_numpy() == 1, xy.to_numpy(np.float64))


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


def _choose_image(source: Source, root: Path) -> _Image:
    spatial = root / "spatial"
    given = source.image
    for name in ("hires", "lowres"):
        png = _only(spatial, f"tissue_{name}_image.png")
        if png is not None and (given is None or given.resolve() == png.resolve()):
            return _Image(png, _scale(spatial, name), f"tissue_{name}_image.png of Space Ranger")
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


def _scale(spatial: Path, name: str) -> float:
    key = f"tissue_{name}_scalef"
    path = _only(spatial, "scalefactors_json.json")
    try:
        factors = json.loads(path.read_text()) if path else {}
    except ValueError as error:
        raise broken(spatial, f"scalefactors_json.json is broken ({error})", "JSON") from error
    if not isinstance(factors.get(key), float | int) or not factors[key] > 0:
        raise DataContractError(
            Problem(
                where=str(spatial / "scalefactors_json.json"),
                found=f"no scale factor {key}",
                expected="px of the PNG per full-resolution px, above 0",
                remedy="copy scalefactors_json.json of this run here, or give the full-resolution "
                "image in the column `image` of the manifest",
            )
        )
    return float(factors[key])

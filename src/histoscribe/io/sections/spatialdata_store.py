"""Open a SpatialData zarr without executing anything in it, and choose its elements."""

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from histoscribe.errors import DataContractError, Problem
from histoscribe.extras import need
from histoscribe.io.budget import check_size
from histoscribe.io.files import check_tree, read_json
from histoscribe.io.slides.zarr_slide import damaged, open_zarr_image

if TYPE_CHECKING:
    from spatialdata import SpatialData

_METADATA = ("zarr.json", ".zarray", ".zgroup", ".zmetadata")
_CODEC_KEYS = ("id", "name", "object_codec_id")
_WORD_BYTES = 64
"""Memory that a word takes at least, as a Python object."""
_WHOLE = re.compile(r"(.+)_(full|hires|lowres)_image")
"""Names of the pictures of one Visium section, the finest first."""
_SIZES = ("full", "hires", "lowres")


def open_store(path: Path) -> "SpatialData":
    """Open images, shapes and tables of a SpatialData folder; pixels are not read.

    Raises
    ------
    DataContractError
        if the extra `spatialdata` is missing; the folder is damaged, or contains pickled objects
        (reading one would execute code).
    """
    sd = need("spatialdata", "spatialdata", f"{path}, a SpatialData folder")
    check_zarr(path)
    try:
        with warnings.catch_warnings():
            # reading does not require the newest format
            warnings.filterwarnings("ignore", message="SpatialData is not stored in the most curr")
            # label images and transcripts are left closed
            warnings.filterwarnings("ignore", message="The table is annotating")
            return sd.read_zarr(path, selection=("images", "shapes", "tables"))
    except DataContractError:
        raise
    except Exception as error:  # zarr, anndata and geopandas fail in nearly every kind
        raise damaged(path, error) from error


def check_zarr(path: Path) -> None:
    """Raise DataContractError for what is no zarr folder, and for one that is unsafe to read."""
    if not path.is_dir() or not any((path / name).is_file() for name in _METADATA):
        raise damaged(path, FileNotFoundError("no zarr folder"))
    check_tree(path)
    _check_arrays(path)


def image_name(path: Path, store: "SpatialData", shapes: str, given: Path | None) -> str:
    """Choose the image: the named one, else the only photograph that shares a system of px.

    Of the full, hires and lowres picture of one section the finest is used.
    """
    transformations = need("spatialdata.transformations", "spatialdata", str(path))
    of_spots = transformations.get_transformation(store.shapes[shapes], get_all=True)
    fit = [
        name
        for name, image in store.images.items()
        if set(transformations.get_transformation(image, get_all=True)) & set(of_spots)
        and open_zarr_image(path / "images" / name).is_picture
    ]
    if given is None and len(fit) > 1:
        sizes = [_WHOLE.fullmatch(name) for name in fit]
        if all(sizes) and len({size[1] for size in sizes if size}) == 1:
            return min(fit, key=lambda name: _SIZES.index(_WHOLE.fullmatch(name)[2]))  # type: ignore[index]
    return pick(path, "images", fit, given)


def pick(path: Path, kind: str, fit: Sequence[str], given: Path | None) -> str:
    """Choose an element of `images`, `shapes` or `tables`: the given one, else the one that fits.

    Raises DataContractError if none or several fit; it lists all elements and how to choose.
    """
    column = {"images": "image", "shapes": "spots", "tables": "counts"}[kind]
    if given is not None and given.resolve().parent == (path / kind).resolve():
        if given.name in fit:
            return given.name
        found = f"{given.name} is named in the column `{column}` and does not fit"
    elif given is not None:
        found = f"the column `{column}` names {given}, which is no element of this folder"
    elif len(fit) == 1:
        return fit[0]
    else:
        found = f"{len(fit) or 'no'} {kind} that fit: {', '.join(fit)}".rstrip(": ")
    there = ", ".join(_listed(path, kind)) or "none"
    raise DataContractError(
        Problem(
            where=str(path),
            found=f"{found} (of {kind}: {there})",
            expected=_EXPECTED[kind],
            remedy=f"name one in the column `{column}` of the manifest, as a path: "
            f"{path.name}/{kind}/{fit[0] if fit else 'NAME'}",
        )
    )


_EXPECTED = {
    "images": "a photograph (RGB or RGBA of uint8) in a coordinate system of the spots",
    "shapes": "spots: circles with a radius that the table annotates",
    "tables": "a table of raw counts that annotates circles",
}


def is_within(path: Path, given: Path | None) -> bool:
    """Whether a path of the manifest lies inside the SpatialData folder."""
    return given is not None and given.resolve().is_relative_to(path.resolve())


def _listed(path: Path, kind: str) -> list[str]:
    folder = path / kind
    if not folder.is_dir():
        return []
    return sorted(child.name for child in folder.iterdir() if child.is_dir())


def _check_arrays(path: Path) -> None:
    """Refuse arrays that memory cannot hold, and old ones with pickle as their codec.

    Reading a pickle would execute code. Tables are read as a whole, images by chunks.
    """
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    whole, chunk = 0, 0
    for file in files:
        if file.name not in _METADATA:
            continue
        content = read_json(file, "the metadata of a zarr folder")
        if any(codec in ("pickle", "numcodecs.pickle") for codec in _codecs(content)):
            raise DataContractError(
                Problem(
                    where=str(file),
                    found="an array of pickled objects: reading it would execute code",
                    expected="numbers and text",
                    remedy="write it anew with SpatialData, from a source that you trust",
                )
            )
        in_table = "tables" in file.relative_to(path).parts
        whole += _bytes_of(file, content, "shape") if in_table else 0
        chunk = max(chunk, _bytes_of(file, content, "chunk"))
    stored = sum(file.stat().st_size for file in files)
    for what, size in {"its tables": whole, "a chunk of an array": chunk}.items():
        check_size(path, what, size, stored=stored, remedy="copy or export the folder again")


def _bytes_of(file: Path, content: object, part: str) -> int:
    """Memory for an array (`shape`) or for one of its chunks (`chunk`); 0 for a group."""
    if not isinstance(content, dict) or "shape" not in content:
        return 0
    grid = content.get("chunk_grid", {})
    try:
        sides = content["shape"]
        if part == "chunk":  # zarr 3, else zarr 2
            sides = grid["configuration"]["chunk_shape"] if grid else content["chunks"]
        n_values = math.prod(int(side) for side in sides)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(file, error) from error
    try:
        size = np.dtype(content.get("data_type", content.get("dtype"))).itemsize
    except (TypeError, ValueError):  # a word, or a type that zarr itself refuses
        size = _WORD_BYTES
    return n_values * max(size, 1)


def _codecs(content: object) -> Iterator[str]:
    """Every codec named anywhere in the metadata (`id` in zarr 2, `name` in zarr 3)."""
    if isinstance(content, dict):
        yield from (str(content[key]) for key in _CODEC_KEYS if key in content)
        for value in content.values():
            yield from _codecs(value)
    elif isinstance(content, list):
        for value in content:
            yield from _codecs(value)

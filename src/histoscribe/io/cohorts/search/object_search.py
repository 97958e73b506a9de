"""Search for sections in single files: AnnData, HEST-1k, SpatialData, sparse matrices, ST-Net."""

import zipfile
from pathlib import Path

import h5py

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.hest_folder import hest_sources
from histoscribe.io.cohorts.search.first_lines import first_lines
from histoscribe.io.cohorts.search.listing import (
    FolderFinding,
    Listing,
    PassedOver,
    merged,
    section_key,
    section_name,
)
from histoscribe.io.cohorts.stnet_folder import METADATA, stnet_sources
from histoscribe.io.sections.delimited import cells_of, separator_of
from histoscribe.io.sections.source import Source

_CENTRES = ("spatial", "X_spatial")
_ZARR_MARKS = ("zarr.json", ".zattrs")
_SPATIALDATA = b"spatialdata_attrs"
_PX = ({"px", "py"}, {"pixel_x", "pixel_y"})
_SPARSE = {"shape.npy", "format.npy", "data.npy"}


def find_hest(listing: Listing) -> FolderFinding:
    """Find the samples of folders laid out like HEST-1k: st/<id>.h5ad and wsis/<id>.tif."""
    found, images = [], set(listing.ending(".tif"))
    for path in listing.ending(".h5ad"):
        folder = path.parent.parent
        image = folder / "wsis" / f"{path.stem}.tif"
        if path.parent.name == "st" and image in images:
            source = _known_sample(folder, path.stem) or _source(
                path.stem, "hest", path=path, image=image
            )
            found.append(FolderFinding(sources=(source,), files=frozenset({path, image})))
    return merged(found)


def find_h5ad(listing: Listing) -> FolderFinding:
    """Find files of AnnData with spot centres, and with an image beside or in them."""
    found = []
    for path in listing.ending(".h5ad"):
        image = listing.image(section_key(path), path.parent)
        reason = _no_section(path, has_image=image is not None)
        if reason:
            found.append(FolderFinding(passed=(PassedOver(path, reason),), files=frozenset({path})))
        else:
            name = path.name.removesuffix(path.suffix)
            source = _source(name, "h5ad", path=path, image=image)
            found.append(FolderFinding(sources=(source,), files=frozenset({path, image or path})))
    return merged(found)


def find_spatialdata(listing: Listing) -> FolderFinding:
    """Find zarr folders of SpatialData."""
    found = []
    for path in listing.ending(".zarr"):
        marks = [path / name for name in _ZARR_MARKS if (path / name).is_file()]
        if any(_SPATIALDATA in mark.read_bytes() for mark in marks):
            source = _source(path.stem, "spatialdata", path=path)
            found.append(FolderFinding(sources=(source,), files=frozenset({path})))
        else:
            passed = PassedOver(path, "a zarr folder that is no SpatialData")
            found.append(FolderFinding(passed=(passed,), files=frozenset({path})))
    return merged(found)


def find_sparse(listing: Listing) -> FolderFinding:
    """Find matrices of SciPy beside a table of coordinates, a list of genes and an image."""
    return merged([_sparse(listing, path) for path in listing.ending(".npz") if _is_sparse(path)])


def find_stnet(listing: Listing) -> FolderFinding:
    """Find folders of the ST-Net data set; its metadata names the patients."""
    found = []
    for path in listing.ending(METADATA):
        lines = first_lines(path)
        if path.name != METADATA or not lines or b"spot_coordinates" not in lines[0]:
            continue
        files = listing.below(path.parent)
        try:
            sources = stnet_sources(path.parent)
        except DataContractError as error:
            passed = PassedOver(path, error.problems[0].found)
            found.append(FolderFinding(passed=(passed,), files=files))
        else:
            found.append(FolderFinding(sources=sources, files=files))
    return merged(found)


def _known_sample(folder: Path, sample: str) -> Source | None:
    """Sample with patient and facts, where metadata beside it has both."""
    try:
        return hest_sources(folder, [sample])[0]
    except DataContractError:
        return None


def _source(name: str, kind: str, **paths: Path | None) -> Source:
    return Source(section=section_name(name), patient="", kind=kind, **paths)  # type: ignore[arg-type]


def _no_section(path: Path, *, has_image: bool) -> str | None:
    """Reason to pass over a file; None for a section."""
    try:
        with h5py.File(path, "r") as file:
            if "uns" in file and "histoscribe" in file["uns"]:
                return "a prediction of histoscribe"
            if "obsm" not in file or not any(name in file["obsm"] for name in _CENTRES):
                return 'no spot centres in obsm["spatial"]'
            libraries = file["uns/spatial"].values() if "uns/spatial" in file else ()
            embedded = any("images" in library for library in libraries)
    except (OSError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        return f"truncated or no AnnData file ({error})"
    return None if has_image or embedded else "no image with its name, and none in it"


def _is_sparse(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as file:
            return set(file.namelist()) >= _SPARSE
    except (OSError, zipfile.BadZipFile):
        return False


def _sparse(listing: Listing, counts: Path) -> FolderFinding:
    folder = counts.parent
    texts = [path for path in listing.ending(".csv", ".tsv", ".txt") if path.parent == folder]
    spots = [path for path in texts if _has_coordinates(path)]
    genes = [path for path in texts if "gene" in path.stem.lower() and path not in spots]
    image = listing.image(section_key(counts), folder)
    if len(spots) != 1 or len(genes) != 1 or image is None:
        reason = (
            f"a sparse matrix with {len(spots)} tables of coordinates, {len(genes)} lists of genes "
            f"and {'an' if image else 'no'} image beside it (one each is needed)"
        )
        return FolderFinding(passed=(PassedOver(counts, reason),), files=frozenset({counts}))
    source = _source(
        folder.name, "sparse", path=genes[0], image=image, counts=counts, spots=spots[0]
    )
    return FolderFinding(sources=(source,), files=frozenset({counts, genes[0], spots[0], image}))


def _has_coordinates(path: Path) -> bool:
    lines = first_lines(path)
    try:
        names = set(cells_of(lines[0], separator_of(path, lines))) if len(lines) > 1 else set()
    except DataContractError:
        return False
    return "barcode" in names and any(px <= names for px in _PX)

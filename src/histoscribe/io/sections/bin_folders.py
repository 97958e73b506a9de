"""Folders of bins of a Visium HD run, known by their content: Space Ranger 3 and 4 and copies.

Each size of bins has its own folder (`square_008um`) with a count matrix and `spatial`, whose scale
factors state the size.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.bins import bin_um_in_name
from histoscribe.io.sections.run_files import POSITIONS, RunFiles, run_files
from histoscribe.io.sections.run_image import run_scale_factors
from histoscribe.io.sections.source import Source

_DEEPEST = 3
"""Folders below the one that the user names: `run/outs/binned_outputs/square_008um`."""
_PACKED = (".tar", ".tar.gz", ".tgz", ".zip")
BINNED, SEGMENTED = "binned_outputs", "segmented_outputs"
"""Folders of bins and of cells in the `outs` of a run."""


@dataclass(frozen=True)
class BinFolder:
    """Files of the bins of one size."""

    files: RunFiles
    bin_um: float
    """As the scale factors state it, else the name of the folder."""


def bin_um_of(files: RunFiles) -> float | None:
    """Bin size in um that a folder states; None for a folder of spots."""
    return run_scale_factors(files).bin_um or bin_um_in_name(files.root.name)


def bin_folder_at(folder: Path) -> BinFolder | None:
    """Bins whose files lie in a folder and its `spatial`; None for any other folder.

    Raises DataContractError for scale factors that cannot be read.
    """
    spatial = folder / "spatial"
    if not any((spatial / name).is_file() for name in POSITIONS):
        return None
    files = RunFiles(folder, spatial)
    bin_um = bin_um_of(files)
    return None if bin_um is None else BinFolder(files, bin_um)


def bin_folders(path: Path) -> list[BinFolder]:
    """Folders of bins at a path or below it, the smallest bins first."""
    if found := bin_folder_at(path):
        return [found]
    depths = ("/".join("*" * depth) for depth in range(1, _DEEPEST + 1))
    below = [bin_folder_at(folder) for pattern in depths for folder in sorted(path.glob(pattern))]
    return sorted((one for one in below if one), key=lambda one: (one.bin_um, one.files.root))


def bin_folder_of(source: Source, pool_um: float | None) -> BinFolder:
    """Folder to read: the one that is named, else the one that squares of `pool_um` are made of.

    That is the one with the largest bins that fill such a square without a rest, else the one with
    the smallest. `pool_um` is None where bins stay as they are: then one size must be named.

    Raises DataContractError where no folder has bins, or several might be meant.
    """
    path = source.path
    if path is None:
        raise ValueError("a section of kind visium_hd needs a path")
    found = bin_folders(path)
    if not found:
        return _side_by_side(source, path)
    sizes = [one.bin_um for one in found]
    if len(set(sizes)) < len(sizes) or (pool_um is None and len(sizes) > 1):
        raise DataContractError(_several(path, found))
    if pool_um is None:
        return found[0]
    even = [one for one in found if (pool_um / one.bin_um).is_integer()]
    return even[-1] if even else found[0]


def _side_by_side(source: Source, path: Path) -> BinFolder:
    """Bins whose files lie in one folder, as archives keep them."""
    if not path.is_dir():
        raise DataContractError(_no_bins(path))
    try:
        files = run_files(replace(source, kind="visium_hd"))
    except DataContractError:
        raise DataContractError(_no_bins(path)) from None
    bin_um = bin_um_of(files)
    if bin_um is None:
        raise DataContractError(_no_bins(path))
    return BinFolder(files, bin_um)


def _several(path: Path, found: list[BinFolder]) -> Problem:
    names = [f"{one.files.root.relative_to(path)} ({one.bin_um:g} um)" for one in found]
    return Problem(
        where=str(path),
        found=f"several folders of bins: {', '.join(names)}",
        expected="one folder of bins for a section",
        remedy="name the folder of one size in the column `path`, e.g. "
        f"{found[-1].files.root.relative_to(path)}",
    )


def _no_bins(path: Path) -> Problem:
    remedy = "give the `outs` folder of the run, or one folder of bins (`square_008um`)"
    packed = (
        sorted(p.name for p in path.iterdir() if p.name.endswith(_PACKED)) if path.is_dir() else []
    )
    if packed:
        remedy = f"unpack {packed[0]} there"
    elif any((folder / SEGMENTED).is_dir() for folder in (path, path / "outs")):
        remedy += f"; for the cells that Space Ranger segmented, give its `{SEGMENTED}`"
    return Problem(
        where=str(path),
        found="no folder of bins with `spatial/tissue_positions.parquet` and a `bin_size_um` in "
        "`spatial/scalefactors_json.json`"
        + (f"; packed: {', '.join(packed[:4])}" if packed else ""),
        expected="the bins of a Visium HD run",
        remedy=remedy,
    )

"""Files of a Space Ranger run: in its folders, or side by side as archives keep them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.source import Source

POSITIONS = (
    "tissue_positions.parquet",
    "tissue_positions.csv",
    "tissue_positions_list.csv",
    "tissue_positions_list.txt",
)
COUNTS = (
    "filtered_feature_bc_matrix.h5",
    "filtered_feature_bc_matrix",
    "matrix.mtx",
    "raw_feature_bc_matrix.h5",
    "raw_feature_bc_matrix",
)
"""Filtered first; with the raw matrix the filter `in_tissue` gives the same section."""
_FACTORS = "scalefactors_json.json"
_PACKED = (".tar", ".tar.gz", ".tgz", ".zip")


@dataclass(frozen=True)
class RunFiles:
    """Where the files of one run are.

    GEO keeps the files of a run in one folder, zipped, with the sample before their names
    (`GSM1_S1_tissue_positions_list.csv.gz`), often those of several samples.
    """

    root: Path
    """Folder of the counts."""
    spatial: Path
    """Folder of positions and images; `root` itself where all files are side by side."""
    prefix: str = ""
    """How the names of this run's files begin, if the user named one of them."""

    def positions(self) -> Path:
        """Table of positions; that of several libraries (`aggr`) is beside the counts."""
        beside = not any(self._only(self.spatial, name) for name in POSITIONS)
        is_there = beside and any(self._only(self.root, name) for name in POSITIONS)
        folder = self.root if is_there else self.spatial
        return self._first(folder, POSITIONS, "spots", "no spot positions")

    def counts(self) -> Path:
        """Count matrix; of an mtx folder whose files are here, its `matrix.mtx`."""
        return self._first(self.root, COUNTS, "counts", "no count matrix")

    def scale_factors(self) -> Path | None:
        """File of scale factors, if there is one."""
        return self._only(self.spatial, _FACTORS)

    def image(self, name: str) -> Path | None:
        """Unzipped PNG of this name, `hires` or `lowres`."""
        path = self._only(self.spatial, f"tissue_{name}_image.png")
        return None if path is None or path.suffix == ".gz" else path

    def _first(self, folder: Path, names: Sequence[str], column: str, problem: str) -> Path:
        for name in names:
            if path := self._only(folder, name):
                return path
        packed = sorted(p.name for p in folder.iterdir() if p.name.endswith(_PACKED))
        raise DataContractError(
            Problem(
                where=str(folder),
                found=problem + (f"; packed: {', '.join(packed[:4])}" if packed else ""),
                expected=" or ".join(names),
                remedy=f"unpack {packed[0]} here"
                if packed
                else f"copy the whole folder, or name the file in the column `{column}` of the "
                "manifest",
            )
        )

    def _only(self, folder: Path, name: str) -> Path | None:
        """File of this name, zipped or not, else the one file with this ending."""
        files = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
        of_run = [path for path in files if path.name.startswith(self.prefix)]
        if of_run == files or not of_run:
            for path in (folder / name, folder / f"{name}.gz"):
                if path in files:
                    return path
        found = [path for path in of_run or files if path.name.endswith((name, f"{name}.gz"))]
        if name == "matrix.mtx":  # filtered before raw, if the names say so
            found = [path for path in found if "raw" not in path.name] or found
        # a file beside its zipped copy is one file
        found = [path for path in found if path.with_suffix("") not in found]
        if len(found) > 1:
            raise DataContractError(_several(folder, name, found))
        return found[0] if found else None


def run_files(source: Source) -> RunFiles:
    """Find the run of a section: its folder, its `outs`, or files side by side.

    With files of several samples side by side, `counts` or `spots` of the manifest names one of the
    files; its name begins like the others of its sample.
    """
    if source.path is None:
        raise ValueError(f"a section of kind {source.kind} needs a path")
    path = source.path
    for root in (path, path / "outs"):
        spatial = [root / "spatial"] if (root / "spatial").is_dir() else _folders(root)
        prefix = _prefix(source, root)
        spatial = [folder for folder in spatial if folder.name.startswith(prefix)] or spatial
        if len(spatial) > 1:
            raise DataContractError(_several(root, "spatial", spatial))
        if spatial:
            return RunFiles(root, spatial[0], prefix)
        if source.spots is not None or _has_positions(root):
            return RunFiles(root, root, prefix)
    raise DataContractError(
        Problem(
            where=str(path),
            found="no folder `spatial` and no table of positions (tissue_positions...)",
            expected="a Space Ranger folder, or its files side by side",
            remedy="give its `outs` folder, with every archive unpacked; other layouts are read "
            'from AnnData (kind h5ad), with raw counts and spot centres in obsm["spatial"]',
        )
    )


def _folders(root: Path) -> list[Path]:
    return [path for path in sorted(root.glob("*_spatial")) if path.is_dir()]


def _has_positions(root: Path) -> bool:
    ends = tuple(end for name in POSITIONS for end in (name, f"{name}.gz"))
    return root.is_dir() and any(path.name.endswith(ends) for path in root.iterdir())


def _prefix(source: Source, root: Path) -> str:
    """What stands before the usual name of a file that the manifest names."""
    for path, names in ((source.spots, POSITIONS), (source.counts, COUNTS)):
        name = path.name.removesuffix(".gz") if path is not None and path.parent == root else ""
        for usual in names:
            if name.endswith(usual) and name != usual:
                return name.removesuffix(usual)
    return ""


def _several(folder: Path, name: str, found: Sequence[Path]) -> Problem:
    return Problem(
        where=str(folder),
        found=f"several: {', '.join(path.name for path in found[:4])}"
        + (", ..." if len(found) > 4 else ""),
        expected=f"one {name}",
        remedy="name the file of this section in the manifest (columns `spots` and `counts`), or "
        "give each section its folder",
    )

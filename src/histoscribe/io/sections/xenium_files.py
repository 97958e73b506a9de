"""Files of a Xenium output folder, and its table of cells."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.files import read_json
from histoscribe.io.sections.parquet_table import read_parquet, words_of
from histoscribe.io.sections.table import broken

CELLS, MATRIX = "cells.parquet", "cell_feature_matrix.h5"
TRANSCRIPTS, EXPERIMENT = "transcripts.parquet", "experiment.xenium"
_PIXEL_UM = 0.2125
"""Um per px of the morphology image of every Xenium Analyzer so far."""
_EXPECTED = f"a Xenium output folder with {CELLS} and {MATRIX}"


@dataclass(frozen=True)
class XeniumFiles:
    """Files of one output folder; names may have the name of a sample in front."""

    root: Path

    @classmethod
    def of(cls, path: Path) -> "XeniumFiles":
        """Take a folder with count matrix, or its `outs`."""
        outs = path / "outs"
        return cls(outs if outs.is_dir() and not _ending(path, MATRIX) else path)

    def file(self, name: str) -> Path:
        """File with this name, else the only one that ends with it; raises DataContractError."""
        found = _ending(self.root, name)
        if len(found) == 1:
            return found[0]
        names = ", ".join(path.name for path in found)
        raise DataContractError(
            Problem(
                where=str(self.root),
                found=f"{len(found)} files that end with {name}: {names}"
                if found
                else f"no {name}",
                expected=_EXPECTED if name in (CELLS, MATRIX) else f"{name} of Xenium",
                remedy="copy the whole output folder of the section, each into a folder of its own",
            )
        )

    def pixel_um(self) -> tuple[float, tuple[str, ...]]:
        """Um per px of the morphology image, with a note where no file states it."""
        if not _ending(self.root, EXPERIMENT):
            return _PIXEL_UM, (f"no {EXPERIMENT}: morphology px of {_PIXEL_UM} um assumed",)
        path = self.file(EXPERIMENT)
        content = read_json(path)
        size = content.get("pixel_size") if isinstance(content, dict) else None
        if not isinstance(size, int | float) or not 0 < size < np.inf:
            raise broken(path, f"pixel_size {size!r}", "um per px of the morphology image, above 0")
        return float(size), ()


@dataclass(frozen=True, eq=False)
class XeniumCells:
    """Cells by id, with their places."""

    ids: tuple[str, ...]
    um: Float[np.ndarray, "N 2"]
    """Centres in um from the corner of the morphology image; x right, y down."""
    diameter_um: float | None
    """Median diameter of a circle of a cell's area; None where no area is stated."""


def read_cells(path: Path) -> XeniumCells:
    """Read ids, centres and areas; raises DataContractError for gaps and repeated ids."""
    table = read_parquet(path, ("cell_id", "x_centroid", "y_centroid"), ("cell_area",))
    ids = tuple(words_of(table["cell_id"]))
    um = _numbers(table[["x_centroid", "y_centroid"]])
    if len(set(ids)) != len(ids) or not np.isfinite(um).all() or len(ids) < 2:
        raise broken(path, "gaps, repeated ids or fewer than two cells", "one line a cell")
    area = _numbers(table[["cell_area"]])[:, 0] if "cell_area" in table else np.empty(0)
    return XeniumCells(ids, um, typical_diameter_um(area))


def typical_diameter_um(area_um2: Float[np.ndarray, " N"]) -> float | None:
    """Median diameter of circles of these areas; None without an area above 0."""
    area = area_um2[np.isfinite(area_um2) & (area_um2 > 0)]
    return float(np.median(2 * np.sqrt(area / np.pi))) if len(area) else None


def _numbers(table: pd.DataFrame) -> Float[np.ndarray, "N columns"]:
    return table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)


def _ending(folder: Path, name: str) -> list[Path]:
    if (folder / name).is_file():
        return [folder / name]
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.name.endswith(name)]

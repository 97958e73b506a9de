"""A new manifest and its settings, from sections that a search found."""

import os
from collections.abc import Sequence
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_rows
from histoscribe.io.sections.source import PATHS, Source

MANIFEST, SETTINGS = "cohort.csv", "run.toml"
_RARE = "alignment"
"""Path that stands in the manifest only where a section has it."""
_OF_HEST = ("st_technology",)
"""Columns that the kind `hest` needs and only metadata has."""
_SETTINGS = f"""\
cohort = "{MANIFEST}"
models = ["mean", "colour", "depth", "knn", "ridge"]

[target]
panel = "highest-mean"
n_genes = 250
transform = "pearson-residuals"

[inputs]
tile_px = 224
mpp = 0.5                      # um/px, not finer than the coarsest image: see `histoscribe check`
encoder = "colour_texture"     # needs no weights; `histoscribe encoders` lists the others
"""


def write_cohort(sources: Sequence[Source], folder: Path) -> tuple[Path, Path]:
    """Write `cohort.csv`, with a line for each section, and `run.toml`; both or none.

    Paths are relative to the folder.

    Raises
    ------
    DataContractError
        if there is no section, or one of the files exists: nothing is replaced.
    """
    paths = (folder / MANIFEST, folder / SETTINGS)
    if not sources:
        raise DataContractError(_nothing())
    if there := [path for path in paths if path.exists() or path.is_symlink()]:
        raise DataContractError([_exists(path) for path in there])
    try:
        for path, text in zip(paths, (_manifest(sources, folder), _SETTINGS), strict=True):
            write_text(path, text)
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise
    return paths


def _manifest(sources: Sequence[Source], folder: Path) -> str:
    facts = dict.fromkeys(name for source in sources for name in source.facts)
    of_hest = dict.fromkeys(_OF_HEST if any(source.kind == "hest" for source in sources) else ())
    names = list(facts | of_hest)
    columns = [
        name
        for name in PATHS
        if name != _RARE or any(getattr(source, name) is not None for source in sources)
    ]
    rows = [["section", "patient", "kind", *columns, "mpp", *names]]
    for source in sources:
        paths = [_relative(getattr(source, name), folder) for name in columns]
        cells = [source.facts.get(name, "") for name in names]
        mpp = "" if source.mpp is None else str(source.mpp)
        rows.append([source.section, source.patient, source.kind, *paths, mpp, *cells])
    return csv_rows(rows)


def _relative(path: Path | None, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix() if path is not None else ""


def _nothing() -> Problem:
    return Problem(
        where="the folders",
        found="no section",
        expected="runs of Space Ranger or Xenium, files of AnnData or SpatialData, tables of ST "
        "arrays, or a folder like HEST-1k or ST-Net",
        remedy="unpack archives; what was passed over is listed above with its reason",
    )


def _exists(path: Path) -> Problem:
    return Problem(
        where=str(path),
        found="this file exists",
        expected="no such file: nothing is replaced",
        remedy="choose another folder with --out, or move the file away",
    )

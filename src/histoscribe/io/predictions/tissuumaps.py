"""A prediction over its slide as a project that TissUUmaps opens: a file that names both."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import write_json
from histoscribe.types import Head
from histoscribe.types.gene_labels import gene_labels

ENDING = ".tmap"
_X, _Y = "/obsm/spatial;0", "/obsm/spatial;1"
_MARK_PX = 8.0
"""Level-0 px that a mark of TissUUmaps 3.2 covers at a scale of 1, seen on a 2,200 px slide."""
_FILES = "the project in a folder that holds the slide and the prediction, directly or further down"


def write_tissuumaps(
    project: Path, slide: Path, prediction: Path, head: Head, diameter_px: float
) -> None:
    """Write a `.tmap` project of one prediction (`.h5ad`) over its slide.

    `diameter_px` is the width of a place in level-0 px of the slide, for the size of the marks. A
    menu has every gene by its display name, another one the facts of the places. The project
    holds relative paths only: move the three files together.

    Raises
    ------
    DataContractError
        for another ending, a prediction in SpatialData, and for files outside the folder of the
        project, which TissUUmaps does not serve.
    """
    problems = [*_wrong_kinds(project, prediction)]
    problems += [*_outside(project, (slide, prediction))]
    if problems:
        raise DataContractError(problems)
    folder = project.resolve().parent
    layer, markers = (path.resolve().relative_to(folder).as_posix() for path in (slide, prediction))
    labels = gene_labels(head.genes, head.gene_names or head.genes)
    genes = {f"/X;{column}": label for column, label in enumerate(labels)}
    facts = {f"/obs/{name}": name for name in head.spot_facts}
    scale = round(diameter_px / _MARK_PX, 2)
    content = {
        "filename": head.section,
        "layers": [{"name": head.section, "tileSource": f"{layer}.dzi"}],
        "markerFiles": [
            _markers(markers, f"Predicted expression ({head.unit})", genes, scale),
            *([_markers(markers, "Facts of the places", facts, scale)] if facts else []),
        ],
    }
    write_json(project, content)


def _markers(path: str, title: str, columns: dict[str, str], scale: float) -> dict[str, Any]:
    """Menu of columns of the prediction, by their places in its file."""
    return {
        "path": path,
        "name": title,
        "title": title,
        "uid": title.partition(" ")[0].lower(),
        "hideSettings": True,
        "expectedHeader": {
            "X": _X,
            "Y": _Y,
            "cb_col": next(iter(columns)),
            "cb_cmap": "interpolateViridis",
            "coord_factor": 1,
            "scale_factor": scale,
            "shape_fixed": "disc",
        },
        "expectedRadios": {"cb_col": True, "cb_gr": False, "shape_fixed": True},
        "dropdownOptions": [
            {"optionName": label, "name": label, "expectedHeader.cb_col": column}
            for column, label in columns.items()
        ],
    }


def _wrong_kinds(project: Path, prediction: Path) -> Iterator[Problem]:
    for path, ending in ((project, ENDING), (prediction, ".h5ad")):
        if path.suffix != ending:
            found = f"a name that ends in {path.suffix or 'nothing'}"
            yield Problem(str(path), found, f"a name that ends in {ending}", "give such a file")


def _outside(project: Path, files: Sequence[Path]) -> Iterator[Problem]:
    folder = project.resolve().parent
    for path in files:
        if not path.resolve().is_relative_to(folder):
            found = f"a file outside {folder}, the folder of the project"
            remedy = "write the project to a folder that is above both files, or copy them there"
            yield Problem(str(path), found, _FILES, remedy)

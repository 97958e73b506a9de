"""Positions, measured and predicted values, and tissue of each tested section of a run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from histoscribe.benchmark.file_names import file_name
from histoscribe.benchmark.measured_maps import FOLDER, MeasuredMaps, read_measured
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.plot.thumbnail import Place


@dataclass(frozen=True)
class View:
    """One section in the fold that tests it; a leaky protocol may test a section in several."""

    path: Path
    """File of the measured values, `RUN/maps/<fold>/<section>.safetensors`."""

    @cached_property
    def measured(self) -> MeasuredMaps:
        """Measured values, read on first use."""
        return read_measured(self.path)

    @property
    def n_spots(self) -> int:
        """Number of tested spots."""
        return len(self.measured.log_total)

    @property
    def run(self) -> Path:
        """Folder of the run."""
        return self.path.parents[2]

    def prediction_file(self, model: str) -> Path:
        """File of the prediction of a model for the same spots and genes, which may be missing."""
        name = f"{self.measured.section}.h5ad"
        return self.run / "predictions" / model / self.path.parent.name / name

    def predicted(self, model: str) -> Float32[np.ndarray, "N G"]:
        """Predictions of a model for the same spots and genes.

        Raises
        ------
        DataContractError
            if the prediction is missing, or of other spots or genes.
        """
        path = self.prediction_file(model)
        if not path.is_file():
            raise DataContractError(unfit(path, "no such file"))
        prediction = read_prediction(path)
        n_spots, genes = len(prediction.spots), prediction.genes
        if n_spots != self.n_spots or genes != self.measured.genes:
            raise DataContractError(unfit(path, f"{n_spots} spots, {len(genes)} genes"))
        return prediction.values

    @property
    def tissue(self) -> tuple[Path, Place] | None:
        """Picture of the tissue with its position; None without picture."""
        start = self.run / "figures" / "tissue" / file_name(self.measured.section)
        picture, place = (start.with_name(f"{start.name}.{kind}") for kind in ("jpg", "json"))
        if not (picture.is_file() and place.is_file()):
            return None
        return picture, Place(**json.loads(place.read_text(encoding="utf-8")))


def find_views(run: Path) -> tuple[View, ...]:
    """Map data of a run, by fold and section; empty for a run of an older version."""
    return tuple(View(path) for path in sorted((run / FOLDER).glob("*/*.safetensors")))


def evenly(items: Sequence[int], n: int) -> list[int]:
    """`n` of the items, evenly spaced, including first and last.

    >>> evenly(range(9), 3), evenly(range(2), 3)
    ([0, 4, 8], [0, 1])
    """
    places = np.rint(np.linspace(0, len(items) - 1, min(n, len(items)))).astype(int)
    return [items[place] for place in places]


def unfit(path: Path, content: str) -> Problem:
    """Problem of a prediction that does not belong to the measured values of a run."""
    return Problem(
        where=str(path),
        found=content,
        expected="the prediction of a test section, for the spots and genes that were measured",
        remedy="run `histoscribe benchmark FILE.toml --out DIR` again: it adds what is missing",
    )

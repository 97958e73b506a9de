"""Measured values of test sections in the run folder, so that a report needs no cohort."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Float, Float32

from histoscribe.benchmark.cell import folder_name
from histoscribe.benchmark.file_names import file_name
from histoscribe.benchmark.score import Truth
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing
from histoscribe.types import Fold, Section, Shape

FOLDER = "maps"
_ABOUT = "about"
_WORDS = ("section", "patient", "fold", "unit")


@dataclass(frozen=True, eq=False)
class MeasuredMaps:
    """Target values and places of one section's test spots.

    Rows are in the order of the predictions of the same fold and section.
    """

    section: str
    patient: str
    fold: str
    unit: str
    """The target's transform."""
    genes: tuple[str, ...]
    values: Float32[np.ndarray, "N G"]
    """NaN where a gene was not measured."""
    xy_um: Float[np.ndarray, "N 2"]
    """Centres in um from the top left corner of the slide; x right, y down."""
    log_total: Float[np.ndarray, " N"]
    """log(1 + total count of the spot over all genes)."""
    diameter_um: float
    shape: Shape


def measured_file(out: Path, fold: Fold, section: str) -> Path:
    """`maps/<fold>/<section>.safetensors`, beside `predictions/<model>/<fold>/<section>.h5ad`."""
    return out / FOLDER / folder_name(fold) / f"{file_name(section)}.safetensors"


def measured_of(fold: Fold, truth: Truth, section: Section, unit: str) -> MeasuredMaps:
    """Measured values of the test spots of a fold; `section` has all its spots."""
    rows = fold.test[truth.section]
    return MeasuredMaps(
        section=truth.section,
        patient=truth.patient,
        fold=fold.name,
        unit=unit,
        genes=truth.genes,
        values=truth.measured.astype(np.float32),
        xy_um=section.spots.xy[rows] * section.slide.mpp,
        log_total=truth.log_total,
        diameter_um=section.spots.drawn_um,
        shape=section.spots.shape,
    )


def write_measured(item: MeasuredMaps, path: Path) -> None:
    """Write the record as safetensors; equal records give equal bytes."""
    about = {name: getattr(item, name) for name in _WORDS}
    about |= {"genes": list(item.genes), "diameter_um": item.diameter_um, "shape": item.shape}
    arrays = {"values": item.values, "xy_um": item.xy_um, "log_total": item.log_total}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with replacing(path) as temporary:
        # one entry: the library writes several in an order that differs between processes
        metadata = {_ABOUT: json.dumps(about, sort_keys=True)}
        safetensors.numpy.save_file(contiguous, temporary, metadata=metadata)


def read_measured(path: Path) -> MeasuredMaps:
    """Read a file of `write_measured`.

    Raises
    ------
    DataContractError
        If the file is truncated or of another kind.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            about: dict[str, Any] = json.loads(file.metadata()[_ABOUT])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        section, patient, fold, unit = (str(about[name]) for name in _WORDS)
        return MeasuredMaps(
            section=section,
            patient=patient,
            fold=fold,
            unit=unit,
            genes=tuple(about["genes"]),
            diameter_um=float(about["diameter_um"]),
            shape=about["shape"],
            **arrays,
        )
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"not readable: {error}",
                expected="the measured values of a section, as `histoscribe benchmark` wrote them",
                remedy="remove the file and run `histoscribe benchmark` again",
            )
        ) from None

"""Doctor at work: formats, weights, and a tiny section drawn, read, encoded and written."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from histoscribe.cli.doctor_install import installed
from histoscribe.cli.doctor_probe import Diagnosis, probe
from histoscribe.encoders.catalog import list_encoders
from histoscribe.encoders.encoder import load_encoder
from histoscribe.encoders.record import EncoderRecord
from histoscribe.errors import DataContractError
from histoscribe.io import formats
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.predictions.spatialdata import write_spatialdata
from histoscribe.io.weights import find_weights, weight_places
from histoscribe.simulate.cohort import simulate
from histoscribe.types import Section


def examine_formats() -> list[Diagnosis]:
    """Write, read and compare each required format."""
    with TemporaryDirectory(prefix="histoscribe-doctor-") as name:
        folder = Path(name)
        return [
            probe("OpenSlide", formats.check_openslide, _again("openslide-bin openslide-python")),
            probe("JPEG 2000", formats.check_jpeg2000, _again("imagecodecs")),
            probe("TIFF", lambda: formats.check_tiff(folder), _again("tifffile imagecodecs")),
            probe("zarr", lambda: formats.check_zarr(folder), _again("zarr")),
            probe("h5ad", lambda: formats.check_h5ad(folder), _again("anndata h5py")),
        ]


def examine_weights() -> list[Diagnosis]:
    """Report the weight file of each encoder, or how to get it."""
    records = [record for record in list_encoders() if record.needs_weights]
    gated = "for those marked gated, first accept their terms at https://huggingface.co/ and "
    place = weight_places("NAME")[0]
    return [
        *(_weights(record) for record in records),
        Diagnosis(
            "how to get them",
            "note",
            f"{gated}the name after `hf download`; then run `hf auth login`. A file from "
            f"elsewhere: put it at {place} (NAME without the part before a colon), or give "
            "--weights NAME=FILE",
        ),
    ]


def examine_work() -> list[Diagnosis]:
    """Draw a section, read a tile, encode it, and write SpatialData if installed."""
    with TemporaryDirectory(prefix="histoscribe-doctor-") as name:
        folder, sections = Path(name), list[Section]()
        steps: list[tuple[str, Callable[[], str]]] = [
            ("simulate", lambda: _simulate(folder)),
            ("read", lambda: _read(folder, sections)),
            ("encode", lambda: _encode(sections[0])),
        ]
        if installed("spatialdata"):
            steps.append(("SpatialData", lambda: _spatialdata(folder)))
        found = []
        for what, work in steps:
            found.append(probe(what, work, "pip install --force-reinstall histoscribe"))
            if found[-1].state == "BROKEN" and what != "SpatialData":
                break  # the next step needs this one
        return [_optional(one) if one.what == "SpatialData" else one for one in found]


def _again(packages: str) -> str:
    return f"pip install --force-reinstall {packages}"


def _weights(record: EncoderRecord) -> Diagnosis:
    try:
        path = find_weights(record.name, hub=record.published)
    except DataContractError as error:
        problem = error.problems[0]
        return Diagnosis(record.name, "note", problem.found, problem.remedy)
    if path is None:
        download = f"hf download {record.hub}" if record.hub else "a file with its weights"
        return Diagnosis(record.name, "not here", download + (" (gated)" if record.gated else ""))
    size = path.stat().st_size / 1e6
    if path.suffix != ".safetensors":
        return Diagnosis(record.name, "ok", f"{path}, {size:.1f} MB")
    try:
        with safe_open(path, framework="np") as file:
            found = f"{path}, {size:.1f} MB, {len(file.keys())} tensors"
    except (SafetensorError, OSError) as error:
        return Diagnosis(
            record.name, "note", f"{path} is damaged ({error})", "remove it and download it again"
        )
    return Diagnosis(record.name, "ok", found)


def _simulate(folder: Path) -> str:
    manifest = simulate(folder, n_patients=1, spots_per_section=12, genes_per_family=1)
    return f"a section in {manifest.name}"


def _read(folder: Path, sections: list[Section]) -> str:
    cohort = read_cohort(folder / "cohort.csv")
    sections.append(cohort[cohort.ids[0]])
    spots = sections[0].spots
    return f"{len(spots)} spots, {sections[0].measured.matrix.shape[1]} genes"


def _encode(section: Section) -> str:
    x, y = section.spots.xy[0]
    tile = section.slide.read((float(x), float(y)), 64, section.slide.mpp)
    encoder = load_encoder("colour_texture")
    with torch.inference_mode():
        feature = encoder(torch.from_numpy(tile.transpose(2, 0, 1)[None].copy()))
    if not np.isfinite(feature.numpy()).all():
        raise ValueError("a tile's features are not finite")
    return f"a tile of 64 px to {feature.shape[1]} features"


def _spatialdata(folder: Path) -> str:
    write_spatialdata(formats.tiny_prediction(), folder / "doctor.zarr")
    return "4 spots written"


def _optional(one: Diagnosis) -> Diagnosis:
    """Turn a failure of an optional part into a remark."""
    if one.state != "BROKEN":
        return one
    return Diagnosis(
        one.what, "note", one.finding, "pip install --upgrade 'histoscribe[spatialdata]'"
    )

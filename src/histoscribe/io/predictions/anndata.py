"""Predictions and measured sections to AnnData, so that they open in scanpy and squidpy."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anndata as ad
import h5py
import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from histoscribe.io.atomic import replacing
from histoscribe.io.hdf5 import opened_hdf5
from histoscribe.io.predictions.axes import (
    array_in,
    gene_axis,
    gene_facts_in,
    gene_names_in,
    genes_in,
    spot_axis,
    spot_facts_in,
)
from histoscribe.io.predictions.card_group import card_in, group_of_card
from histoscribe.io.predictions.tissue_images import tissue_images
from histoscribe.types import Head, Prediction, Section, Slide, Spots
from histoscribe.types.prediction import CLIPPED, MEASURED, TRUSTED

_KINDS = {CLIPPED: np.int32, TRUSTED: np.bool_}
_ABOUT = "histoscribe"
_COUNTS = "counts"
_WORDS = ("section", "unit", "predictor")
_BLOCK_ROWS = 4096

Blocks = Iterable[Float[np.ndarray, "_ G"]]
"""Consecutive rows of values."""


def to_anndata(item: Prediction | Section) -> ad.AnnData:
    """Convert a prediction, or the counts of a section, to AnnData with a row for each spot.

    Both are laid out as scanpy reads Visium. `var_names` are symbols; a gene whose symbol is
    unknown, or shared with another one, has its id instead, so that names are unique. All ids are
    in `var["gene_ids"]`, all symbols in `var["gene_name"]`. `obs` has `in_tissue`, and `array_row`
    and `array_col` where the spots lie on an array; `obsm["spatial"]` has the centres in level-0
    px, x before y. `uns["spatial"]` has the images `hires` and `lowres` of the slide with their
    scale factors, unless the slide is unknown. `uns["histoscribe"]` has the section, the `unit` of
    X, um/px, and the shape, diameter and (on a lattice) pitch of the spots in um.

    Of a prediction, X has the predicted values [N, G] in float32. If the section was sequenced,
    `layers["measured"]` has the raw counts of the same genes, NaN where a gene was not measured;
    their unit is the `measured_unit`. Facts of spots and genes are columns of `obs` and `var`,
    evidence (e.g. scores of pathways) is in `obsm` with the names of its columns in
    `uns["histoscribe"]["columns"]`. A model of counts has its deviation, and the probability of
    additional zeros if it has any, in `layers`. The protocol card is a nested dictionary, in which
    a missing value is NaN. Spots beyond the training tissue are NaN in predicted values: take
    `data[data.obs["trusted"]]` for statistics that read every spot.

    Of a section, X has the raw counts of all measured genes, sparse; `uns["histoscribe"]` has its
    patient and the facts of the manifest.

    Raises
    ------
    ValueError
        for a section that was not sequenced.

    Examples
    --------
    >>> import histoscribe as hs
    >>> data = hs.to_anndata(hs.predict_slide("ridge", "biopsy.svs"))  # doctest: +SKIP
    >>> measured = hs.to_anndata(hs.read_cohort("cohort.csv")["S1"])  # doctest: +SKIP
    """
    if isinstance(item, Section):
        return _of_section(item)
    layers = _layers(item)
    data = _frame(item.head, item.slide, layers)
    data.X = item.values.astype(np.float32)
    for name, values in layers.items():
        data.layers[name] = values.astype(np.float32)
    return data


def write_prediction(prediction: Prediction, path: Path) -> None:
    """Write the prediction as h5ad; equal predictions are equal files, to the byte."""
    layers = {name: [values] for name, values in _layers(prediction).items()}
    write_blocks(prediction.head, [prediction.values], path, prediction.slide, layers=layers)


def write_blocks(
    head: Head,
    blocks: Blocks,
    path: Path,
    slide: Slide | None = None,
    *,
    layers: Mapping[str, Blocks] = MappingProxyType({}),
) -> None:
    """Write a prediction whose values come in blocks of rows, of which one is held at a time.

    `layers` are what it says beside the values, by name, in such blocks too.
    """
    with replacing(path) as temporary:
        # h5py stores no times unless told to, and anndata writes in a fixed order
        _frame(head, slide, layers).write_h5ad(temporary, compression="gzip")
        with h5py.File(temporary, "r+") as file:
            if "X" in file:
                del file["X"]
            _fill(file, "X", head, blocks)
            for name, of in layers.items():
                _fill(file, f"layers/{name}", head, of)


def read_prediction(path: Path) -> Prediction:
    """Read what `write_prediction` wrote, but for the slide; values come back as float32.

    Files of older versions, with gene ids as `var_names`, are read as well.
    """
    with opened_hdf5(path, "a complete prediction of histoscribe"):
        return _prediction(ad.read_h5ad(path))


def read_values(
    path: Path, names: Sequence[str]
) -> Iterator[tuple[Float[np.ndarray, "n G"], dict[str, Float[np.ndarray, " n"]]]]:
    """Read the values of a prediction in blocks of rows, each with these facts of its spots."""
    facts = read_spot_facts(path, names)
    with h5py.File(path) as file:
        values = file["X"]
        for start in range(0, len(values), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            of_rows = {name: fact[rows] for name, fact in facts.items()}
            yield values[rows].astype(np.float64), of_rows


def read_spot_facts(path: Path, names: Sequence[str]) -> dict[str, Float[np.ndarray, " N"]]:
    """Read these facts of the spots of a prediction, by name."""
    with h5py.File(path) as file:
        return {name: file[f"obs/{name}"][:].astype(np.float64) for name in names}


def read_warnings(path: Path) -> tuple[str, ...]:
    """Warnings that were written with a prediction."""
    with h5py.File(path) as file:
        told = file.get(f"uns/{_ABOUT}/warnings")
        return () if told is None else tuple(told.asstr()[:])


def _of_section(section: Section) -> ad.AnnData:
    """Counts of a section, with its patient and manifest."""
    counts, spots = section.measured, section.spots
    facts = {"facts": dict(section.facts), "dropped": dict(section.dropped)}
    about = {"section": section.id, "patient": section.patient, "unit": _COUNTS}
    about |= _about_spots(spots) | group_of_card(json.dumps(facts))
    return ad.AnnData(
        X=sp.csr_matrix(counts.matrix, dtype=np.float32),
        obs=spot_axis(spots, {}),
        var=gene_axis(counts.gene_ids, counts.gene_names),
        obsm={"spatial": spots.xy},
        uns=_uns(section.id, about, spots, section.slide),
    )


def _frame(head: Head, slide: Slide | None, layers: Iterable[str]) -> ad.AnnData:
    """Everything of a prediction but its values and these layers."""
    spots = head.spots
    about: dict[str, Any] = {name: getattr(head, name) for name in _WORDS}
    about |= _about_spots(spots)
    if MEASURED in layers:
        about["measured_unit"] = _COUNTS
    if head.card:
        about["card"] = group_of_card(head.card)
    if head.warnings:
        about["warnings"] = np.array(head.warnings, dtype=object)
    if head.evidence_names:
        names = head.evidence_names.items()
        about["columns"] = {name: np.array(columns, dtype=object) for name, columns in names}
    facts = {
        name: values.astype(_KINDS[name]) if name in _KINDS else values
        for name, values in head.spot_facts.items()
    }
    return ad.AnnData(
        obs=spot_axis(spots, facts),
        var=gene_axis(head.genes, head.gene_names, head.gene_facts),
        obsm={"spatial": spots.xy, **head.evidence},
        uns=_uns(head.section, about, spots, slide),
    )


def _uns(section: str, about: dict[str, Any], spots: Spots, slide: Slide | None) -> dict[str, Any]:
    if slide is None:
        return {_ABOUT: about}
    return {
        _ABOUT: about | {"mpp": slide.mpp},
        "spatial": {section: tissue_images(slide, spots)},
    }


def _about_spots(spots: Spots) -> dict[str, Any]:
    sizes = {"diameter_um": spots.diameter_um, "pitch_um": spots.pitch_um}
    known = {name: size for name, size in sizes.items() if size is not None}
    return {"shape": spots.shape, **known}


def _layers(prediction: Prediction) -> dict[str, Float[np.ndarray, "N G"]]:
    measured = prediction.measured
    return {**prediction.layers, **({} if measured is None else {MEASURED: measured})}


def _fill(file: h5py.File, name: str, head: Head, blocks: Blocks) -> None:
    """Write a dense array [N, G] from blocks of rows."""
    values = file.create_dataset(name, shape=head.shape, dtype="float32")
    # the mark of a dense array in AnnData's on-disk specification
    values.attrs["encoding-type"], values.attrs["encoding-version"] = "array", "0.2.0"
    row = 0
    for block in blocks:
        values[row : row + len(block)] = block.astype(np.float32)
        row += len(block)
    if row != len(head.spots):
        raise ValueError(f"{row} rows of {name} for {len(head.spots)} spots")


def _prediction(data: ad.AnnData) -> Prediction:
    layers = {name: np.asarray(of, dtype=np.float32) for name, of in data.layers.items()}
    values = np.asarray(data.X, dtype=np.float32)
    return Prediction.of_layers(head_in(data), values, layers, measured=layers.get(MEASURED))


def head_in(data: ad.AnnData) -> Head:
    """The head of a prediction in AnnData, whose values may be left out."""
    about = about_in(data)
    section, unit, predictor = (str(about[name]) for name in _WORDS)
    return Head(
        section=section,
        spots=_spots(data, about),
        genes=genes_in(data.var),
        unit=unit,
        predictor=predictor,
        gene_names=gene_names_in(data.var),
        gene_facts=gene_facts_in(data.var),
        spot_facts=spot_facts_in(data.obs),
        evidence={
            str(name): np.asarray(values, dtype=np.float64)
            for name, values in data.obsm.items()
            if name != "spatial"
        },
        evidence_names=_evidence_names(about),
        card=card_in(about),
        warnings=tuple(str(warning) for warning in about.get("warnings", ())),
    )


def about_in(data: ad.AnnData) -> Mapping[str, Any]:
    """What histoscribe says of a prediction in AnnData: section, unit, spots and card."""
    about: Mapping[str, Any] = data.uns[_ABOUT]
    return about


def _spots(data: ad.AnnData, about: Mapping[str, Any]) -> Spots:
    return Spots(
        tuple(data.obs_names.astype(str)),
        np.asarray(data.obsm["spatial"], dtype=np.float64),
        float(about["diameter_um"]) if "diameter_um" in about else None,
        float(about["pitch_um"]) if "pitch_um" in about else None,
        str(about["shape"]),  # type: ignore[arg-type]
        array_in(data.obs),
    )


def _evidence_names(about: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    columns = about.get("columns", {})
    return {str(name): tuple(str(column) for column in of) for name, of in columns.items()}

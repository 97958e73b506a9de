"""Predictions to AnnData and back, so that they open in scanpy and squidpy."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from histoscribe.io.atomic import replacing
from histoscribe.io.hdf5 import opened_hdf5
from histoscribe.types import Head, Prediction, Slide, Spots
from histoscribe.types.prediction import CLIPPED, LAYERS, TRUSTED

GRID = ("array_row", "array_col")
"""Spot facts of places on a grid: row and column of the grid, under scanpy's names."""
_KINDS = dict.fromkeys((*GRID, CLIPPED), np.int32) | {TRUSTED: np.bool_}
_ABOUT = "histoscribe"
_NAME = "gene_name"
_WORDS = ("section", "unit", "predictor")
_PICTURE_PX = 1000
_BLOCK_ROWS = 4096

Blocks = Iterable[Float[np.ndarray, "_ G"]]
"""Consecutive rows of values."""


@dataclass(frozen=True, eq=False)
class Background:
    """Background of a prediction: the slide as scanpy and squidpy draw it, and its um/px."""

    image: UInt8[np.ndarray, "height width 3"]
    """The whole slide, at most about 1,000 px a side."""
    scale: float
    """Px of the image per level-0 px."""
    mpp: float
    """um per level-0 px."""
    warnings: tuple[str, ...] = ()
    """Warnings about an unusual slide, in words."""


def background(slide: Slide, warnings: tuple[str, ...] = ()) -> Background:
    """Small picture of a slide; a smaller slide keeps its size."""
    longest = max(slide.width, slide.height)
    image = slide.overview(max(1.0, longest / _PICTURE_PX) * slide.mpp)
    scale = max(image.shape[:2]) / longest
    return Background(image, scale, slide.mpp, warnings)


def to_anndata(prediction: Prediction, below: Background | None = None) -> ad.AnnData:
    """Convert a prediction to AnnData: X float32 [N, G], centres in `obsm["spatial"]`.

    Centres are level-0 px, x before y. Spot facts are columns of `obs` (`trusted` is boolean), gene
    facts of `var`, and evidence (e.g. the exemplars of each spot, or its scores of pathways) is in
    `obsm`; if genes have names in addition to their ids, these are the column `gene_name`.
    `uns["histoscribe"]` holds section, unit, predictor, its card as JSON, and the shape, diameter
    and (on a lattice) pitch of the spots, in um; in `columns`, names of the columns of evidence,
    such as `columns["pathways"]`; with a background also um/px and warnings. A background is
    written to `uns["spatial"]` as scanpy and squidpy expect it. A prediction of counts has its
    deviation, and the probability of additional zeros if the model has any, in `layers`. Spots
    beyond the training tissue are NaN in values and layers: take `data[data.obs["trusted"]]` for
    statistics that read every spot.

    Examples
    --------
    >>> import histoscribe as hs
    >>> data = hs.to_anndata(hs.predict_slide("ridge", "biopsy.svs"))  # doctest: +SKIP
    """
    data = _frame(prediction.head, below)
    data.X = prediction.values.astype(np.float32)
    for name, values in prediction.layers.items():
        data.layers[name] = values.astype(np.float32)
    return data


def write_prediction(prediction: Prediction, path: Path, below: Background | None = None) -> None:
    """Write the prediction as h5ad; equal predictions are equal files, to the byte."""
    layers = {name: [values] for name, values in prediction.layers.items()}
    write_blocks(prediction.head, [prediction.values], path, below, layers=layers)


def write_blocks(
    head: Head,
    blocks: Blocks,
    path: Path,
    below: Background | None = None,
    *,
    layers: Mapping[str, Blocks] = MappingProxyType({}),
) -> None:
    """Write a prediction whose values come in blocks of rows, of which one is held at a time.

    `layers` are what it says beside the values, by name, in such blocks too.
    """
    with replacing(path) as temporary:
        # h5py stores no times unless told to, and anndata writes in a fixed order
        _frame(head, below).write_h5ad(temporary)
        with h5py.File(temporary, "r+") as file:
            if "X" in file:
                del file["X"]
            _fill(file, "X", head, blocks)
            for name, of in layers.items():
                _fill(file, f"layers/{name}", head, of)


def read_prediction(path: Path) -> Prediction:
    """Read what `write_prediction` wrote; values come back as float32."""
    with opened_hdf5(path, "a complete prediction of histoscribe"):
        return _prediction(ad.read_h5ad(path))


def _prediction(data: ad.AnnData) -> Prediction:
    about = data.uns[_ABOUT]
    words = [str(about[name]) for name in _WORDS]
    spots = Spots(
        tuple(data.obs_names.astype(str)),
        np.asarray(data.obsm["spatial"], dtype=np.float64),
        float(about["diameter_um"]) if "diameter_um" in about else None,
        float(about["pitch_um"]) if "pitch_um" in about else None,
        str(about["shape"]),  # type: ignore[arg-type]
    )
    section, unit, predictor = words
    head = Head(
        section=section,
        spots=spots,
        genes=tuple(data.var_names.astype(str)),
        unit=unit,
        predictor=predictor,
        gene_names=tuple(data.var[_NAME].astype(str)) if _NAME in data.var else (),
        gene_facts=_facts(data.var),
        spot_facts=_facts(data.obs),
        evidence={
            str(name): np.asarray(values, dtype=np.float64)
            for name, values in data.obsm.items()
            if name != "spatial"
        },
        evidence_names=_evidence_names(about),
        card=str(about.get("card", "")),
    )
    layers = {
        name: np.asarray(data.layers[name], dtype=np.float32)
        for name in LAYERS
        if name in data.layers
    }
    return Prediction(head, np.asarray(data.X, dtype=np.float32), **layers)


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


def _frame(head: Head, below: Background | None) -> ad.AnnData:
    """Everything but X."""
    spots = head.spots
    about: dict[str, Any] = {name: getattr(head, name) for name in _WORDS}
    about |= {"shape": spots.shape, "card": head.card}
    if spots.diameter_um is not None:
        about["diameter_um"] = spots.diameter_um
    if spots.pitch_um is not None:
        about["pitch_um"] = spots.pitch_um
    uns: dict[str, Any] = {_ABOUT: about}
    if head.evidence_names:
        names = head.evidence_names.items()
        about["columns"] = {name: np.array(columns, dtype=object) for name, columns in names}
    if below is not None:
        about |= {"mpp": below.mpp, "warnings": np.array(below.warnings, dtype=object)}
        uns["spatial"] = {head.section: _library(below, spots.drawn_um / below.mpp)}
    return ad.AnnData(
        obs=_columns(head.spot_facts, spots.ids),
        var=_genes(head),
        obsm={"spatial": spots.xy, **head.evidence},
        uns=uns,
    )


def _columns(facts: Mapping[str, Float[np.ndarray, " rows"]], ids: tuple[str, ...]) -> pd.DataFrame:
    columns = {
        name: values.astype(_KINDS[name]) if name in _KINDS else values
        for name, values in facts.items()
    }
    return pd.DataFrame(columns, index=pd.Index(ids, dtype=object))


def _genes(head: Head) -> pd.DataFrame:
    table = _columns(head.gene_facts, head.genes)
    if head.gene_names and head.gene_names != head.genes:
        # explicit, because pandas 3 would use its string type, which anndata cannot write
        table.insert(0, _NAME, pd.Series(head.gene_names, index=table.index, dtype=object))
    return table


def _evidence_names(about: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    columns = about.get("columns", {})
    return {str(name): tuple(str(column) for column in of) for name, of in columns.items()}


def _facts(table: pd.DataFrame) -> dict[str, np.ndarray]:
    numbers = table.select_dtypes(["number", "bool"])
    return {str(name): numbers[name].to_numpy(dtype=np.float64) for name in numbers}


def _library(below: Background, diameter_px: float) -> dict[str, Any]:
    """Layout of one slide as made common by scanpy's reader of Visium."""
    return {
        "images": {"hires": below.image},
        "scalefactors": {
            "tissue_hires_scalef": below.scale,
            "spot_diameter_fullres": diameter_px,
        },
        "metadata": {},
    }

"""Predictions of whole patients to AnnData and back: `bulk.h5ad`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from histoscribe.io.atomic import replacing
from histoscribe.io.hdf5 import opened_hdf5
from histoscribe.io.predictions.axes import gene_axis, gene_names_in, genes_in
from histoscribe.io.predictions.card_group import card_in, group_of_card
from histoscribe.types import TRUSTED, BulkPrediction, Spots, TileEvidence

FILE = "bulk.h5ad"
_ABOUT = "histoscribe"
_DEVIATION = "deviation"
_WORDS = ("unit", "predictor")


def bulk_to_anndata(prediction: BulkPrediction) -> ad.AnnData:
    """Convert a prediction to AnnData: X float32 [patients, genes].

    Facts of patients are columns of `obs`, `trusted` among them. The deviation between members is
    the layer `deviation`. `uns["histoscribe"]` holds unit, predictor and its card, and in
    `evidence` for each section its patient, the ids and centres of its tiles, and their maps. Genes
    are named as in the prediction of a section, see `to_anndata`.
    """
    about: dict[str, Any] = {name: getattr(prediction, name) for name in _WORDS}
    if prediction.card:
        about["card"] = group_of_card(prediction.card)
    about["evidence"] = {
        section: {
            "patient": of.patient,
            "tiles": np.array(of.spots.ids, dtype=object),
            "spatial": of.spots.xy,
            "diameter_um": np.nan if of.spots.diameter_um is None else of.spots.diameter_um,
            "pitch_um": np.nan if of.spots.pitch_um is None else of.spots.pitch_um,
            "shape": of.spots.shape,
            "values": {name: of.values[name].astype(np.float32) for name in sorted(of.values)},
        }
        for section, of in sorted(prediction.evidence.items())
    }
    facts = {
        name: values.astype(bool) if name == TRUSTED else values
        for name, values in prediction.patient_facts.items()
    }
    data = ad.AnnData(
        X=prediction.values.astype(np.float32),
        obs=pd.DataFrame(facts, index=pd.Index(prediction.patients, dtype=object)),
        var=gene_axis(prediction.genes, prediction.gene_names),
        uns={_ABOUT: about},
    )
    if prediction.deviation is not None:
        data.layers[_DEVIATION] = prediction.deviation.astype(np.float32)
    return data


def write_bulk(prediction: BulkPrediction, path: Path) -> None:
    """Write the prediction as h5ad; equal predictions are equal files, to the byte."""
    with replacing(path) as temporary:
        bulk_to_anndata(prediction).write_h5ad(temporary)


def read_bulk(path: Path) -> BulkPrediction:
    """Read what `write_bulk` wrote; values come back as float32."""
    with opened_hdf5(path, "a complete bulk.h5ad of histoscribe"):
        return _bulk(ad.read_h5ad(path))


def _bulk(data: ad.AnnData) -> BulkPrediction:
    about = data.uns[_ABOUT]
    words = {name: str(about[name]) for name in _WORDS}
    evidence = {str(s): _evidence(of) for s, of in about.get("evidence", {}).items()}
    deviation = data.layers.get(_DEVIATION)
    return BulkPrediction(
        patients=tuple(data.obs_names.astype(str)),
        genes=genes_in(data.var),
        values=np.asarray(data.X, dtype=np.float32),
        deviation=None if deviation is None else np.asarray(deviation, dtype=np.float32),
        gene_names=gene_names_in(data.var),
        evidence=evidence,
        patient_facts={
            str(name): data.obs[name].to_numpy(dtype=np.float64) for name in data.obs.columns
        },
        card=card_in(about),
        **words,
    )


def _evidence(of: Mapping[str, Any]) -> TileEvidence:
    pitch_um = float(of["pitch_um"])
    spots = Spots(
        tuple(str(tile) for tile in of["tiles"]),
        np.asarray(of["spatial"], dtype=np.float64),
        None if np.isnan(of["diameter_um"]) else float(of["diameter_um"]),
        None if np.isnan(pitch_um) else pitch_um,
        str(of["shape"]),  # type: ignore[arg-type]
    )
    values = {str(name): np.asarray(array) for name, array in of.get("values", {}).items()}
    return TileEvidence(patient=str(of["patient"]), spots=spots, values=values)

"""Predictions to AnnData and back, so that they open in scanpy and squidpy."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from histoscribe.io.atomic import replacing
from histoscribe.io.table import broken
from histoscribe.types import Prediction, Spots

_ABOUT = "histoscribe"
_WORDS = ("section", "unit", "predictor")
_NUMBERS = ("diameter_um", "pitch_um")


def to_anndata(prediction: Prediction) -> ad.AnnData:
    """Give the prediction as AnnData: X float32 [N, G], centres in `obsm["spatial"]`.

    Centres are level-0 px, x before y. `uns["histoscribe"]` holds section, unit, predictor, and
    the diameter and pitch of the spots in um.
    """
    spots = prediction.spots
    return ad.AnnData(
        X=prediction.values.astype(np.float32),
        obs=pd.DataFrame(index=pd.Index(spots.ids, dtype=object)),
        var=pd.DataFrame(index=pd.Index(prediction.genes, dtype=object)),
        obsm={"spatial": spots.xy},
        uns={
            _ABOUT: {name: getattr(prediction, name) for name in _WORDS}
            | {name: getattr(spots, name) for name in _NUMBERS}
        },
    )


def write_prediction(prediction: Prediction, path: Path) -> None:
    """Write the prediction as h5ad; equal predictions are equal files, to the byte."""
    with replacing(path) as temporary:
        # h5py stores no times unless asked to, and anndata writes in a fixed order
        to_anndata(prediction).write_h5ad(temporary)


def read_prediction(path: Path) -> Prediction:
    """Read what `write_prediction` wrote; values come back as float32."""
    try:
        data = ad.read_h5ad(path)
        about = data.uns[_ABOUT]
        words = [str(about[name]) for name in _WORDS]
        diameter_um, pitch_um = (float(about[name]) for name in _NUMBERS)
        xy = np.asarray(data.obsm["spatial"], dtype=np.float64)
    except (OSError, KeyError, ValueError) as error:
        raise broken(
            path, f"truncated, or no prediction of histoscribe ({error})", "a complete prediction"
        ) from error
    section, unit, predictor = words
    return Prediction(
        section=section,
        spots=Spots(tuple(data.obs_names.astype(str)), xy, diameter_um, pitch_um),
        genes=tuple(data.var_names.astype(str)),
        values=np.asarray(data.X, dtype=np.float32),
        unit=unit,
        predictor=predictor,
    )

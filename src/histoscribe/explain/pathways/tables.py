"""Tables of the question `pathways`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from histoscribe.explain.pathways.border import N_BANDS
from histoscribe.explain.pathways.over_patients import RANDOM_SETS, SMOOTH_MAPS, PatientAgreement
from histoscribe.explain.pathways.results import PathwayResults, mean_pairs
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text

TABLE, SECTIONS, PATIENTS, LAYERS = "pathways.csv", "sections.csv", "patients.csv", "layers.csv"
PAIRS, BORDER, WEIGHTS = "pairs.csv", "border.csv", "weights.csv"


def write_tables(results: PathwayResults, n_genes: Mapping[str, int], out: Path) -> tuple[str, ...]:
    """Write all tables that there is something for; the one of pathways comes first.

    Parameters
    ----------
    n_genes
        Pathway -> number of its genes outside the training.
    """
    tables = {
        TABLE: _pathways(results, n_genes),
        PATIENTS: _patients(results),
        SECTIONS: pd.DataFrame(_sections(results)),
        LAYERS: _layers(results),
        PAIRS: _pairs(results),
        BORDER: pd.DataFrame(_border(results)),
        WEIGHTS: _weights(results),
    }
    written = {name: table for name, table in tables.items() if len(table)}
    for name, table in written.items():
        write_text(out / name, csv_text(table))
    return tuple(written)


def _pathways(results: PathwayResults, n_genes: Mapping[str, int]) -> pd.DataFrame:
    """A row for each pathway, the highest correlation of its score first."""
    columns: dict[str, Any] = {
        "pathway": results.names,
        "n_genes": [n_genes[name] for name in results.names],
        **_ranges("r_score", results.scores),
        "r_score_without_depth": results.over_patients(lambda of: of.of_scores.plain),
        "r_score_trained_genes": results.over_patients(lambda of: of.same_genes),
    }
    if results.attention is not None:
        columns |= _ranges("r_attention", results.attention)
    if results.border is not None:
        columns["r_border"] = results.border.of_pathways
    table = pd.DataFrame(columns)
    return table.sort_values("r_score", ascending=False, kind="stable")


def _ranges(name: str, agreement: PatientAgreement) -> dict[str, Any]:
    columns = {name: agreement.of_pathways}
    for kind in (RANDOM_SETS, SMOOTH_MAPS):
        low, high = agreement.ranges(kind)
        columns |= {f"{name}_{kind}_low": low, f"{name}_{kind}_high": high}
    return columns


def _patients(results: PathwayResults) -> pd.DataFrame:
    """A row for each patient: means over pathways."""
    parts = {"r_score": results.scores, "r_attention": results.attention}
    columns = {
        name: [float(np.nanmean(of.by_patient[patient])) for patient in of.by_patient]
        for name, of in parts.items()
        if of is not None
    }
    if results.pairs is not None:
        columns["r_coactivity"] = [float(of[0]) for of in results.pairs.by_patient.values()]
    return pd.DataFrame({"patient": list(results.scores.by_patient), **columns})


def _sections(results: PathwayResults) -> Iterator[dict[str, Any]]:
    for section in results.sections:
        for place, name in enumerate(results.names):
            attention = section.of_attention
            yield {
                "section": section.section.id,
                "patient": section.patient,
                "pathway": name,
                "n_spots": len(section.scores),
                "r_score": section.of_scores.value[place],
                "r_score_without_depth": section.of_scores.plain[place],
                "r_attention": np.nan if attention is None else attention.value[place],
            }


def _layers(results: PathwayResults) -> pd.DataFrame:
    """A row for each layer; `coactivity` with its range after names are exchanged."""
    layers = results.layers
    columns: dict[str, Any] = {"layer": np.arange(1, len(layers) + 1)}
    if results.attention is not None:
        columns["r_attention"] = [float(np.nanmean(of)) for of in layers]
    if results.pairs is not None:
        for name, values in _ranges_of_pairs(results.pairs).items():
            columns[name] = values[1:]
    return pd.DataFrame(columns)


def _ranges_of_pairs(pairs: PatientAgreement) -> dict[str, np.ndarray]:
    columns = {"r_coactivity": pairs.of_pathways}
    for kind in pairs.by_chance:
        low, high = pairs.ranges(kind)
        columns |= {f"r_coactivity_{kind}_low": low, f"r_coactivity_{kind}_high": high}
    return columns


def _pairs(results: PathwayResults) -> pd.DataFrame:
    """A row for each pair of pathways: means over sections."""
    if results.pairs is None:
        return pd.DataFrame()
    attention, coactivity = mean_pairs(results.sections)
    first, second = np.triu_indices(len(results.names), 1)
    layers = {f"attention_layer_{number}": of for number, of in enumerate(attention[1:], start=1)}
    return pd.DataFrame(
        {
            "pathway": [results.names[row] for row in first],
            "other": [results.names[row] for row in second],
            "coactivity": coactivity[first, second],
            "attention": attention[0][first, second],
            **{name: of[first, second] for name, of in layers.items()},
        }
    )


def _border(results: PathwayResults) -> Iterator[dict[str, Any]]:
    """A row for each section, pathway and band, from deep inside outwards."""
    for section in results.sections:
        profiles = section.border
        if profiles is None:
            continue
        width, n_spots = profiles.bands.width_um, profiles.bands.n_spots()
        low, high = np.percentile(profiles.smooth_maps, [2.5, 97.5], axis=0)
        for place, name in enumerate(results.names):
            for row, band in enumerate(range(-N_BANDS, N_BANDS)):
                yield {
                    "section": section.section.id,
                    "pathway": name,
                    "from_um": -np.inf if band == -N_BANDS else band * width,
                    "to_um": np.inf if band == N_BANDS - 1 else (band + 1) * width,
                    "n_spots": n_spots[row],
                    "score": profiles.scores[row, place],
                    "score_smooth_maps_low": low[row, place],
                    "score_smooth_maps_high": high[row, place],
                    "measured": profiles.measured[row, place],
                }


def _weights(results: PathwayResults) -> pd.DataFrame:
    weights = results.weights
    if weights is None:
        return pd.DataFrame()
    low, high = np.percentile(weights.random_sets, [2.5, 97.5], axis=0)
    what = "added_weight" if weights.moved else "weight"
    return pd.DataFrame(
        {
            "pathway": weights.names,
            "auroc": weights.value,
            "auroc_random_sets_low": low,
            "auroc_random_sets_high": high,
            f"mean_{what}_of_members": weights.member_mean,
            f"mean_{what}_of_others": weights.other_mean,
        }
    )

"""Tables of an answer: by level, by measure, by patient, by pair of levels, and by tile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from histoscribe.data.tile_measures.measures import MEASURES
from histoscribe.explain.levels.bins import N_BINS, LevelBins
from histoscribe.explain.levels.permutations import FEWEST_PATIENTS
from histoscribe.explain.levels.results import PREDICTED, LevelResults
from histoscribe.explain.levels.spots import LevelSpots
from histoscribe.explain.levels.tiles import TileLooks
from histoscribe.explain.levels.trends import mean_over_groups


@final
@dataclass(frozen=True, eq=False)
class LevelData:
    """Everything that tables and figures show."""

    spots: LevelSpots
    measured: Float[np.ndarray, " N"]
    """Of each spot, or of its patient; NaN where not measured."""
    label: Float[np.ndarray, " N"]
    """The values that make the levels."""
    bins: LevelBins
    sheets: tuple[Int[np.ndarray, " _"], ...]
    """Spots of the contact sheet, level by level."""
    sample: Int[np.ndarray, " n"]
    """Spots that the numbers are of."""
    looks: TileLooks
    concepts: tuple[str, ...]

    @property
    def level(self) -> Int[np.ndarray, " N"]:
        """Level of each spot, from 0."""
        return self.bins.of(self.label)

    @property
    def predicted(self) -> Float[np.ndarray, " N"]:
        """Prediction to compare with the measured value: of the spot, or of its patient."""
        spots = self.spots
        return spots.predicted if spots.of_patients is None else spots.of_patients[spots.patient]

    @property
    def units(self) -> Int[np.ndarray, " U"]:
        """Spots that are counted: all, or one for each patient of a bag model."""
        if self.spots.of_patients is None:
            return np.arange(len(self.spots))
        return np.searchsorted(self.spots.patient, np.arange(len(self.spots.patients)))

    def concept_means(self) -> Float[np.ndarray, "P 7 M"]:
        """Mean of each measure over the sample, by patient and level; NaN without a tile."""
        values = self.looks.concepts[self.looks.places(self.sample)]
        means = np.full((len(self.spots.patients), N_BINS, len(self.concepts)), np.nan)
        patient, level = self.spots.patient[self.sample], self.level[self.sample]
        for one in np.unique(patient):
            for at in np.unique(level[patient == one]):
                means[one, at] = mean_over_groups(values[(patient == one) & (level == at)])
        return means


def tile_table(data: LevelData) -> pd.DataFrame:
    """One line for each tile that was read."""
    spots, rows = data.spots, data.looks.spots
    on_sheet = np.concatenate(data.sheets)
    patient_value = {} if spots.of_patients is None else {"patient_predicted": data.predicted[rows]}
    attention = {} if spots.attention is None else {"attention": spots.attention[rows]}
    return pd.DataFrame(
        {
            "section": [spots.sections[place].id for place in spots.section[rows]],
            "patient": [spots.patients[place] for place in spots.patient[rows]],
            "subtype": [spots.subtype(row) for row in rows.tolist()],
            "spot": [spots.spot_id(row) for row in rows.tolist()],
            "level": data.level[rows] + 1,
            "on_sheet": np.isin(rows, on_sheet),
            "in_numbers": np.isin(rows, data.sample),
            "measured": data.measured[rows],
            "predicted": spots.predicted[rows],
            **patient_value,
            **attention,
            **dict(zip(data.concepts, data.looks.concepts.T, strict=True)),
        }
    )


def level_table(data: LevelData, results: LevelResults) -> pd.DataFrame:
    """One line for each level: how many, mean values, likeness, and means over patients."""
    units, level = data.units, data.level
    values = {"measured": data.measured[units], "predicted": data.predicted[units]}
    patient, sample = data.spots.patient, data.sample
    rows = [np.flatnonzero(level[units] == one) for one in range(N_BINS)]
    means = mean_over_groups(data.concept_means())
    of_bins = {name: data.bins.of(of[~np.isnan(of)]) for name, of in values.items()}
    return pd.DataFrame(
        {
            "level": np.arange(1, N_BINS + 1),
            "from": data.bins.edges[:-1],
            "to": data.bins.edges[1:],
            **{f"n_{name}": np.bincount(of, minlength=N_BINS) for name, of in of_bins.items()},
            "n_patients": [len(np.unique(patient[level == one])) for one in range(N_BINS)],
            "n_tiles": np.bincount(level[sample], minlength=N_BINS),
            **{
                f"mean_{name}": [of[row].mean() if len(row) else np.nan for row in rows]
                for name, of in values.items()
            },
            "ssim_within": np.diag(results.structure[0]),
            "n_pairs_ssim": np.diag(results.structure[1]),
            "cosine_within": np.diag(results.features[0]),
            "n_pairs_cosine": np.diag(results.features[1]),
            **dict(zip(data.concepts, means.T, strict=True)),
        }
    )


def trend_table(results: LevelResults, columns: Sequence[str], n_patients: int) -> pd.DataFrame:
    """One line for each measure; p is empty below six patients."""
    units = {measure.name: measure.unit for measure in MEASURES}
    lines = [results[f"trend_{name}"] for name in columns]
    chance = [line.by_chance for line in lines]
    return pd.DataFrame(
        {
            "measure": columns,
            "unit": [units.get(name, "") for name in columns],
            "trend": [line.value for line in lines],
            "chance_low": [np.nan if one.low is None else one.low for one in chance],
            "chance_high": [np.nan if one.high is None else one.high for one in chance],
            "p": [line.p if n_patients >= FEWEST_PATIENTS else np.nan for line in lines],
        }
    )


def patient_table(data: LevelData, results: LevelResults, columns: Sequence[str]) -> pd.DataFrame:
    """The values behind the trends: of each patient its trend, or its label and means."""
    spots = data.spots
    if spots.of_patients is None:
        of = {f"trend_{name}": at for name, at in zip(columns, results.of_patients.T, strict=True)}
        return pd.DataFrame({"patient": spots.patients, **of})
    names = [name for name in columns if name != PREDICTED]
    means = mean_over_groups(np.moveaxis(data.concept_means(), 1, 0))
    return pd.DataFrame(
        {
            "patient": spots.patients,
            "level": data.level[data.units] + 1,
            "measured": data.measured[data.units],
            "predicted": spots.of_patients,
            **dict(zip(names, means.T, strict=True)),
        }
    )


def pair_table(results: LevelResults) -> pd.DataFrame:
    """Likeness of tiles of different patients for each two levels."""
    first, second = np.triu_indices(N_BINS)
    return pd.DataFrame(
        {
            "level": first + 1,
            "other_level": second + 1,
            "ssim": results.structure[0][first, second],
            "n_pairs_ssim": results.structure[1][first, second],
            "cosine": results.features[0][first, second],
            "n_pairs_cosine": results.features[1][first, second],
        }
    )

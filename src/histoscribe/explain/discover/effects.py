"""Effect of a concept on a gene: their rank correlation within sections, and what explains it."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from time import perf_counter
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from histoscribe.explain.discover.tissue_values import CONTROLS, TissueValues
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.surrogates import N_DRAWS, surrogates
from histoscribe.progress import track
from histoscribe.seed import integer

FEWEST_SPOTS = 20
"""Spots with both values, below which a section says nothing of a pair."""
_SEED = 0  # of the surrogates; nobody needs another one
_CONSTANT = 1e-9


@final
@dataclass(frozen=True, eq=False)
class PatientEffects:
    """Effect of each concept on each gene in one patient: the mean over the sections."""

    patient: str
    measured: Float[np.ndarray, "G C"]
    """Rank correlation; NaN where no section has both."""
    predicted: Float[np.ndarray, "G C"]
    """The same of the predicted values."""
    given: dict[str, Float[np.ndarray, "G C"]]
    """What is left of it when each of `CONTROLS` is taken out of gene and concept."""


def patient_effects(
    values: Sequence[TissueValues], concepts: Sequence[str]
) -> list[PatientEffects]:
    """Effects of every patient, in the order of their names."""
    return [
        PatientEffects(
            patient=patient,
            measured=_mean([_effects(of.measured, of.same_concepts(concepts)) for of in own]),
            predicted=_mean([_effects(of.predicted, of.same_concepts(concepts)) for of in own]),
            given={
                name: _mean([_effects_given(of, concepts, name) for of in own]) for name in CONTROLS
            },
        )
        for patient, own in by_patient(values)
    ]


def by_patient(values: Sequence[TissueValues]) -> list[tuple[str, list[TissueValues]]]:
    """Sections of each patient, in the order of their names."""
    names = sorted({of.patient for of in values})
    return [(name, [of for of in values if of.patient == name]) for name in names]


def effects_by_chance(
    values: Sequence[TissueValues], concepts: Sequence[str]
) -> Float[np.ndarray, "draws G C"]:
    """Mean effect over patients of concepts replaced by random maps that are as smooth."""
    patients = by_patient(values)
    shape = (N_DRAWS, values[0].measured.shape[1], len(concepts))
    total, n_patients = np.zeros(shape), np.zeros(shape)
    start = perf_counter()
    with closing(track(patients, "random maps of concepts")) as tracked:
        for number, (_, own) in enumerate(tracked):
            # one patient at a time: all draws of many patients fill the memory
            of_patient = _mean([_random_effects(of, concepts) for of in own])
            n_patients += np.isfinite(of_patient)
            total += np.nan_to_num(of_patient)
            if number == 0:
                seconds = (perf_counter() - start) * len(patients)
                tell_estimate(f"random maps in {len(patients)} patients", seconds)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / n_patients)


def mean_effect(
    patients: Sequence[PatientEffects],
) -> Float[np.ndarray, "G C"]:
    """Mean effect over patients; NaN where no patient has the pair."""
    return _mean([of.measured for of in patients])


def _effects(
    genes: Float[np.ndarray, "n G"], concept: Float[np.ndarray, "n C"]
) -> Float[np.ndarray, "G C"]:
    columns = []
    for one in concept.T:
        known = np.isfinite(one)
        if not _is_usable(one[known]):
            columns.append(np.full(genes.shape[1], np.nan))
        else:
            columns.append(_standard(genes[known]).T @ _standard(one[known, None])[:, 0])
    return np.stack(columns, axis=1)


def _effects_given(
    of: TissueValues, concepts: Sequence[str], control: str
) -> Float[np.ndarray, "G C"]:
    """Partial rank correlation given the columns of a control."""
    columns = []
    for one in of.same_concepts(concepts).T:
        given = of.controls[control]
        known = np.isfinite(one) & np.isfinite(given).all(axis=1)
        if not _is_usable(one[known]):
            columns.append(np.full(of.measured.shape[1], np.nan))
            continue
        left = [
            _left(_standard(v), _standard(given[known]))
            for v in (of.measured[known], one[known, None])
        ]
        columns.append(left[0].T @ left[1][:, 0])
    return np.stack(columns, axis=1)


def _random_effects(of: TissueValues, concepts: Sequence[str]) -> Float[np.ndarray, "draws G C"]:
    """The same random signs for all concepts of a section, so that related ones stay related."""
    drawn = np.full((N_DRAWS, of.measured.shape[1], len(concepts)), np.nan)
    seed = integer(_SEED, f"explain-discover-{of.section}")  # sections are independent
    for column, one in enumerate(of.same_concepts(concepts).T):
        known = np.isfinite(one)
        if _is_usable(one[known]):
            rank = rankdata(one[known])
            maps = surrogates(rank, of.um[known], N_DRAWS, seed)
            drawn[:, :, column] = _unit(maps.T).T @ _standard(of.measured[known])
    return drawn


def _is_usable(values: Float[np.ndarray, " n"]) -> bool:
    return len(values) >= FEWEST_SPOTS and bool(np.ptp(values) > _CONSTANT)


def _standard(values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Ranks of each column, of mean 0 and length 1; NaN for a constant or undefined column."""
    return _unit(np.asarray(rankdata(values, axis=0, nan_policy="propagate"), dtype=np.float64))


def _unit(values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    centred = values - values.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(length > _CONSTANT, centred / length, np.nan)


def _left(
    values: Float[np.ndarray, "n k"], given: Float[np.ndarray, "n _"]
) -> Float[np.ndarray, "n k"]:
    """What a linear fit on the control leaves, of length 1 again."""
    base = given[:, np.isfinite(given).all(axis=0)]
    known = np.isfinite(values).all(axis=0)
    left = np.full_like(values, np.nan)
    slope, *_ = np.linalg.lstsq(base, values[:, known], rcond=None)
    left[:, known] = values[:, known] - base @ slope
    return _unit(left)


def _mean(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over the defined parts; NaN where none is."""
    stacked = np.stack(parts)
    known = np.isfinite(stacked)
    with np.errstate(invalid="ignore"):
        return np.where(known, stacked, 0.0).sum(axis=0) / np.where(
            known.any(axis=0), known.sum(axis=0), np.nan
        )

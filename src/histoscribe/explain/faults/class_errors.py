"""Error of each class of held-out spots, and by chance; which classes training lacks."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from time import perf_counter
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_matrix

from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.faults.held_out import HeldOutSpots
from histoscribe.explain.faults.spot_classes import PATIENT, SpotDivision
from histoscribe.explain.finding import Number
from histoscribe.explain.surrogates import N_DRAWS, surrogates
from histoscribe.progress import track
from histoscribe.seed import integer, stream

FEWEST_PATIENTS = 6
"""Fewer patients are listed, and chance has no range."""
FEWEST_SPOTS = 5
"""Of a patient in a class; fewer do not count."""
MOST_SHARE = 0.5
"""A class lacks in training if its share there is at most this part of that in held-out tissue."""
_SEED = 0  # of permutations and surrogates; nobody needs another one
_FEWEST_PLACES = 3


@final
@dataclass(frozen=True, eq=False)
class ClassErrors:
    """Error of each class: mean over its patients, each the mean over its spots of the class."""

    classes: SpotDivision
    of_patient: Float[np.ndarray, "P C"]
    """Error of each patient in each class; NaN for fewer than five spots."""
    draws: Float[np.ndarray, "draws C"] | None
    """Errors by chance; None where patients are too few, and for the patients themselves."""

    @property
    def error(self) -> Float[np.ndarray, " C"]:
        """Error of each class; NaN where no patient has enough spots."""
        return _mean(self.of_patient[None])[0]

    @property
    def n_patients(self) -> tuple[int, ...]:
        """Patients of each class."""
        return tuple(int(n) for n in np.isfinite(self.of_patient).sum(axis=0))

    @property
    def is_above(self) -> Bool[np.ndarray, " C"]:
        """Whether the error of a class is above chance, all classes of the division together.

        A class is above chance if its distance from the mean of the draws, in their standard
        deviations, is above the 95th percentile of the largest such distance in a draw. Classes
        without an error are left out.
        """
        above = np.zeros(len(self.classes.classes), dtype=bool)
        if self.draws is None:
            return above
        known = np.isfinite(self.error) & np.isfinite(self.draws).all(axis=0)
        if known.any():
            draws = self.draws[:, known]
            mean, deviation = draws.mean(axis=0), np.maximum(draws.std(axis=0), 1e-12)
            limit = np.percentile(((draws - mean) / deviation).max(axis=1), 95)
            above[known] = (self.error[known] - mean) / deviation > limit
        return above

    @property
    def lacks(self) -> Bool[np.ndarray, " C"]:
        """Whether a class is rare in training: at most half of its share in held-out tissue."""
        numbers = range(len(self.classes.classes))
        shares = [(self.classes.training_share(at), self.classes.share(at)) for at in numbers]
        return np.array([rare <= MOST_SHARE * held for rare, held in shares])

    @property
    def under_represented(self) -> tuple[str, ...]:
        """Classes that are rare in training, with an error above chance.

        No class where training spots are not all known.
        """
        if not self.classes.knows_training:
            return ()
        return tuple(np.array(self.classes.classes)[self.lacks & self.is_above].tolist())

    def numbers(self) -> tuple[list[Number], list[Number]]:
        """Largest difference between classes, and the error of each, with their chance.

        Classes without an error are left out.
        """
        name, words = self.classes.name.replace(" ", "_"), self._chance_words
        known = np.flatnonzero(np.isfinite(self.error))
        statistic: list[Number] = []
        null: list[Number] = []
        if len(known) > 1:
            meaning = f"largest difference in error between classes of {self.classes.name}"
            statistic.append(Number(f"gap_{name}", float(np.ptp(self.error[known])), meaning))
            null.append(self._chance(f"gap_{name}", known, f"{meaning}; {words}"))
        for at in known:
            one = self.classes.classes[at]
            label = f"error_{name}_{one.replace(' ', '_')}"
            meaning = (
                f"squared error relative to that of the training mean, {self.classes.name} {one}, "
                f"mean over {self.n_patients[at]} patients"
            )
            statistic.append(Number(label, float(self.error[at]), meaning))
            null.append(self._chance(label, at, f"{meaning}; {words}"))
        return statistic, null

    @property
    def _chance_words(self) -> str:
        if self.draws is None:
            return f"mean over all patients: fewer than {FEWEST_PATIENTS} patients give no range"
        if self.classes.of_patients:
            return f"classes permuted over patients, {len(self.draws)} times"
        return f"of {len(self.draws)} equally smooth random maps of errors"

    def _chance(self, name: str, at: np.integer | Int[np.ndarray, " c"], meaning: str) -> Number:
        """Number by chance of one class, or of the gap between several."""
        of_gap = isinstance(at, np.ndarray)
        if self.draws is None:
            return Number(name, np.nan if of_gap else float(np.nanmean(self.of_patient)), meaning)
        drawn = self.draws[:, at]
        return Number.of_draws(name, np.ptp(drawn, axis=1) if of_gap else drawn, meaning)


def class_errors(spots: HeldOutSpots, divisions: Sequence[SpotDivision]) -> list[ClassErrors]:
    """Errors of the classes of each division, and by chance.

    Classes of patients are permuted over patients. Classes of spots stay, and the map of errors of
    each section is replaced by equally smooth random maps.
    """
    cells = [_Cells.of(spots, division) for division in divisions]
    of_spots = [of for of in cells if not of.division.of_patients]
    drawn = iter(_random_sums(spots, of_spots) if of_spots else [])
    errors = []
    for of in cells:
        of_patient = of.means((spots.error @ of.inside)[None])[0]
        if of.division.name == PATIENT:
            draws = None
        elif of.division.of_patients:
            draws = _permuted(of_patient)
        else:
            draws = _mean(of.means(next(drawn)))
        errors.append(ClassErrors(of.division, of_patient, draws))
    return errors


@final
@dataclass(frozen=True, eq=False)
class _Cells:
    """Spots of each patient in each class."""

    division: SpotDivision
    inside: csr_matrix
    """[N, patients x classes], 1 where a spot lies."""
    shape: tuple[int, int]

    @classmethod
    def of(cls, spots: HeldOutSpots, division: SpotDivision) -> "_Cells":
        shape = len(spots.patients), len(division.classes)
        rows = np.flatnonzero(division.code >= 0)
        cell = spots.keys.patient[rows] * shape[1] + division.code[rows]
        places = (np.ones(len(rows)), (rows, cell))
        inside = csr_matrix(places, shape=(len(spots), shape[0] * shape[1]))
        return cls(division, inside, shape)

    def means(self, sums: Float[np.ndarray, "draws cells"]) -> Float[np.ndarray, "draws P C"]:
        """Mean of each cell from its sum; NaN for too few spots."""
        n_spots = np.asarray(self.inside.sum(axis=0))[0]
        enough = n_spots >= FEWEST_SPOTS
        means = np.where(enough, sums / np.maximum(n_spots, 1), np.nan)
        return means.reshape(len(sums), *self.shape)


def _mean(of_patient: Float[np.ndarray, "draws P C"]) -> Float[np.ndarray, "draws C"]:
    """Mean over the patients that have the class; NaN for a class of nobody."""
    known = np.isfinite(of_patient)
    n_patients = known.sum(axis=1)
    total = np.where(known, of_patient, 0.0).sum(axis=1)
    return np.where(n_patients > 0, total / np.maximum(n_patients, 1), np.nan)


def _permuted(of_patient: Float[np.ndarray, "P C"]) -> Float[np.ndarray, "draws C"] | None:
    """Errors of the classes with patients permuted; None for too few patients."""
    rows, code = np.nonzero(np.isfinite(of_patient))  # each patient is of one class
    if len(rows) < FEWEST_PATIENTS:
        return None
    value = of_patient[rows, code]
    orders = [stream(_SEED, f"faults-{n}").permutation(len(value)) for n in range(N_DRAWS)]
    inside = (code[:, None] == np.arange(of_patient.shape[1])).astype(np.float64)
    with np.errstate(invalid="ignore"):  # a class of nobody
        return (value[np.array(orders)] @ inside) / inside.sum(axis=0)


def _random_sums(
    spots: HeldOutSpots, cells: Sequence[_Cells]
) -> list[Float[np.ndarray, "draws cells"]]:
    """Sums of errors in the cells, of random maps as smooth as the errors of each section."""
    sums = [np.zeros((N_DRAWS, of.inside.shape[1])) for of in cells]
    sections = [*spots.keys.by_section()]
    start = perf_counter()
    with closing(track(sections, "random maps of errors")) as tracked:
        for number, (name, _, rows) in enumerate(tracked):
            maps = _random_maps(spots.error[rows], spots.um[rows], name)
            for at, of in enumerate(cells):
                sums[at] += maps @ of.inside[rows]
            if number == 0:
                seconds = (perf_counter() - start) * len(sections)
                tell_estimate(f"random maps of errors of {len(sections)} sections", seconds)
    return sums


def _random_maps(
    error: Float[np.ndarray, " n"], um: Float[np.ndarray, "n 2"], section: str
) -> Float[np.ndarray, "draws n"]:
    if len(error) < _FEWEST_PLACES or np.ptp(error) == 0:
        return np.tile(error, (N_DRAWS, 1))
    return surrogates(error, um, N_DRAWS, integer(_SEED, f"faults-errors-{section}"))

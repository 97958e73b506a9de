"""The numbers of levels: trends of measures and likeness of tiles, each beside its chance level."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

from histoscribe.explain.finding import Number
from histoscribe.explain.levels.bins import LevelBins
from histoscribe.explain.levels.choice import spread_over_patients
from histoscribe.explain.levels.likeness import Likeness
from histoscribe.explain.levels.permutations import FEWEST_PATIENTS, N_DRAWS, permuted_labels
from histoscribe.explain.levels.spots import LevelSpots
from histoscribe.explain.levels.tiles import TileLooks
from histoscribe.explain.levels.trends import mean_over_groups, trends

PREDICTED = "predicted"
"""The prediction, whose trend stands beside those of the measures."""
LARGEST = "largest_deviation"
_N_STRUCTURE = 84  # tiles whose structure is compared: 3,500 pairs take two seconds
_DIFFERENCE = "{}_difference"
_ROUNDING = 1e-12


@final
@dataclass(frozen=True, eq=False)
class Permuted:
    """One number, and the same number with labels permuted over patients."""

    name: str
    meaning: str
    value: float
    draws: Float[np.ndarray, " draws"]
    """NaN where it is undefined."""

    @property
    def by_chance(self) -> Number:
        """Mean and range over the draws where it is defined."""
        words = f"{self.meaning}; {len(self.draws)} times with labels permuted over patients"
        return Number.of_draws(self.name, self._known, words) if self._known.size else self._none

    @property
    def number(self) -> Number:
        """The number itself."""
        return Number(self.name, self.value, self.meaning)

    @property
    def p(self) -> float:
        """Two-sided: twice the share of draws that are as high, or as low; NaN where undefined."""
        return float(np.minimum(1.0, 2 * np.minimum(self._share(1), self._share(-1))))

    @property
    def p_high(self) -> float:
        """Share of draws that are as high; NaN where undefined."""
        return self._share(1)

    def _share(self, sign: int) -> float:
        known = self._known
        if not known.size or np.isnan(self.value):
            return float("nan")
        as_far = sign * known >= sign * self.value - _ROUNDING
        return float((1 + as_far.sum()) / (1 + known.size))

    @property
    def _known(self) -> Float[np.ndarray, " k"]:
        return self.draws[~np.isnan(self.draws)]

    @property
    def _none(self) -> Number:
        return Number(self.name, float("nan"), self.meaning)


@final
@dataclass(frozen=True, eq=False)
class LevelResults:
    """All numbers of an answer."""

    numbers: tuple[Permuted, ...]
    """The largest deviation first."""
    of_patients: Float[np.ndarray, "groups M"]
    """Trend of each measure in each patient; of a model of bags one row, over all patients."""
    structure: tuple[Float[np.ndarray, "7 7"], Int[np.ndarray, "7 7"]]
    """Mean structural similarity of tiles of each two levels, and the number of pairs."""
    features: tuple[Float[np.ndarray, "7 7"], Int[np.ndarray, "7 7"]]
    """The same in the space of the encoder."""
    n_structure: int
    """Tiles whose structure was compared."""

    def __getitem__(self, name: str) -> Permuted:
        return next(number for number in self.numbers if number.name == name)


def results_of(
    spots: LevelSpots,
    label: Float[np.ndarray, " N"],
    bins: LevelBins,
    sample: Int[np.ndarray, " n"],
    looks: TileLooks,
    columns: Sequence[str],
) -> LevelResults:
    """Compute every number on the sample; `columns` names the measures, then `predicted` if any."""
    labels = np.vstack([label[sample], permuted_labels(spots, label, sample)])
    level, places = bins.of(labels), looks.places(sample)
    values = looks.concepts[places]
    if PREDICTED in columns:
        values = np.column_stack([values, _predicted(spots, sample)])
    patient = spots.patient[sample]
    each = _trends(spots, level, values, patient)
    numbers = [
        _permuted(f"trend_{name}", _trend_words(spots, name), draws)
        for name, draws in zip(columns, mean_over_groups(each).T, strict=True)
    ]
    some = spread_over_patients(patient, _N_STRUCTURE, spots.patients)
    structure = Likeness.of_structure(looks.grey[places[some]], patient[some])
    features = Likeness.of_features(looks.feature[places], patient)
    numbers += _likeness_numbers("ssim", "structural similarity", structure, level[:, some])
    numbers += _likeness_numbers("cosine", "cosine of the encoder's features", features, level)
    return LevelResults(
        numbers=(_largest(numbers), *numbers),
        of_patients=each[:, 0],
        structure=structure.between_levels(level[0, some]),
        features=features.between_levels(level[0]),
        n_structure=len(some),
    )


def numbers_of(
    results: LevelResults, n_patients: int
) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    """The numbers, and the same by chance; a p-value from six patients on."""
    statistic = [one.number for one in results.numbers]
    if n_patients >= FEWEST_PATIENTS:
        meaning = (
            "share of permutations of labels over patients with one as large: for all trends and "
            "likenesses together"
        )
        statistic.insert(1, Number(f"p_{LARGEST}", results[LARGEST].p_high, meaning))
    return tuple(statistic), tuple(one.by_chance for one in results.numbers)


def _predicted(spots: LevelSpots, sample: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    if spots.of_patients is not None:
        return spots.of_patients[spots.patient[sample]]
    return spots.predicted[sample]


def _trends(
    spots: LevelSpots,
    level: Int[np.ndarray, "draws n"],
    values: Float[np.ndarray, "n M"],
    patient: Int[np.ndarray, " n"],
) -> Float[np.ndarray, "groups draws M"]:
    """Within each patient over its tiles; of a bag model over the means of the patients."""
    if spots.of_patients is None:
        return trends(level, values, patient)
    names, first = np.unique(patient, return_index=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        means = np.stack([np.nanmean(values[patient == one], axis=0) for one in names])
    return trends(level[:, first], means, np.zeros(len(names), dtype=np.int64))


def _trend_words(spots: LevelSpots, name: str) -> str:
    if spots.of_patients is None:
        return f"rank correlation of the level with {name} within a patient, mean over patients"
    return f"rank correlation over patients of the level with the mean {name} of their tiles"


def _permuted(name: str, meaning: str, draws: Float[np.ndarray, " all"]) -> Permuted:
    return Permuted(name, meaning, float(draws[0]), draws[1:])


def _likeness_numbers(
    name: str, words: str, likeness: Likeness, level: Int[np.ndarray, "all n"]
) -> list[Permuted]:
    """Within a level, between levels, and the difference, of tiles of different patients."""
    within, between = likeness.within_and_between(level).T
    of = f"{words} of two tiles of different patients"
    return [
        _permuted(f"{name}_within", f"{of}, in one level", within),
        _permuted(f"{name}_between", f"{of}, in two levels", between),
        _permuted(
            _DIFFERENCE.format(name), f"{words}, within less between levels", within - between
        ),
    ]


def _largest(numbers: Sequence[Permuted]) -> Permuted:
    """How far the farthest number is from chance, in deviations of its draws.

    One test for all: of many numbers some are outside of their own range by chance.
    """
    names = [
        one
        for one in numbers
        if (one.name.startswith("trend_") and one.name != f"trend_{PREDICTED}")
        or one.name.endswith(_DIFFERENCE.format(""))
    ]
    every = np.array([[one.value, *one.draws] for one in names])
    farthest = np.full(1 + N_DRAWS, np.nan)
    which = "none is defined"
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Degrees of freedom|Mean of empty", RuntimeWarning)
        spread = np.nanstd(every, axis=1, keepdims=True)
        apart = np.abs(every - np.nanmean(every, axis=1, keepdims=True)) / spread
    apart[~(spread[:, 0] > 1e-12)] = np.nan
    some = ~np.isnan(apart).all(axis=0)
    if some[0]:
        farthest[some] = np.nanmax(apart[:, some], axis=0)
        which = names[int(np.nanargmax(apart[:, 0]))].name
    meaning = (
        "the farthest of all trends and differences of likeness from its mean by chance, in "
        f"standard deviations: {which}"
    )
    return _permuted(LARGEST, meaning, farthest)

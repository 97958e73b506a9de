"""Which facts a linear classifier reads off features or the last layer, on new tissue.

What a representation knows beyond its task was shown on the retina, whose images tell age, sex and
smoking (Poplin et al. 2018, doi:10.1038/s41551-018-0195-0).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import final

import numpy as np
from jaxtyping import Float, Int

from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.faults.class_errors import FEWEST_PATIENTS
from histoscribe.explain.faults.held_out import LAST_LAYER, HeldOutSpots
from histoscribe.explain.faults.spot_classes import PATIENT
from histoscribe.explain.finding import Number
from histoscribe.progress import track
from histoscribe.seed import stream

N_PERMUTATIONS = 199
MOST_AXES = 32
"""Principal axes that the classifier reads."""
FEWEST_UNITS = 2
"""Of a class: it is learned from the others when one is left out."""
_RIDGE = 0.1  # of the mean variance of an axis
_SEED = 0  # of permutations; nobody needs another one
_TIMED = 2  # permutations that the estimate is made from


@final
@dataclass(frozen=True, eq=False)
class Units:
    """Parts of the held-out tissue that are left out one at a time, each of one class."""

    fact: str
    classes: tuple[str, ...]
    unit: Int[np.ndarray, " N"]
    """Unit of each spot; -1 where it is left out of the question."""
    class_of: Int[np.ndarray, " U"]
    """Class of each unit."""
    kind: str
    """What a unit is: `patient`, `section` or `part of a section`."""

    @property
    def has_range(self) -> bool:
        """Whether there are enough units to permute."""
        return len(self.class_of) >= FEWEST_PATIENTS

    @classmethod
    def of(
        cls, fact: str, kind: str, unit: Sequence[str | None], class_of: Mapping[str, str]
    ) -> "Units | None":
        """Units by name; classes of fewer than two units are left out; None for one class."""
        n_units: dict[str, int] = {}
        for name in {one for one in unit if one is not None}:
            of = class_of.get(name)
            if of is not None:
                n_units[of] = n_units.get(of, 0) + 1
        classes = tuple(sorted(of for of, n in n_units.items() if n >= FEWEST_UNITS))
        if len(classes) < 2:
            return None
        kept = sorted({n for n in unit if n is not None and class_of.get(n) in classes})
        number = {name: at for at, name in enumerate(kept)}
        return cls(
            fact=fact,
            classes=classes,
            unit=np.array([number.get(str(name), -1) for name in unit]),
            class_of=np.array([classes.index(class_of[name]) for name in kept]),
            kind=kind,
        )


@final
@dataclass(frozen=True, eq=False)
class KnownFact:
    """How well a fact is read off a representation, and by chance."""

    units: Units
    source: str
    """`features` or `last layer`."""
    accuracy: float
    """Share of spots of left-out units with the right class, mean over units, then classes."""
    draws: Float[np.ndarray, " draws"] | None
    """With classes permuted over units; None for fewer than six units."""

    @property
    def name(self) -> str:
        """Name of its number."""
        of = "" if self.source == LAST_LAYER else "_in_features"
        return f"knows_{self.units.fact.replace(' ', '_')}{of}"

    def number(self) -> tuple[Number, Number]:
        """Balanced accuracy, and by chance."""
        units = self.units
        meaning = (
            f"balanced accuracy of {units.fact} ({len(units.classes)} classes) read off the "
            f"{self.source} of a left-out {units.kind}, {len(units.class_of)} of them"
        )
        value = Number(self.name, self.accuracy, meaning)
        if self.draws is None:
            words = f"{meaning}; one over the number of classes: too few for a range"
            return value, Number(self.name, 1 / len(units.classes), words)
        words = f"{meaning}; permuted {len(self.draws)} times"
        return value, Number.of_draws(self.name, self.draws, words)


def known_facts(
    spots: HeldOutSpots, of_patient: Mapping[str, Mapping[str, str]]
) -> Iterator[KnownFact]:
    """Read patient and facts off each representation."""
    patient = spots.keys.patient_names.tolist()
    parts = [_patient_units(spots)]
    parts += [Units.of(fact, PATIENT, patient, of) for fact, of in of_patient.items()]
    reads = [
        (units, source)
        for units in parts
        if units is not None
        for source in sorted(spots.readings, reverse=True)
    ]
    left = sum(units.has_range for units, _ in reads)
    for units, source in reads:
        yield read_off(spots.readings[source], units, source, n_told=left)
        left = 0 if units.has_range else left  # the first one tells of all


def read_off(
    values: Float[np.ndarray, "N R"], units: Units, source: str, n_told: int = 0
) -> KnownFact:
    """Read a fact off a representation, leaving out one unit after the other.

    `n_told` is the number of facts and representations that its estimate of time is for; 0 tells
    none.
    """
    probe = _Probe(_axes(values[units.unit >= 0]), units.unit[units.unit >= 0], units)
    draws = _permuted(probe, source, n_told) if units.has_range else None
    return KnownFact(units, source, probe.accuracy(units.class_of), draws)


def _permuted(probe: "_Probe", source: str, n_told: int) -> Float[np.ndarray, " draws"]:
    """Accuracy with classes permuted over units."""
    units, draws = probe.units, []
    start = perf_counter()
    with closing(track(range(N_PERMUTATIONS), f"{units.fact} read off {source}")) as tracked:
        for number in tracked:
            order = stream(_SEED, f"faults-{units.fact}-{number}").permutation(len(units.class_of))
            draws.append(probe.accuracy(units.class_of[order]))
            if len(draws) == _TIMED:
                seconds = (perf_counter() - start) / _TIMED * N_PERMUTATIONS * n_told
                tell_estimate(f"{n_told} times {N_PERMUTATIONS} classifiers of facts", seconds)
    return np.array(draws)


def _patient_units(spots: HeldOutSpots) -> Units | None:
    """Sections, where several patients have two; else the first and the last third of each one."""
    names = spots.keys.section_names
    of_section = {name: str(patient) for name, patient, _ in spots.keys.by_section()}
    by_section = Units.of(PATIENT, "section", names.tolist(), of_section)
    if by_section is not None:
        return by_section
    unit: list[str | None] = [None for _ in range(len(spots))]
    class_of = {}
    for name, _, rows in spots.keys.by_section():
        place = spots.um[rows]
        along = place[:, int(np.ptp(place, axis=0).argmax())]
        first, last = np.quantile(along, [1 / 3, 2 / 3])
        for row, at in zip(rows, along, strict=True):
            if at <= first or at > last:
                unit[row] = f"{name} {'first' if at <= first else 'last'}"
                class_of[str(unit[row])] = of_section[name]
    return Units.of(PATIENT, "third of a section", unit, class_of)


def _axes(values: Float[np.ndarray, "n R"]) -> Float[np.ndarray, "n K"]:
    """Principal components of the standardised columns, and a column of ones."""
    scale = values.std(axis=0)
    varies = scale > 1e-9 * max(float(np.abs(values).max(initial=0.0)), 1e-9)
    standard = (values[:, varies] - values[:, varies].mean(axis=0)) / scale[varies]
    gram = standard.T @ standard / max(len(standard), 1)
    _, vectors = np.linalg.eigh(gram)
    found = standard @ vectors[:, ::-1][:, :MOST_AXES]
    return np.column_stack([found, np.ones(len(found))])


@final
@dataclass(frozen=True, eq=False)
class _Probe:
    """Linear classifier by least squares; classes, and units within classes, weigh the same."""

    axes: Float[np.ndarray, "n K"]
    unit: Int[np.ndarray, " n"]
    units: Units

    @cached_property
    def _parts(self) -> tuple[Float[np.ndarray, "_ K"], ...]:
        return tuple(self.axes[self.unit == at] for at in range(len(self.units.class_of)))

    @cached_property
    def _moments(self) -> tuple[Float[np.ndarray, "U K K"], Float[np.ndarray, "U K"]]:
        second = np.stack([part.T @ part / len(part) for part in self._parts])
        return second, np.stack([part.mean(axis=0) for part in self._parts])

    def accuracy(self, class_of: Int[np.ndarray, " U"]) -> float:
        second, first = self._moments
        n_units, n_axes = first.shape
        one_hot = (class_of[:, None] == np.arange(len(self.units.classes))).astype(np.float64)
        weight = 1.0 - np.eye(n_units)  # a row for each unit that is left out
        weight = weight / (weight @ one_hot)[:, class_of]
        gram = (weight @ second.reshape(n_units, -1)).reshape(n_units, n_axes, n_axes)
        ridge = _RIDGE * np.trace(gram, axis1=1, axis2=2) / n_axes
        penalised = np.append(np.ones(n_axes - 1), 0.0)  # the intercept is not
        gram = gram + ridge[:, None, None] * np.diag(penalised)
        slopes = np.linalg.solve(gram, np.einsum("ou,uk,uc->okc", weight, first, one_hot))
        right = np.array(
            [
                ((part @ slopes[at]).argmax(axis=1) == class_of[at]).mean()
                for at, part in enumerate(self._parts)
            ]
        )
        return float(np.mean((right @ one_hot) / one_hot.sum(axis=0)))

"""What was found of gene pairs and programmes, beside models that were trained on shuffled rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.data.genesets import PanelPathways
from histoscribe.explain.finding import Number
from histoscribe.explain.together.agreement import (
    ALIKE,
    CARRIED,
    MEASURES,
    SAME_SPOTS,
    ComparedMaps,
    PairMatrices,
    as_measured,
    mean_values,
    moved_measured,
    permuted_genes,
    share_above,
)
from histoscribe.explain.together.programmes import ENRICHED_Q, Programmes, SetOverlap
from histoscribe.explain.together.shuffled_rows import number_of_trainings

AGREE, SETS = "programmes_agree", "sets_in_programmes"
PERMUTED = "_permuted_genes"
"""Ends the name of a number that was computed for permuted genes."""
MOVED = "_moved_measured"
"""Ends the name of a number with what was measured moved over the section."""
MEASURED = "_as_measured"
"""Ends the name of a number of the measured values themselves, as if they were maps."""
_AGREE = "adjusted Rand index of clusters of maps and clusters of co-expression"
_PAIR = "correlation of the maps of both genes over the spots, mean over patients"


@final
@dataclass(frozen=True, eq=False)
class TogetherResult:
    """Pair values and programmes of the model, and of trainings on shuffled rows."""

    labels: tuple[str, ...]
    """Names of the compared genes."""
    maps: tuple[ComparedMaps, ...]
    """Of the model, by section."""
    shuffled: tuple[tuple[ComparedMaps, ...], ...]
    """The same of each training on shuffled rows."""
    sets: PanelPathways | None
    """Gene sets over the compared genes; None without."""
    pairs: tuple[tuple[int, int], ...]
    """Places of the pairs that the user named."""

    @cached_property
    def matrices(self) -> PairMatrices:
        """Of the model, mean over patients."""
        return PairMatrices.mean(self.maps)

    @cached_property
    def shuffled_matrices(self) -> tuple[PairMatrices, ...]:
        """The same of each training on shuffled rows."""
        return tuple(PairMatrices.mean(maps) for maps in self.shuffled)

    @cached_property
    def values(self) -> Mapping[str, float]:
        """Each measure, mean over patients."""
        return mean_values(self.maps)

    @cached_property
    def shuffled_values(self) -> Mapping[str, Float[np.ndarray, " n"]]:
        """The same of each training on shuffled rows."""
        of_all = [mean_values(maps) for maps in self.shuffled]
        return {name: np.array([values[name] for values in of_all]) for name in MEASURES}

    @cached_property
    def measured_values(self) -> Mapping[str, float]:
        """`ALIKE` and `CARRIED` of the measured values, as if they were maps."""
        return as_measured(self.maps)

    @cached_property
    def permuted(self) -> Mapping[str, Float[np.ndarray, " draws"]]:
        """`ALIKE` and `SAME_SPOTS` of the model with permuted genes."""
        return permuted_genes(self.maps)

    @cached_property
    def programmes(self) -> Programmes:
        """Clusters of genes by their maps."""
        return Programmes.of(self.matrices.likeness)

    @cached_property
    def shuffled_programmes(self) -> tuple[Programmes, ...]:
        """The same of each training on shuffled rows."""
        return tuple(Programmes.of(of.likeness) for of in self.shuffled_matrices)

    @cached_property
    def measured_programmes(self) -> Programmes:
        """Clusters of genes by their co-expression."""
        return Programmes.of(self.matrices.coexpression)

    @cached_property
    def overlap(self) -> SetOverlap | None:
        """Overlap of the programmes with the gene sets."""
        if self.sets is None:
            return None
        return SetOverlap.of(self.programmes, self.sets.pathways.members)

    def numbers(self) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
        """Numbers of the model, and the same by chance."""
        pairs = [*self._measures(), self._p_value(), self._agreement(), *self._sets_shared()]
        pairs += [self._likeness(one, other) for one, other in self.pairs]
        statistic = [value for value, *_ in pairs]
        null = [number for _, *chance in pairs for number in chance]
        return tuple(statistic), tuple(null)

    def _measures(self) -> list[tuple[Number, ...]]:
        return [
            (
                Number(name, self.values[name], f"{meaning}; mean over patients"),
                number_of_trainings(name, self.shuffled_values[name], meaning),
                self._elsewhere(name, meaning),
                *([self._as_measured(name, meaning)] if name != SAME_SPOTS else []),
            )
            for name, meaning in MEASURES.items()
        ]

    def _as_measured(self, name: str, meaning: str) -> Number:
        words = f"{meaning}; measured values in place of the maps"
        return Number(f"{name}{MEASURED}", self.measured_values[name], words)

    def _elsewhere(self, name: str, meaning: str) -> Number:
        """A measure with permuted genes, or for `CARRIED` with moved measured values."""
        if name != CARRIED:
            return _of_permuted(name, self.permuted[name], meaning)
        words = f"{meaning}; measured values moved over each section"
        return Number.of_draws(f"{name}{MOVED}", moved_measured(self.maps), words)

    def _p_value(self) -> tuple[Number, ...]:
        p = share_above(self.values[ALIKE], self.permuted[ALIKE])
        meaning = f"share of permutations of the genes with {ALIKE} as high (one-sided)"
        by_chance = Number(f"p_{ALIKE}", 0.5, f"{meaning}, by chance", 0.025, 0.975)
        return Number(f"p_{ALIKE}", p, meaning), by_chance

    def _agreement(self) -> tuple[Number, ...]:
        measured = self.measured_programmes
        shuffled = [of.agreement(measured) for of in self.shuffled_programmes]
        return (
            Number(AGREE, self.programmes.agreement(measured), _AGREE),
            number_of_trainings(AGREE, shuffled, _AGREE),
            _of_permuted(AGREE, self.programmes.agreement_of_permuted(measured), _AGREE),
        )

    def _sets_shared(self) -> list[tuple[Number, ...]]:
        if self.sets is None or self.overlap is None:
            return []
        members = self.sets.pathways.members
        meaning = f"of {len(members)} gene sets, those with q < {ENRICHED_Q:g} in a programme"
        shuffled = [SetOverlap.of(of, members).n_sets for of in self.shuffled_programmes]
        measured = SetOverlap.of(self.measured_programmes, members).n_sets
        draws = SetOverlap.n_sets_of_permuted(self.programmes, members)
        return [
            (
                Number(SETS, self.overlap.n_sets, meaning),
                number_of_trainings(SETS, shuffled, meaning),
                _of_permuted(SETS, draws, meaning),
                Number(f"{SETS}_measured", measured, f"{meaning}, clusters of co-expression"),
            )
        ]

    def _likeness(self, one: int, other: int) -> tuple[Number, ...]:
        pair = f"{self.labels[one]}:{self.labels[other]}"
        name, meaning = f"alike_{pair}", f"{_PAIR}; co-expression "
        meaning += f"{self.matrices.coexpression[one, other]:.3f}"
        shuffled = [float(of.likeness[one, other]) for of in self.shuffled_matrices]
        value = Number(name, float(self.matrices.likeness[one, other]), meaning)
        return value, number_of_trainings(name, shuffled, _PAIR)


def _of_permuted(name: str, draws: Sequence[float] | np.ndarray, meaning: str) -> Number:
    of = np.asarray(draws, dtype=np.float64)
    return Number.of_draws(f"{name}{PERMUTED}", of, f"{meaning}; genes permuted {len(of)} times")

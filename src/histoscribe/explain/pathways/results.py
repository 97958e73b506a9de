"""Numbers of the question `pathways` over all sections."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.pathways.border import BorderProfiles
from histoscribe.explain.pathways.coactivity import PairAgreement
from histoscribe.explain.pathways.compared_section import ComparedSection
from histoscribe.explain.pathways.correlation import MapAgreement
from histoscribe.explain.pathways.gene_weights import WeightAgreement
from histoscribe.explain.pathways.over_patients import (
    EXCHANGED,
    RANDOM_NETWORKS,
    RANDOM_SETS,
    SMOOTH_MAPS,
    Part,
    PatientAgreement,
    mean_defined,
    means_of_patients,
)

_OF_MAPS = "correlation with the activity of genes outside the training, given depth"
_SCORE, _ATTENTION = f"score: {_OF_MAPS}", f"attention of the pathway to spots: {_OF_MAPS}"
_PAIRS = "attention between pathways and their measured co-activity, rank correlation over pairs"
_BORDER = "correlation of score and measured activity over bands of distance from the border"
_SAME = "r_score_trained_genes"


@final
@dataclass(frozen=True, eq=False)
class PathwayResults:
    """Compared sections of P pathways, and the weights of the predictor."""

    names: tuple[str, ...]
    sections: tuple[ComparedSection, ...]
    weights: WeightAgreement | None
    """None for weights that membership alone decides."""

    @cached_property
    def scores(self) -> PatientAgreement:
        """Of the score maps."""
        return self._of_maps("r_score", _SCORE, lambda section: section.of_scores)

    @cached_property
    def attention(self) -> PatientAgreement | None:
        """Of the attention maps; None where pathways do not read spots."""
        if any(section.of_attention is None for section in self.sections):
            return None
        return self._of_maps("r_attention", _ATTENTION, _attention)

    @cached_property
    def layers(self) -> Float[np.ndarray, "L P"]:
        """Correlation of the attention of each layer with measured activity, mean over patients."""
        return self.over_patients(lambda section: section.layers)

    @cached_property
    def pairs(self) -> PatientAgreement | None:
        """Of attention between pathways; columns are the mean of the layers and each layer."""
        if any(section.pairs is None for section in self.sections):
            return None
        return PatientAgreement.of(
            self.sections,
            "r_coactivity",
            _PAIRS,
            lambda section: _pairs(section).value,
            {
                EXCHANGED: lambda section: _pairs(section).exchanged,
                RANDOM_SETS: lambda section: _pairs(section).random_sets,
                RANDOM_NETWORKS: lambda section: _pairs(section).random_networks,
            },
        )

    @cached_property
    def border(self) -> PatientAgreement | None:
        """Agreement of profiles by distance; None without labels."""
        labelled = [section for section in self.sections if section.border is not None]
        if not labelled:
            return None
        return PatientAgreement.of(
            labelled,
            "r_border",
            _BORDER,
            lambda section: _border(section).value,
            {SMOOTH_MAPS: lambda section: _border(section).by_chance},
        )

    def over_patients(self, part: Part) -> Float[np.ndarray, "*rest P"]:
        """Mean over the sections of a patient, then over patients."""
        patients = [section.patient for section in self.sections]
        means = means_of_patients([part(section) for section in self.sections], patients)
        return mean_defined(np.stack(list(means.values())))

    def numbers(self) -> tuple[list[Number], list[Number]]:
        """Each number, and under the same name its value by chance."""
        statistic, null = [], []
        for agreement in self._agreements():
            value, by_chance = agreement.numbers()
            statistic.append(value)
            null += by_chance
        same = defined_mean(self.over_patients(lambda section: section.same_genes))
        words = "score and the activity of the genes it was trained on, which is no test of it"
        null.append(Number(_SAME, same, words))
        if self.weights is not None:
            value, chance = _weight_numbers(self.weights)
            statistic.append(value)
            null.append(chance)
        return statistic, null

    def _agreements(self) -> Iterator[PatientAgreement]:
        """The maps; of pairs the mean of the layers; of profiles all pathways."""
        yield self.scores
        if self.attention is not None:
            yield self.attention
        if self.pairs is not None:
            yield self.pairs.of_columns(slice(0, 1))
        if self.border is not None:
            yield self.border

    def _of_maps(
        self, name: str, meaning: str, of: Callable[[ComparedSection], MapAgreement]
    ) -> PatientAgreement:
        return PatientAgreement.of(
            self.sections,
            name,
            meaning,
            lambda section: of(section).value,
            {
                RANDOM_SETS: lambda section: of(section).random_sets,
                SMOOTH_MAPS: lambda section: of(section).smooth_maps,
                RANDOM_NETWORKS: lambda section: of(section).random_networks,
            },
        )


def mean_pairs(
    sections: Sequence[ComparedSection],
) -> tuple[Float[np.ndarray, "M P P"], Float[np.ndarray, "P P"]]:
    """Attention between pathways and their co-activity, mean over sections."""
    pairs = [_pairs(section) for section in sections]
    return (
        np.mean([of.attention for of in pairs], axis=0),
        mean_defined(np.stack([of.coactivity for of in pairs])),
    )


def _weight_numbers(weights: WeightAgreement) -> tuple[Number, Number]:
    what = "what training added to the weight" if weights.moved else "weight"
    meaning = f"AUROC of the {what} from a pathway to a gene for the members of its set"
    if weights.moved:
        meaning += " (only above its range a finding: training lowers members of useless sets)"
    drawn = mean_defined(weights.random_sets.T)
    name = "auroc_weight_added" if weights.moved else "auroc_weight"
    value = Number(name, defined_mean(weights.value), f"{meaning}; mean over pathways")
    words = f"{meaning}, random sets of the same size and expression"
    return value, Number.of_draws(name, drawn, words)


def _attention(section: ComparedSection) -> MapAgreement:
    if section.of_attention is None:
        raise ValueError("pathways do not read spots")
    return section.of_attention


def _pairs(section: ComparedSection) -> PairAgreement:
    if section.pairs is None:
        raise ValueError("pathways do not read each other")
    return section.pairs


def _border(section: ComparedSection) -> BorderProfiles:
    if section.border is None:
        raise ValueError(f"section {section.section.id} has no labels")
    return section.border

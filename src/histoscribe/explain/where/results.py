"""Numbers of the maps of a section: agreement of members, difference of genes, thirds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.explain.finding import Number
from histoscribe.explain.where.agreement import (
    Agreement,
    agreement,
    agreement_numbers,
    gene_difference,
)
from histoscribe.explain.where.maps import PREDICTION, Maps, MemberMaps, attention_of
from histoscribe.explain.where.members import random_ensembles
from histoscribe.explain.where.thirds import ThirdShares, third_shares
from histoscribe.predictor.gene_choice import GeneChoice
from histoscribe.types import Section


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class SectionMaps:
    """Maps of every member over one section, and of untrained networks."""

    section: Section
    genes: GeneChoice
    """Genes of the figures."""
    unit: str
    names: tuple[str, ...]
    """Of the members."""
    every: tuple[MemberMaps, ...]
    """By kind: of the genes of the figures first, then of others to compare them with."""
    untrained: tuple[tuple[Maps, ...], ...]
    """For each member, maps of the genes of the figures by untrained networks; may be empty."""
    measured: Float[np.ndarray, "K N"] | None
    """Measured values of the genes, in the unit of the prediction; None where there are none."""

    @property
    def kinds(self) -> tuple[MemberMaps, ...]:
        """By kind: maps of the genes of the figures."""
        return tuple(maps.of_genes(slice(len(self.genes.genes))) for maps in self.every)

    @property
    def prediction(self) -> MemberMaps:
        """Predicted maps, which every model has."""
        return self.kinds[0]

    @property
    def um(self) -> Float[np.ndarray, "N 2"]:
        """Places of the spots, um."""
        return self.section.spots.xy * self.section.slide.mpp

    def of_untrained(self, kind: str) -> Float[np.ndarray, "M R K N"] | None:
        """Maps of one kind by untrained networks; None without any."""
        if not self.untrained:
            return None
        return np.array([[one[kind] for one in networks] for networks in self.untrained])


@final
@dataclass(frozen=True, eq=False)
class AttentionThirds:
    """Where the attention lies, by the prediction."""

    upper: ThirdShares
    lower: ThirdShares
    is_shared: bool
    """Whether one attention serves all genes."""


@final
@dataclass(frozen=True, eq=False)
class WhereResults:
    """All numbers of an answer."""

    agreements: tuple[tuple[str, Agreement], ...]
    """By kind of map; empty for a single member."""
    attention: AttentionThirds | None
    """None for a model without attention."""
    statistic: tuple[Number, ...]
    null: tuple[Number, ...]
    failures: tuple[str, ...] = ()
    """Sentences on maps that failed a test; they come first in the caveats."""


def results_of(maps: SectionMaps) -> WhereResults:
    """Compute all numbers of the maps."""
    ensembles = random_ensembles(len(maps.names), max(map(len, maps.untrained), default=1))
    pairs: list[tuple[list[Number], list[Number]]] = []
    agreements: list[tuple[str, Agreement]] = []
    if len(maps.names) > 1:
        for kind, every in zip(maps.kinds, maps.every, strict=True):
            drawn = maps.of_untrained(kind.kind)
            found = agreement(kind, drawn, ensembles, maps.um)
            agreements.append((kind.kind, found))
            pairs += [agreement_numbers(kind.kind, found), gene_difference(kind.kind, every)]
    thirds = _thirds(maps)
    if thirds is not None:
        pairs += [thirds.upper.numbers, thirds.lower.numbers]
    return WhereResults(
        agreements=tuple(agreements),
        attention=thirds,
        statistic=tuple(number for values, _ in pairs for number in values),
        null=tuple(number for _, by_chance in pairs for number in by_chance),
    )


def _thirds(maps: SectionMaps) -> AttentionThirds | None:
    attention = attention_of(maps.kinds)
    if attention is None:
        return None
    mean = attention.mean
    upper, lower = third_shares(
        mean, maps.prediction.mean, maps.um, _untrained_means(maps, attention.kind)
    )
    every = attention_of(maps.every) or attention
    is_shared = bool((every.values == every.values[:, :1]).all()) and every.values.shape[1] > 1
    return AttentionThirds(upper, lower, is_shared)


def _untrained_means(
    maps: SectionMaps, kind: str
) -> Iterator[tuple[Float[np.ndarray, "K N"], Float[np.ndarray, "K N"]]]:
    """Mean attention and prediction of ensembles of untrained networks."""
    attention, prediction = maps.of_untrained(kind), maps.of_untrained(PREDICTION)
    if attention is None or prediction is None:
        return
    n_members, n_networks = attention.shape[:2]
    member = np.arange(n_members)
    for networks in random_ensembles(n_members, n_networks):
        yield (
            attention[member, networks].mean(axis=0),
            prediction[member, networks].mean(axis=0),
        )

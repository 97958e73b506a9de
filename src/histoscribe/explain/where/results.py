"""Numbers of the maps of a section: agreement of members, difference of genes, thirds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.explain.finding import Number
from histoscribe.explain.where.against.comparison import Comparison, compare
from histoscribe.explain.where.against.reference import MapReference
from histoscribe.explain.where.agreement import (
    Agreement,
    agreement,
    agreement_numbers,
    gene_difference,
)
from histoscribe.explain.where.faithfulness import Faithfulness, faithfulness
from histoscribe.explain.where.maps import ATTENTION, PREDICTION, Maps, MemberMaps, attention_of
from histoscribe.explain.where.members import random_ensembles
from histoscribe.explain.where.spot_map import SpotMap
from histoscribe.explain.where.thirds import ThirdShares, third_shares
from histoscribe.explain.where.tile_removal import TileRemoval
from histoscribe.explain.where.untrained_range import wider_against
from histoscribe.predictor.gene_choice import GeneChoice
from histoscribe.types import Section


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class SectionMaps:
    """Maps of every member over one section, and of untrained networks."""

    section: Section
    genes: GeneChoice
    """Genes of the figures."""
    places: tuple[int, ...]
    """Place of each of them in the panel."""
    unit: str
    names: tuple[str, ...]
    """Of the members."""
    every: tuple[MemberMaps, ...]
    """By kind: of the genes of the figures first, then of others to compare them with."""
    untrained: tuple[tuple[Maps, ...], ...]
    """For each member, maps of the genes of the figures by untrained networks; may be empty."""
    references: tuple[tuple[MapReference, ...], ...]
    """For each gene of the figures, what its maps are held against."""

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

    @property
    def spot_maps(self) -> tuple[SpotMap, ...]:
        """Mean maps of the genes, gene by gene; the one that says where the model looks first."""
        attention = attention_of(self.kinds)
        first = self.prediction if attention is None else attention
        order = [first, *(of for of in self.kinds if of.kind != first.kind)]
        return tuple(
            SpotMap(
                gene=self.places[place],
                label=label,
                kind=of.kind,
                values=of.mean[place],
                is_weight=of.kind in ATTENTION,
            )
            for place, label in enumerate(self.genes.labels)
            for of in order
        )

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
    comparison: Comparison
    """Without results where there is nothing to hold maps against."""
    faithfulness: Faithfulness | None
    """None where no tile was removed."""
    statistic: tuple[Number, ...]
    null: tuple[Number, ...]


def results_of(maps: SectionMaps, removals: Sequence[TileRemoval]) -> WhereResults:
    """Compute all numbers of the maps; tiles are removed by `removals`, if there are any."""
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
    references = dict(zip(maps.places, maps.references, strict=True))
    comparison = compare(maps.spot_maps, lambda gene: references[gene], maps.um)
    pairs.append((list(comparison.statistic), list(_against_by_chance(maps, comparison))))
    tested = None
    if removals:
        kinds = _removal_kinds(maps)
        tested = faithfulness(removals, [of for of in maps.spot_maps if of.kind in kinds])
        pairs.append((list(tested.statistic), list(tested.null)))
    return WhereResults(
        agreements=tuple(agreements),
        attention=thirds,
        comparison=comparison,
        faithfulness=tested,
        statistic=tuple(number for values, _ in pairs for number in values),
        null=tuple(number for _, by_chance in pairs for number in by_chance),
    )


def _removal_kinds(maps: SectionMaps) -> set[str]:
    """Maps to test by removal: those of a bag say how a tile counts, else the prediction."""
    kinds = {of.kind for of in maps.kinds}
    return (kinds & {*ATTENTION, "contribution"}) or {PREDICTION}


def _against_by_chance(maps: SectionMaps, comparison: Comparison) -> Iterator[Number]:
    """Chance of the numbers of the first map, with maps of untrained networks as chance, too."""
    first = maps.spot_maps[0]
    drawn = maps.of_untrained(first.kind)
    untrained = np.zeros((0, len(first.values)))
    if drawn is not None:
        n_members, n_networks = drawn.shape[:2]
        member, gene = np.arange(n_members), 0
        untrained = np.array(
            [
                drawn[member, networks, gene].mean(axis=0)
                for networks in random_ensembles(n_members, n_networks)
            ]
        )
    for of, result in comparison.results:
        if of.gene == first.gene and of.kind == first.kind:
            yield from wider_against(result, untrained)


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

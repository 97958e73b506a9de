"""What a network gives for the pathways of one section, compared with measured activity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int

from histoscribe.data.activity import measured_activity
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.pathways.border import BorderBands, BorderProfiles
from histoscribe.explain.pathways.coactivity import (
    PairAgreement,
    by_exchange,
    coactivity_of,
    pair_correlations,
    with_mean,
)
from histoscribe.explain.pathways.correlation import (
    MapAgreement,
    by_smooth_maps,
    correlations,
    of_tiles,
    unit_maps,
)
from histoscribe.explain.pathways.pool import N_RANDOM_SETS, GenePool, activity
from histoscribe.explain.pathways.reading import PathwayReading, read_pathways
from histoscribe.explain.surrogates import tile_means
from histoscribe.models.base import ExpressionModel
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.seed import integer
from histoscribe.types import Pathways, Section

_SEED = 0  # of the smooth maps; nobody needs another one


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class ComparedSection:
    """Maps and numbers of one section; P pathways."""

    section: Section
    scores: Float[np.ndarray, "N P"]
    attention: Float[np.ndarray, "N P"]
    """Logarithm of the weight of each spot, mean over heads and layers."""
    measured: Float[np.ndarray, "N P"]
    """Activity by genes outside the training."""
    trained: Float[np.ndarray, "N P"]
    """Activity by the genes of the training."""
    of_scores: MapAgreement
    of_attention: MapAgreement | None
    """None where pathways do not read spots."""
    layers: Float[np.ndarray, "L P"]
    """Correlation of the attention of each layer with measured activity, given depth."""
    pairs: PairAgreement | None
    """None where pathways do not read each other."""
    same_genes: Float[np.ndarray, " P"]
    """Correlation of scores with the activity by the genes of the training, given depth."""
    border: BorderProfiles | None
    """None without labels."""

    @property
    def patient(self) -> str:
        """Patient; an unknown one is named by the section."""
        return self.section.patient or f"unknown ({self.section.id})"


@final
@dataclass(frozen=True, eq=False)
class SectionComparison:
    """Compares sections by one network, random ones, and genes outside the training."""

    predictor: Predictor
    random: Sequence[ExpressionModel]
    pool: GenePool
    cache: Path

    @property
    def tokens(self) -> Int[np.ndarray, " P"]:
        """Columns of the network's pathways that the sets of the pool name."""
        names = self._sets.names
        return np.array([names.index(name) for name in self.pool.names], dtype=np.int64)

    def of(self, section: Section, bands: BorderBands | None) -> ComparedSection:
        """Read the section and compare it."""
        model = self.predictor.model
        if not isinstance(model, ExpressionModel):
            raise TypeError(f"{model.name} is no network")
        networks = [model, *self.random]
        own, *random = read_pathways(self.predictor, networks, section, self.cache)
        z_scores, depth = self.pool.z_scores(section), np.log1p(section.measured.total)
        um, seed = section.spots.xy * section.slide.mpp, integer(_SEED, f"pathways-{section.id}")
        measured = activity(z_scores, self.pool.members)
        maps = _Measured.of(z_scores, self.pool.members, depth, um, seed)
        trained = self._trained_activity(section)
        scores, attention = own.scores[:, self.tokens], own.attention_map[:, self.tokens]
        return ComparedSection(
            section=section,
            scores=scores,
            attention=attention,
            measured=measured,
            trained=trained,
            of_scores=self._agreement(maps, scores, [of.scores for of in random]),
            of_attention=self._agreement(maps, attention, [of.attention_map for of in random])
            if own.attention.any()
            else None,
            layers=np.stack(
                [
                    correlations(maps.unit(of), maps.unit_activity)
                    for of in own.attention[:, :, self.tokens]
                ]
            ),
            pairs=self._pairs(own, random, z_scores, depth),
            same_genes=correlations(maps.unit(scores), maps.unit(trained)),
            border=None
            if bands is None
            else BorderProfiles.of(
                bands, unit_maps(scores, depth), unit_maps(measured, depth), um, seed
            ),
        )

    @property
    def _sets(self) -> Pathways:
        sets = self.predictor.fitted.pathways
        if sets is None:
            raise ValueError("a network without named pathways")
        return sets

    def _random_members(self) -> Iterator[Bool[np.ndarray, "P G"]]:
        return track(self.pool.random_members(), "random sets", N_RANDOM_SETS)

    def _trained_activity(self, section: Section) -> Float[np.ndarray, "N P"]:
        panel = self.predictor.target.panel_counts(section)
        return np.nan_to_num(
            measured_activity(panel, self._sets).astype(np.float64)[:, self.tokens]
        )

    def _agreement(
        self,
        of: "_Measured",
        values: Float[np.ndarray, "N P"],
        random: Sequence[Float[np.ndarray, "N T"]],
    ) -> MapAgreement:
        unit, measured = of.unit(values), of.unit_activity
        drawn = [
            correlations(unit, unit_maps(activity(of.z_scores, members), of.depth))
            for members in self._random_members()
        ]
        return MapAgreement(
            value=correlations(unit, measured),
            plain=correlations(unit_maps(of_tiles(values, of.um)), unit_maps(of.activity)),
            random_sets=np.stack(drawn),
            smooth_maps=by_smooth_maps(unit, measured, of.um, of.seed),
            random_networks=np.stack(
                [correlations(of.unit(map_[:, self.tokens]), measured) for map_ in random]
            ),
        )

    def _pairs(
        self,
        own: PathwayReading,
        random: Sequence[PathwayReading],
        z_scores: Float[np.ndarray, "N G"],
        depth: Float[np.ndarray, " N"],
    ) -> PairAgreement | None:
        tokens = np.ix_(self.tokens, self.tokens)
        attention = with_mean(np.stack([of[tokens] for of in own.between]))
        if not (attention * ~np.eye(len(self.tokens), dtype=bool)).any():
            return None
        start = perf_counter()
        likeness = coactivity_of(z_scores, self.pool.members, depth)
        seconds = (perf_counter() - start) * N_RANDOM_SETS
        tell_estimate(f"co-activity of {N_RANDOM_SETS} draws of random sets, by section", seconds)
        drawn = [
            pair_correlations(attention, coactivity_of(z_scores, members, depth))
            for members in self._random_members()
        ]
        others = [with_mean(np.stack([of[tokens] for of in other.between])) for other in random]
        return PairAgreement(
            coactivity=likeness,
            attention=attention,
            value=pair_correlations(attention, likeness),
            exchanged=by_exchange(attention, likeness),
            random_sets=np.stack(drawn),
            random_networks=np.stack([pair_correlations(of, likeness) for of in others]),
        )


@dataclass(frozen=True, eq=False)
class _Measured:
    """Measured activity and depth of one section by `of_tiles`, and its places."""

    z_scores: Float[np.ndarray, "N G"]
    activity: Float[np.ndarray, "N P"]
    depth: Float[np.ndarray, " N"]
    um: Float[np.ndarray, "N 2"]
    seed: int

    @classmethod
    def of(
        cls,
        z_scores: Float[np.ndarray, "N G"],
        members: Bool[np.ndarray, "P G"],
        depth: Float[np.ndarray, " N"],
        um: Float[np.ndarray, "N 2"],
        seed: int,
    ) -> "_Measured":
        means = of_tiles(z_scores, um)
        return cls(means, activity(means, members), tile_means(depth, um), um, seed)

    @cached_property
    def unit_activity(self) -> Float[np.ndarray, "N P"]:
        return unit_maps(self.activity, self.depth)

    def unit(self, values: Float[np.ndarray, "N P"]) -> Float[np.ndarray, "N P"]:
        return unit_maps(of_tiles(values, self.um), self.depth)

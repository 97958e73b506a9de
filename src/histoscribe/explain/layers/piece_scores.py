"""Scores of genes on held-out sections whose tiles are cut, and the same scores by chance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from histoscribe.explain.changed_tiles import ChangeableSection, ChangedTiles
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.layers.pieces import Cut, PieceChange
from histoscribe.explain.random_networks import random_networks
from histoscribe.explain.surrogates import N_DRAWS, correlation_draws
from histoscribe.models.base import Estimator
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.seed import integer
from histoscribe.types import Section

SURVIVES = 0.5
"""Share of its score that a gene keeps in the finest pieces if it is read from texture."""
READINGS = ("texture", "arrangement", "undecided", "not predicted")
"""What a measured gene may be read from."""
_SEED = 0  # of the surrogates; nobody needs another one


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class PieceScores:
    """Pearson correlation of prediction and measured values over the spots of a section.

    Values of several sections are averaged over the sections of a patient, then over patients.
    """

    cuts: tuple[Cut, ...]
    """The whole tile first, then shuffled pieces from few to many, then turned ones."""
    patients: tuple[str, ...]
    """Of each section; one whose patient is unknown counts as another patient."""
    by_section: Float[np.ndarray, "S V G"]
    """NaN where a gene was not measured, or does not vary."""
    score: Float[np.ndarray, "V G"]
    draws: Float[np.ndarray, "V draws G"]
    """The same of random maps as smooth as the predicted ones."""
    random: Float[np.ndarray, "K 2 G"]
    """Of networks with random weights, from whole tiles and from the finest pieces; K is 0 for a
    model that is no network."""

    @cached_property
    def finest(self) -> int:
        """Place of the most shuffled pieces among the cuts."""
        return len(self.cuts) // 2

    @cached_property
    def limit(self) -> Float[np.ndarray, "V G"]:
        """Score that one in 40 random maps of a gene exceeds."""
        return np.percentile(self.draws, 97.5, axis=1)

    @cached_property
    def is_predicted(self) -> Bool[np.ndarray, " G"]:
        """Whether a gene is predicted from whole tiles, better than by chance."""
        return self.score[0] > self.limit[0]

    @cached_property
    def share(self) -> Float[np.ndarray, "V G"]:
        """Part of the score of whole tiles that is left; NaN for a gene that is not predicted."""
        return self.score / np.where(self.is_predicted, self.score[0], np.nan)

    @cached_property
    def reading(self) -> tuple[str, ...]:
        """Of each gene one of `READINGS`, or `not measured`.

        `texture`: the score survives in the finest pieces. `arrangement`: it does not, but it does
        in pieces that are turned in their places. `undecided`: it survives in neither, so the
        edges alone may be to blame.
        """
        shuffled, turned = (
            self._survives(self.score[at], at) for at in (self.finest, len(self.cuts) - 1)
        )
        words = np.where(turned, "arrangement", "undecided")
        words = np.where(shuffled, "texture", words)
        words = np.where(self.is_predicted, words, "not predicted")
        return tuple(np.where(np.isnan(self.score[0]), "not measured", words).tolist())

    def survival_by_chance(self) -> Float[np.ndarray, "draws G"]:
        """1 where a random map would have passed for the score of the finest pieces, else 0."""
        return self._survives(self.draws[self.finest], self.finest).astype(np.float64)

    def _survives(
        self, score: Float[np.ndarray, "*draws G"], at: int
    ) -> Bool[np.ndarray, "*draws G"]:
        return (score > self.limit[at]) & (score >= SURVIVES * self.score[0])


def piece_scores(
    predictor: Predictor, sections: Sequence[Section], cut_tiles: Sequence[Cut], cache: Path
) -> PieceScores:
    """Score every section from its tiles, whole and cut; a progress bar counts the cuts."""
    parts = [
        ChangeableSection.of(predictor, section, cache) for section in track(sections, "sections")
    ]
    patients = tuple(section.patient or f"unknown ({section.id})" for section in sections)
    weight = _weights(np.stack([_varies(part.measured) for part in parts]), patients)
    networks, n_genes = _random_predictors(predictor), len(predictor.target.genes)
    by_section = np.full((len(parts), len(cut_tiles), n_genes), np.nan)
    draws = np.zeros((len(cut_tiles), N_DRAWS, n_genes))
    random = np.zeros((len(networks), 2, n_genes))
    ends = (0, len(cut_tiles) // 2)
    began = perf_counter()
    work = [(at, place) for at in range(len(parts)) for place in range(len(cut_tiles))]
    for at, place in track(work, "cuts of sections"):
        part, use = parts[at], weight[at] > 0
        values, others = _predicted(part, cut_tiles[place], networks if place in ends else ())
        by_section[at, place, use] = part.scores(values)[use]
        draws[place][:, use] += weight[at, use] * _drawn(part, values, use)
        for network, other in enumerate(others):
            score = part.scores(other)
            random[network, ends.index(place), use] += weight[at, use] * score[use]
        if (at, place) == (0, 1):
            tell_estimate("predictions from cut tiles", (perf_counter() - began) / 2 * len(work))
    undefined = weight.sum(axis=0) == 0
    for means in (draws, random):
        means[..., undefined] = np.nan
    score = np.where(undefined, np.nan, np.einsum("sg,svg->vg", weight, np.nan_to_num(by_section)))
    return PieceScores(
        cuts=tuple(cut_tiles),
        patients=patients,
        by_section=by_section,
        score=score,
        draws=draws,
        random=random,
    )


def _drawn(
    part: ChangeableSection, values: Float[np.ndarray, "N G"], use: Bool[np.ndarray, " G"]
) -> Float[np.ndarray, "draws _"]:
    """Scores of random maps as smooth as the predicted ones, of the genes that are used."""
    um = part.section.spots.xy * part.section.slide.mpp
    seed = integer(_SEED, f"explain-layers-pieces-{part.section.id}")
    return correlation_draws(values[:, use], part.measured[:, use], um, seed)


def _predicted(
    part: ChangeableSection, cut: Cut, networks: Sequence[Predictor]
) -> tuple[Float[np.ndarray, "N G"], list[Float[np.ndarray, "N G"]]]:
    """Predict a section from cut tiles, by the predictor and by others on the same features."""
    section = part.section
    change = PieceChange(cut, section.id, section.spots.ids)
    queries = part.queries_of(ChangedTiles(part.images, change))
    values, *others = (
        one.from_queries(section, queries, with_gene_scores=False).values.astype(np.float64)
        for one in (part.predictor, *networks)
    )
    return values, others


def _random_predictors(predictor: Predictor) -> list[Predictor]:
    """The predictor with networks of random weights; none for a model that is no network."""
    if isinstance(predictor.model, Estimator):
        return []
    fitted = predictor.fitted
    return [
        replace(
            predictor,
            fitted=Fitted(network, fitted.lookup, fitted.pathways),
            _encoder=predictor.encoder,
        )
        for network in random_networks(predictor)
    ]


def _varies(measured: Float[np.ndarray, "N G"]) -> Bool[np.ndarray, " G"]:
    """Whether a gene was measured and varies."""
    return np.isfinite(measured).all(axis=0) & (np.ptp(measured, axis=0) > 0)


def _weights(varies: Bool[np.ndarray, "S G"], patients: Sequence[str]) -> Float[np.ndarray, "S G"]:
    """Weight of each section for the mean of a gene: patients count alike, with their sections."""
    weight = varies.astype(np.float64)
    names = np.array(patients)
    for name in set(patients):
        weight[names == name] /= np.maximum(varies[names == name].sum(axis=0), 1)
    return weight / np.maximum(weight.sum(axis=0), 1e-9)

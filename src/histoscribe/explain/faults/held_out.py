"""Held-out spots with their errors, and with what the predictor makes of them."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int

from histoscribe.device import choose_device
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.finding import defined_mean
from histoscribe.io.sections.labels import read_labels
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.models.base import Estimator
from histoscribe.predictor.forward import represent_spots
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.types import DISTANCE, Cohort, Section, SpotKeys

FEATURES, LAST_LAYER = "features", "last layer"


@final
@dataclass(frozen=True, eq=False)
class HeldOutSpots:
    """Spots of sections whose patients were not in training, in order of sections."""

    keys: SpotKeys
    um: Float[np.ndarray, "N 2"]
    """Place in the section, um."""
    error: Float[np.ndarray, " N"]
    """Squared error, mean over genes that all sections measured, in units of that of the training
    mean over all spots.
    """
    of_mean: Float[np.ndarray, " N"]
    """The same of the training mean instead of the prediction."""
    pcc: Mapping[str, float]
    """Section -> correlation with measured values over its spots, mean over the same genes."""
    total: Float[np.ndarray, " N"]
    """Count of all genes."""
    distance: Float[np.ndarray, " N"]
    """To the nearest training spot, in units of the reference of training; NaN if unknown."""
    label: tuple[str | None, ...]
    """Tissue label; None where a spot has none."""
    readings: Mapping[str, Float[np.ndarray, "N _"]]
    """`features` of the encoder and, of a network, what its `last layer` reads."""

    @classmethod
    def read(
        cls,
        predictor: Predictor,
        sections: Sequence[Section],
        mean: Float[np.ndarray, " G"],
        labels: Mapping[str, Path],
        cache: Path,
    ) -> "HeldOutSpots":
        """Predict these sections; `mean` has the training mean of each gene."""
        parts = []
        genes = shared_genes(predictor, sections)
        start = perf_counter()
        with closing(track(sections, "held-out sections")) as tracked:
            for section in tracked:
                table = labels.get(section.id)
                parts.append(_SectionSpots.read(predictor, section, mean, genes, table, cache))
                if len(parts) == 1:
                    seconds = (perf_counter() - start) * len(sections)
                    tell_estimate(f"predictions of {len(sections)} sections", seconds)
        squares = np.concatenate([part.squares for part in parts])
        unit = float(np.nanmean(squares[:, 1]))
        names = parts[0].readings
        return cls(
            keys=SpotKeys.concatenate([part.keys for part in parts]),
            um=np.concatenate([part.section.spots.xy * part.section.slide.mpp for part in parts]),
            error=squares[:, 0] / unit,
            of_mean=squares[:, 1] / unit,
            pcc={part.section.id: part.pcc for part in parts},
            total=np.concatenate([part.section.measured.total for part in parts]).astype(float),
            distance=np.concatenate([part.distance for part in parts]).astype(float),
            label=tuple(label for part in parts for label in part.label),
            readings={
                name: np.concatenate([part.readings[name] for part in parts]) for name in names
            },
        )

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def patients(self) -> tuple[str, ...]:
        """Names of the patients, sorted."""
        return self.keys.patients


def shared_genes(predictor: Predictor, sections: Sequence[Section]) -> Int[np.ndarray, " S"]:
    """Places in the panel of the genes that all these sections measured."""
    panel = np.array(predictor.target.genes)
    measured = [np.isin(panel, section.measured.gene_ids) for section in sections]
    return np.flatnonzero(np.logical_and.reduce(measured))


def mean_label(
    predictor: Predictor, cohort: Cohort, held_out: Sequence[str]
) -> tuple[Float[np.ndarray, " G"], str]:
    """Mean expression of the panel over training sections, and their kind in words.

    A cohort without them gives the mean over the held-out ones.
    """
    training = [id_ for id_ in cohort.ids if id_ in predictor.card.sections]
    ids = [id_ for id_ in training if cohort[id_].counts is not None]
    words = "training sections" if ids else "held-out sections: no training section is given"
    total, n_spots = np.zeros(len(predictor.target.genes)), np.zeros(len(predictor.target.genes))
    for id_ in ids or held_out:
        values = predictor.target.apply(cohort[id_]).astype(np.float64)
        total += np.nansum(values, axis=0)
        n_spots += np.isfinite(values).sum(axis=0)
    return total / np.maximum(n_spots, 1), words


@dataclass(frozen=True, eq=False)
class _SectionSpots:
    """Spots of one section."""

    section: Section
    keys: SpotKeys
    squares: Float[np.ndarray, "N 2"]
    """Squared error of prediction and of training mean, mean over shared genes."""
    pcc: float
    distance: Float[np.ndarray, " N"]
    label: tuple[str | None, ...]
    readings: Mapping[str, Float[np.ndarray, "N _"]]

    @classmethod
    def read(
        cls,
        predictor: Predictor,
        section: Section,
        mean: Float[np.ndarray, " G"],
        genes: Int[np.ndarray, " S"],
        table: Path | None,
        cache: Path,
    ) -> "_SectionSpots":
        queries = predictor.queries(section, cache)
        predicted = predictor.from_queries(section, queries, with_gene_scores=False)
        values = predictor.value_range.clip(predicted.values)[:, genes]  # as in a prediction
        measured = predictor.target.apply(section).astype(np.float64)[:, genes]
        squares = [np.square(of - measured) for of in (values, mean[genes])]
        readings = {FEATURES: queries.feature.astype(np.float64)}
        model = predictor.model
        if not isinstance(model, Estimator) and model.item != "bag":
            device = torch.device(choose_device(predictor.device))
            items = predictor.fitted.items(queries, device)
            readings[LAST_LAYER] = represent_spots(model, items).astype(np.float64)
        n_spots = len(section.spots)
        return cls(
            section=section,
            keys=queries.keys,
            squares=np.stack([np.nanmean(of, axis=1) for of in squares], axis=1),
            pcc=defined_mean(pearson_per_gene(values, measured.astype(np.float32))),
            distance=predicted.head.spot_facts[DISTANCE],
            label=n_spots * (None,) if table is None else read_labels(table, section.spots),
            readings=readings,
        )

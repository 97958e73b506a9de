"""What a network's last layer reads of the spots of several sections."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from histoscribe.device import choose_device
from histoscribe.explain.request import ExplainRequest
from histoscribe.io.sections.labels import read_labels
from histoscribe.models.base import Estimator
from histoscribe.predictor.forward import represent_rows
from histoscribe.progress import track
from histoscribe.seed import stream
from histoscribe.types import Section

MOST_SPOTS = 5000
"""Spots that t-SNE is drawn of; more take minutes and make no other picture."""


@dataclass(frozen=True)
class Who:
    """One spot, and what it is."""

    section: str
    patient: str
    spot: str
    label: str | None
    """None where nobody gave one."""


@dataclass(frozen=True, eq=False)
class Representation:
    """Spots of some sections, sections in the order asked for."""

    values: Float[np.ndarray, "N R"]
    """What the last layer reads."""
    feature: Float[np.ndarray, "N D"]
    """What the encoder says, before the network."""
    um: Float[np.ndarray, "N 2"]
    """Places in their section."""
    who: tuple[Who, ...]

    @property
    def section(self) -> tuple[str, ...]:
        """Of each spot."""
        return tuple(who.section for who in self.who)

    @property
    def patient(self) -> tuple[str, ...]:
        """Of each spot."""
        return tuple(who.patient for who in self.who)

    @property
    def label(self) -> tuple[str | None, ...]:
        """Of each spot."""
        return tuple(who.label for who in self.who)

    def take(self, rows: Int[np.ndarray, " n"]) -> "Representation":
        """These of the spots."""
        who = tuple(self.who[row] for row in rows)
        return Representation(self.values[rows], self.feature[rows], self.um[rows], who)


def represent(asked: ExplainRequest, sections: Sequence[Section]) -> Representation:
    """Ask the network about every spot of these sections."""
    parts = [_of_section(asked, section) for section in track(sections, "sections")]
    return Representation(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.feature for part in parts]),
        np.concatenate([part.um for part in parts]),
        tuple(who for part in parts for who in part.who),
    )


def drawn(spots: Representation, seed: int) -> Representation:
    """At most MOST_SPOTS of the spots, the same share of each section."""
    names = np.asarray(spots.section)
    if len(names) <= MOST_SPOTS:
        return spots
    rows = []
    for name in np.unique(names):
        of_it = np.flatnonzero(names == name)
        n_kept = max(1, len(of_it) * MOST_SPOTS // len(names))
        order = stream(seed, f"explain-latent-{name}").permutation(len(of_it))
        rows.append(of_it[order[:n_kept]])
    return spots.take(np.sort(np.concatenate(rows)))


def _of_section(asked: ExplainRequest, section: Section) -> Representation:
    predictor, n_spots = asked.predictor, len(section.spots)
    model = predictor.model
    if isinstance(model, Estimator):
        raise ValueError(f"{model.name} represents nothing")
    device = choose_device(predictor.device)
    predictor.encoder.to(device)
    if predictor.sees_tiles:
        model.to(torch.device(device))
    queries = predictor.queries(section, asked.cache)
    seen, _ = predictor.fitted.seen(queries)
    path, patient = asked.labels.get(section.id), section.patient or f"unknown ({section.id})"
    labels = n_spots * (None,) if path is None else read_labels(path, section.spots)
    return Representation(
        values=represent_rows(model, seen, np.arange(n_spots)),
        feature=queries.feature,
        um=section.spots.xy * section.slide.mpp,
        who=tuple(
            Who(section.id, patient, spot, label)
            for spot, label in zip(section.spots.ids, labels, strict=True)
        ),
    )

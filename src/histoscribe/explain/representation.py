"""What the last layer of a network reads for each spot of several sections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from histoscribe.device import choose_device
from histoscribe.io.sections.labels import read_labels
from histoscribe.models.base import Estimator
from histoscribe.predictor.forward import represent_spots
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.seed import stream
from histoscribe.types import Section, SpotKeys

MOST_SPOTS = 5000
"""Spots in a t-SNE; more take minutes and give the same picture."""


@dataclass(frozen=True, eq=False)
class Representation:
    """Spots of several sections with their representation, in order of sections."""

    values: Float[np.ndarray, "N R"]
    """What the last layer reads."""
    feature: Float[np.ndarray, "N D"]
    """What the encoder gives, before the network."""
    um: Float[np.ndarray, "N 2"]
    """Place in the section, um."""
    keys: SpotKeys
    """An unknown patient is named `unknown (SECTION)`, and so counts as another one."""
    label: tuple[str | None, ...]
    """Label of each spot; None where it has none."""

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Int[np.ndarray, " n"]) -> "Representation":
        """The same, of these rows."""
        return Representation(
            values=self.values[rows],
            feature=self.feature[rows],
            um=self.um[rows],
            keys=self.keys.take(rows),
            label=tuple(self.label[row] for row in rows),
        )


def represent(
    predictor: Predictor,
    sections: Sequence[Section],
    cache: Path,
    labels: Mapping[str, Path],
) -> Representation:
    """Represent every spot of these sections; `labels` gives the table of some sections."""
    parts = [
        _of_section(predictor, section, cache, labels.get(section.id))
        for section in track(sections, "sections")
    ]
    return Representation(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.feature for part in parts]),
        np.concatenate([part.um for part in parts]),
        SpotKeys.concatenate([part.keys for part in parts]),
        tuple(label for part in parts for label in part.label),
    )


def sample(spots: Representation, seed: int) -> Representation:
    """At most `MOST_SPOTS` of the spots, the same share of each section."""
    if len(spots) <= MOST_SPOTS:
        return spots
    rows = []
    for name, _, members in spots.keys.by_section():
        n_kept = max(1, len(members) * MOST_SPOTS // len(spots))
        order = stream(seed, f"explain-latent-{name}").permutation(len(members))
        rows.append(members[order[:n_kept]])
    return spots.take(np.sort(np.concatenate(rows)))


def _of_section(
    predictor: Predictor, section: Section, cache: Path, table: Path | None
) -> Representation:
    model, n_spots = predictor.model, len(section.spots)
    if isinstance(model, Estimator):
        raise ValueError(f"{model.name} is no network")
    device = torch.device(choose_device(predictor.device))
    predictor.encoder.to(device)
    if predictor.sees_tiles:
        model.to(device)
    queries = predictor.queries(section, cache)
    patient = section.patient or f"unknown ({section.id})"
    return Representation(
        values=represent_spots(model, predictor.fitted.items(queries, device)),
        feature=queries.feature,
        um=section.spots.xy * section.slide.mpp,
        keys=SpotKeys.of_section(section.id, patient, section.spots.ids),
        label=n_spots * (None,) if table is None else read_labels(table, section.spots),
    )

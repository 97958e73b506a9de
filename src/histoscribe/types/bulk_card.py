"""Card of a benchmark on bags: the origin of its numbers, as stored in its `card.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from histoscribe.types.card import Card, SectionCard, TargetCard
from histoscribe.types.run_card import Check, FoldCard


@dataclass(frozen=True, kw_only=True)
class BulkRunCard(Card):
    """Everything that the numbers of a benchmark on bags depend on."""

    protocol: str
    leaky: str | None
    """Why the protocol leaks; None if it does not."""
    labels: str
    """What the labels of the bags are, e.g. `bulk tpm`."""
    n_bags: int
    n_tiles: int
    patients: tuple[str, ...]
    sites: Mapping[str, int]
    """Site -> number of bags; empty without sites."""
    notes: tuple[str, ...]
    """What was left out of the data."""
    sections: Mapping[str, SectionCard]
    folds: tuple[FoldCard, ...]
    folds_sha256: str
    target: Mapping[str, TargetCard]
    """Target of each fold."""
    unit: str
    """Unit of predictions and labels."""
    encoder: tuple[Mapping[str, Any], ...]
    """Encoders with the checksums of their weights, and the tiles."""
    settings: Mapping[str, Mapping[str, Any]]
    """Settings of each row."""
    inputs: Mapping[str, Any]
    train: Mapping[str, Any]
    seed: int
    shuffled_runs: int
    checks: tuple[Check, ...]
    versions: Mapping[str, str]
    epochs: Mapping[str, int] = field(default_factory=dict)
    """Epochs of each network, at most."""
    batch_size: Mapping[str, int] = field(default_factory=dict)
    """Bags in a batch of each network, at most."""
    departures: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Row -> what differs from the training of its publication, as in `RowCard`; rows of which
    nothing does are left out.
    """

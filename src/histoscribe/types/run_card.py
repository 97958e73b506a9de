"""Card of a run: the origin of its numbers, as stored in `card.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from histoscribe.types.card import (
    Card,
    ExemplarsCard,
    PathwaysCard,
    SectionCard,
    SteerCard,
    TargetCard,
)
from histoscribe.types.foreign_card import ForeignCard


@dataclass(frozen=True, kw_only=True)
class EncoderUse(Card):
    """Use of an encoder in a run."""

    encoder: str
    layer: str | None
    weights: str
    """`none`, `sha256:...` or `random:<seed>`."""
    tile_px: int
    mpp: float
    """um/px of the tiles."""
    white_off_tissue: bool
    precision: str
    """Requested precision."""
    precision_used: str
    """Precision used, which may be higher."""
    fold: str | None = None
    """Fold that trained it; None for an encoder that is the same in all folds."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """As in `EncoderCard`."""


@dataclass(frozen=True, kw_only=True)
class RunEncoders(Card):
    """Encoders of a run."""

    used: tuple[EncoderUse, ...]
    models: Mapping[str, str]
    """Row of the tables -> name of its encoder."""


@dataclass(frozen=True, kw_only=True)
class InnerCard(Card):
    """One inner split of a fold: section -> number of spots."""

    fit: Mapping[str, int]
    val: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class FoldCard(Card):
    """One fold: section -> number of spots on each side."""

    name: str
    protocol: str
    leaky: str | None
    """Why the protocol leaks; None if it does not."""
    validation: str
    train: Mapping[str, int]
    test: Mapping[str, int]
    inner: tuple[InnerCard, ...]


@dataclass(frozen=True, kw_only=True)
class RowCard(Card):
    """One row of the tables; by fold if folds differ."""

    model: str
    settings: Mapping[str, Any]
    """Settings of the row in the run's settings."""
    n_parameters: Mapping[str, int]
    epochs: int | None = None
    """Epochs of a network, at most; None for models that are no networks."""
    batch_size: int | None = None
    """Items in a batch of a network, at most."""
    departures: tuple[str, ...] = ()
    """What differs from the training of its publication, whose values stand in brackets."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """As `TrainingCard.weights`; empty for models that are no networks."""
    exemplars: Mapping[str, ExemplarsCard] = field(default_factory=dict)
    """Empty for models without exemplars."""
    steer: Mapping[str, SteerCard] = field(default_factory=dict)
    """Empty for models that no concept steered."""


@dataclass(frozen=True, kw_only=True)
class StainCard(Card):
    """Reference colour of the slides of a fold, in l-alpha-beta."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


@dataclass(frozen=True)
class Check(Card):
    """Finding of a check."""

    code: str
    level: Literal["info", "warning"]
    message: str
    remedy: str


@dataclass(frozen=True)
class GeneMap(Card):
    """Map of a gene in a run, with its caption."""

    file: str
    """Its path in `figures/`, with a folder per section, because `S1-HLA-A.png` would be ambiguous.
    """
    section: str
    gene: str
    model: str
    why: str
    """Reason for showing this gene."""


@dataclass(frozen=True, kw_only=True)
class ScorePartsCard(Card):
    """Correlation of a row over spots and genes, as a sum of parts; see `metrics.parts`."""

    gene_means: float
    depth: float
    rest: float

    @property
    def correlation(self) -> float:
        """Sum of the parts."""
        return self.gene_means + self.depth + self.rest


@dataclass(frozen=True, kw_only=True)
class RunCard(Card):
    """Everything that the numbers of a run depend on: its `card.json`."""

    protocol: str
    leaky: str | None
    """Why the protocol leaks; None if it does not."""
    grouping: str
    """What is held out together."""
    seed: int
    patients: tuple[str, ...]
    """Tested patients."""
    sections: Mapping[str, SectionCard]
    folds: tuple[FoldCard, ...]
    folds_sha256: str
    target: Mapping[str, TargetCard]
    """Target of each fold."""
    gene_labels: Mapping[str, str]
    """Gene -> display name, if this is not its id."""
    inputs: Mapping[str, Any]
    """Settings of the inputs."""
    encoder: RunEncoders
    models: Mapping[str, RowCard]
    train: Mapping[str, Any]
    """Settings of training."""
    metrics: tuple[str, ...]
    aggregation: str
    shuffled_runs: int
    per_patient: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    """Metric -> row -> patient -> value; None if undefined."""
    constant_predictions: Mapping[str, int]
    """Row -> number of scores that are 0 because the prediction was constant."""
    best_model: str
    """Row with the highest `pcc_given_depth`, shown in the maps."""
    maps: tuple[GeneMap, ...]
    checks: tuple[Check, ...]
    versions: Mapping[str, str]
    """Package -> version."""
    pathways: Mapping[str, PathwaysCard] = field(default_factory=dict)
    """Gene sets of the panel of each fold; empty in a run without."""
    pathway_maps: tuple[GeneMap, ...] = ()
    """Maps of pathways, each with the name of a set as its gene."""
    parts: Mapping[str, ScorePartsCard] = field(default_factory=dict)
    """Row -> its correlation over spots and genes in parts; empty in an older run."""
    foreign: Mapping[str, ForeignCard] = field(default_factory=dict)
    """Row -> predictions that were made elsewhere; empty in a benchmark."""
    stain: Mapping[str, StainCard] = field(default_factory=dict)
    """Fold -> colour of its training slides; empty without normalisation."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Facts that all sections share, e.g. species and organ."""

"""The card of a run: what its numbers were made from, as it lies in `card.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from histoscribe.types.card import Card, ExemplarsCard, SectionCard, TargetCard


@dataclass(frozen=True, kw_only=True)
class EncoderUse(Card):
    """An encoder as a run used it."""

    encoder: str
    layer: str | None
    weights: str
    """`none`, `sha256:...` or `random:<seed>`."""
    tile_px: int
    mpp: float
    """um/px of the tiles."""
    white_off_tissue: bool
    precision: str
    """As the settings have it."""
    precision_used: str
    """May be more than that."""
    fold: str | None = None
    """The fold that trained it; None for an encoder that is the same in all folds."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """As in `EncoderCard`."""


@dataclass(frozen=True, kw_only=True)
class RunEncoders(Card):
    """The encoders of a run."""

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
    """Why the protocol leaks; None where it does not."""
    validation: str
    train: Mapping[str, int]
    test: Mapping[str, int]
    inner: tuple[InnerCard, ...]


@dataclass(frozen=True, kw_only=True)
class RowCard(Card):
    """One row of the tables; by fold where folds differ."""

    model: str
    settings: Mapping[str, Any]
    """Those that the settings of the run give it."""
    n_parameters: Mapping[str, int]
    weights: Mapping[str, str] = field(default_factory=dict)
    """As `TrainingCard.weights`; empty where it is no network."""
    exemplars: Mapping[str, ExemplarsCard] = field(default_factory=dict)
    """Empty where it looks nothing up."""


@dataclass(frozen=True, kw_only=True)
class StainCard(Card):
    """The colour that the slides of a fold were given, in l-alpha-beta."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


@dataclass(frozen=True)
class Check(Card):
    """One finding of a run about itself."""

    code: str
    level: Literal["info", "warning"]
    message: str
    remedy: str


@dataclass(frozen=True)
class GeneMap(Card):
    """One map of a run, with what must be said beside it."""

    file: str
    """Its path in `figures/`: a folder a section, for `S1-HLA-A.png` would be of two genes."""
    section: str
    gene: str
    model: str
    why: str
    """Why this gene is shown, and not another."""


@dataclass(frozen=True, kw_only=True)
class RunCard(Card):
    """Everything that a number of a run depends on: its `card.json`."""

    protocol: str
    leaky: str | None
    """Why the protocol leaks; None where it does not."""
    grouping: str
    """What is held out together."""
    seed: int
    patients: tuple[str, ...]
    """Those that were tested."""
    sections: Mapping[str, SectionCard]
    folds: tuple[FoldCard, ...]
    folds_sha256: str
    target: Mapping[str, TargetCard]
    """Of each fold."""
    gene_labels: Mapping[str, str]
    """Gene -> what people call it, where that is not its id."""
    inputs: Mapping[str, Any]
    """The settings of inputs."""
    encoder: RunEncoders
    models: Mapping[str, RowCard]
    train: Mapping[str, Any]
    """The settings of training."""
    metrics: tuple[str, ...]
    aggregation: str
    shuffled_runs: int
    per_patient: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    """Metric -> row -> patient -> value; None where undefined."""
    constant_predictions: Mapping[str, int]
    """Row -> scores that are 0 because its prediction was constant."""
    best_model: str
    """The row with the highest `pcc_given_depth`; the maps are of it."""
    maps: tuple[GeneMap, ...]
    checks: tuple[Check, ...]
    versions: Mapping[str, str]
    """Package -> version."""
    stain: Mapping[str, StainCard] = field(default_factory=dict)
    """Fold -> colour of its training slides; empty where slides kept their own."""

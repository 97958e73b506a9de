"""Predicted expression: the values, and the facts needed to read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32

from histoscribe.display import result_html, table_html
from histoscribe.lazy import MethodOf
from histoscribe.types.tissue import Slide, Spots

if TYPE_CHECKING:
    from histoscribe.io.predictions.anndata import to_anndata as _to_anndata
    from histoscribe.plot.prediction_map import plot_prediction

COUNTS_PER_SPOT = 10_000.0
"""Total of a spot whose size factor is one, to which rates and deviations of counts refer."""

DISTANCE = "distance_to_training"
"""Spot fact: distance to the nearest training spot, by features; beyond 1 nothing similar was in
training; NaN unknown.
"""

TRUSTED = "trusted"
"""Spot fact: 1 where the tissue is known to be like the training tissue, else 0."""

CLIPPED = "clipped_genes"
"""Spot fact: number of genes whose value was clipped to the range of the training."""

_EXPECTED = ("pcc", "pcc_given_depth")
"""Gene facts that say how well a gene is predicted, the most telling last."""

MEASURED = "measured"
"""Raw counts of the genes, next to their prediction."""

LAYERS = ("deviation", "zero_inflation")
"""What models of counts say of each spot and gene beside the value, as fields of `Prediction`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Head:
    """A prediction without its values, which may exceed memory."""

    section: str
    spots: Spots
    genes: tuple[str, ...]
    unit: str
    """Transform of the target."""
    predictor: str
    """Model name and short hash of its files."""
    gene_names: tuple[str, ...] = ()
    """Symbol of each gene in the training sections; may repeat; empty if unknown."""
    gene_facts: Mapping[str, Float[np.ndarray, " G"]] = field(default_factory=dict)
    """Facts of each gene, by name, e.g. its score on held-out patients; NaN if unknown."""
    spot_facts: Mapping[str, Float[np.ndarray, " N"]] = field(default_factory=dict)
    """Facts of each spot, by name, e.g. the share of tissue below it."""
    evidence: Mapping[str, Float[np.ndarray, "N _"]] = field(default_factory=dict)
    """Evidence of each spot, by name, several numbers per spot, e.g. its exemplars."""
    evidence_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the columns of an evidence, e.g. those of the gene sets; missing for others."""
    card: str = ""
    """The protocol card of the predictor, as JSON."""
    warnings: tuple[str, ...] = ()
    """Warnings about an unusual slide, in words."""

    def __post_init__(self) -> None:
        if self.gene_names and len(self.gene_names) != len(self.genes):
            raise ValueError(f"{len(self.gene_names)} names for {len(self.genes)} genes")
        for name, columns in self.evidence_names.items():
            if name in self.evidence and self.evidence[name].shape[1] != len(columns):
                width = self.evidence[name].shape[1]
                raise ValueError(f"{len(columns)} names for {width} columns of {name}")
        n_spots, n_genes = self.shape
        for facts, n_rows in (
            (self.gene_facts, n_genes),
            (self.spot_facts, n_spots),
            (self.evidence, n_spots),
        ):
            if wrong := [name for name, values in facts.items() if len(values) != n_rows]:
                raise ValueError(f"{', '.join(wrong)} should have {n_rows} rows")

    def __repr__(self) -> str:
        n_spots, n_genes = self.shape
        return f"Head({self.section!r} by {self.predictor}: {n_spots:,} spots, {n_genes:,} genes)"

    @property
    def shape(self) -> tuple[int, int]:
        """Number of spots and of genes: the shape of the values."""
        return len(self.spots), len(self.genes)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predicted expression of one section, with unit and origin in its head."""

    head: Head
    values: Float[np.ndarray, "N G"]
    """One row per spot and one column per gene of the head, in its unit."""
    deviation: Float[np.ndarray, "N G"] | None = None
    """Standard deviation of the count of a spot with 10,000 counts; None of a model of values."""
    zero_inflation: Float[np.ndarray, "N G"] | None = None
    """Probability of an additional zero, of a model of counts that has any."""
    measured: Float[np.ndarray, "N G"] | None = None
    """Raw counts of a section that was sequenced; NaN where a gene was not measured."""
    slide: Slide | None = None
    """The predicted slide; None for a prediction that was read from a file."""

    if TYPE_CHECKING:
        plot = plot_prediction
        to_anndata = _to_anndata
    else:
        plot = MethodOf("histoscribe.plot.prediction_map", "plot_prediction")
        to_anndata = MethodOf("histoscribe.io.predictions.anndata", "to_anndata")

    def __post_init__(self) -> None:
        n_spots, n_genes = self.head.shape
        for name, values in {"values": self.values, MEASURED: self.measured, **self.layers}.items():
            if values is not None and values.shape != self.head.shape:
                raise ValueError(f"{values.shape} {name} for {n_spots} spots, {n_genes} genes")
        if self.zero_inflation is not None and self.deviation is None:
            raise ValueError("a model of counts predicts deviations, too")

    def __repr__(self) -> str:
        head = self.head
        n_spots, n_genes = head.shape
        size = f"{n_spots:,} spots, {n_genes:,} genes in {head.unit}{self._unlike}"
        return f"Prediction({head.section!r} by {head.predictor}: {size})"

    def _repr_html_(self) -> str:
        """Show the size, and the genes with the best scores on held-out patients, in a notebook."""
        head = self.head
        n_spots, n_genes = head.shape
        facts = [("by", head.predictor), ("", f"{n_spots:,} spots{self._unlike}")]
        facts += [("", f"{n_genes:,} genes"), ("unit", head.unit)]
        scores = [name for name in _EXPECTED if name in head.gene_facts]
        first = head.gene_facts[scores[-1]] if scores else self._spread
        order = np.argsort(-np.nan_to_num(first, nan=-np.inf), kind="stable")
        rows = [
            (
                head.gene_names[gene] if head.gene_names else head.genes[gene],
                head.genes[gene],
                *(float(head.gene_facts[name][gene]) for name in scores),
                float(self._spread[gene]),
            )
            for gene in order
        ]
        columns = ("gene", "id", *(f"{name} on held-out patients" for name in scores), "spread")
        return result_html(f"Prediction of {head.section}", facts, table_html(columns, rows))

    @property
    def _unlike(self) -> str:
        """Number of spots beyond the training tissue, if there are any, as the end of a phrase."""
        n_beyond = int((self.head.spot_facts.get(DISTANCE, np.zeros(0)) > 1).sum())
        return f" ({n_beyond:,} beyond the training tissue)" if n_beyond else ""

    @property
    def _spread(self) -> Float[np.ndarray, " G"]:
        """Standard deviation of each gene over the spots with values."""
        given = np.isfinite(self.values).all(axis=1)
        if not given.any():
            return np.full(len(self.genes), np.nan)
        return self.values[given].std(axis=0).astype(np.float64)

    @classmethod
    def of_layers(
        cls,
        head: Head,
        values: Float[np.ndarray, "N G"],
        layers: Mapping[str, Float[np.ndarray, "N G"]],
        *,
        measured: Float[np.ndarray, "N G"] | None = None,
        slide: Slide | None = None,
    ) -> "Prediction":
        """Prediction from its values and `layers`."""
        deviation, zero_inflation = (layers.get(name) for name in LAYERS)
        return cls(head, values, deviation, zero_inflation, measured, slide)

    @property
    def layers(self) -> Mapping[str, Float[np.ndarray, "N G"]]:
        """What it says of each spot and gene beside the value, by name; empty for most models."""
        named = {name: getattr(self, name) for name in LAYERS}
        return {name: values for name, values in named.items() if values is not None}

    @property
    def section(self) -> str:
        """Id of the predicted section."""
        return self.head.section

    @property
    def spots(self) -> Spots:
        """Spots of the rows."""
        return self.head.spots

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes of the columns."""
        return self.head.genes


@dataclass(frozen=True, eq=False)
class PredictedBlock:
    """Some rows of a prediction, which are computed and written together."""

    rows: slice
    values: Float32[np.ndarray, "rows G"]
    spot_columns: Mapping[str, Float[np.ndarray, "rows _"]]
    """Further columns of each spot, by name: its distance to the training spots, and evidence."""
    gene_facts: Mapping[str, Float[np.ndarray, " G"]] = field(default_factory=dict)
    """Facts of each gene from the same prediction, equal in all blocks: the value of a bag."""
    layers: Mapping[str, Float32[np.ndarray, "rows G"]] = field(default_factory=dict)
    """As `Prediction.layers`."""

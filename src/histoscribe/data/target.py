"""Target of prediction: a panel of genes and a transform, fitted on training spots and stored."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32, Int

from histoscribe.data.measured_genes import PanelCounts, candidate_genes, panel_counts
from histoscribe.data.panel import IN_EACH_SECTION, choose_genes, listed_genes
from histoscribe.data.panel_files import PUBLISHED_PANELS, published_panel, read_panel
from histoscribe.data.transform import Transform, transform_class
from histoscribe.errors import DataContractError, Problem
from histoscribe.types import Section, TargetCard

Parts = Sequence[tuple[Section, Int[np.ndarray, " _"]]]
"""Sections with the rows of their included spots."""

_ON = {
    "highest-mean": "mean raw count over the {} spots",
    "highly-variable": "variance of Pearson residuals within a section, mean over {} sections",
    "spatially-variable": "Moran's I of cp10k-log1p, neighbours within 1.5 pitches (without "
    "a lattice: Delaunay), mean over {} sections; seen in at least 5 % of the {} spots",
    IN_EACH_SECTION: "among the {n} genes of highest variance of Pearson residuals in each of the "
    "{} sections; the order is that of the mean variance",
    "list": "given by the user",
    "colotype-partial": "genes of the ColoType panel and seven biomarkers as far as they were "
    "published: a partial list",
}

_ON_BULK = {
    "highest-mean": "mean over the training patients, as counts per 10,000 (of logged values: as "
    "given)",
    "highly-variable": "variance of the target over the training patients",
}


@dataclass(frozen=True, kw_only=True)
class TargetSettings:
    """Panel and scale of the predicted genes."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # an unknown key is an error

    panel: Literal[
        "highest-mean",
        "highly-variable",
        "spatially-variable",
        "variable-in-each-section",
        "list",
        "colotype-partial",
    ] = "highest-mean"
    """Choice of genes on the training spots of each fold; `list` uses `genes`.
    `variable-in-each-section` keeps the genes among the `n_genes` most variable ones of every
    training section, so its size differs by fold. `colotype-partial` has the 35 of 47 genes of a
    published colorectal panel whose names are known.
    """
    n_genes: int = 250
    """Size of the panel, or genes taken of each section; ignored for panels that are lists."""
    transform: str = "pearson-residuals"
    """Name of the transform of counts."""
    genes: tuple[str, ...] | str | None = None
    """Gene ids, in order, for the panel `list`; or a file with one id a line, relative to the
    settings file.
    """
    scored_patients: tuple[str, ...] | None = None
    """Patients whose scores chose `genes`; a file of `explain genes` brings them. A run that tests
    one of them stops: scores of these genes on these patients are too high.
    """

    def __post_init__(self) -> None:
        if self.panel not in _ON:
            near = get_close_matches(self.panel, list(_ON), n=1) or list(_ON)
            raise ValueError(f"no panel named {self.panel!r}; choose {' or '.join(near)}")
        transform_class(self.transform)
        if (self.panel == "list") != (self.genes is not None):
            raise ValueError("`genes` is for panel = 'list' only")
        if isinstance(self.genes, str):
            panel = read_panel(Path(self.genes))
            scored = (*(self.scored_patients or ()), *panel.scored_patients)
            object.__setattr__(self, "genes", panel.genes)
            object.__setattr__(self, "scored_patients", tuple(dict.fromkeys(scored)) or None)
        if self.scored_patients is not None and self.genes is None:
            raise ValueError("`scored_patients` is for panel = 'list' only")
        if self.genes is not None and (not self.genes or len(set(self.genes)) < len(self.genes)):
            raise ValueError("`genes` must name at least one gene, each once")
        if self.n_genes < 1:
            raise ValueError(f"n_genes must be at least 1, got {self.n_genes}")

    @property
    def listed(self) -> tuple[str, ...] | None:
        """Genes of a panel that is a list; None for one that is chosen on training spots."""
        if self.panel in PUBLISHED_PANELS:
            return published_panel(self.panel)
        return self.genes if isinstance(self.genes, tuple) else None


@dataclass(frozen=True, eq=False)
class Target:
    """Panel and transform, fitted on training spots and stored with every predictor.

    Genes are matched by id. A panel gene that a section lacks is NaN there: undefined, never a
    zero. The exception is a whole-transcriptome table that leaves out genes without a count (see
    `data.measured_genes`): there an absent gene is zero, because a training section lists it.
    """

    genes: tuple[str, ...]
    panel: str
    state: Transform
    sections: tuple[str, ...]
    """Training sections, sorted."""
    n_spots: int
    """Training spots."""
    n_filled: tuple[tuple[str, int], ...]
    """Training section -> number of candidate genes that are absent from its table and count as
    zero.
    """
    panel_saw_test: bool = False
    """Whether the panel was chosen on all spots of the run, including test spots: a named leak."""
    n_of_each: int = 0
    """Number of genes taken of each section; 0 for panels of a set size."""
    pathways_first: bool = False
    """Whether genes of the run's gene sets were taken before all others."""
    samples: str = ""
    """What whole samples the values are of, e.g. `bulk tpm`; empty for spots."""

    @property
    def transform(self) -> str:
        """Name of the transform: the unit of every prediction."""
        return self.state.name

    @property
    def unit(self) -> str:
        """Name of the transform, followed by the kind of samples unless they are spots."""
        return f"{self.transform} of {self.samples}" if self.samples else self.transform

    def apply(
        self, section: Section, rows: Int[np.ndarray, " rows"] | None = None
    ) -> Float32[np.ndarray, "n G"]:
        """Target values of a section's spots (all, or these rows): NaN where not measured."""
        return self.values(self.panel_counts(section, rows))

    def panel_counts(
        self, section: Section, rows: Int[np.ndarray, " rows"] | None = None
    ) -> PanelCounts:
        """Raw counts of the panel: NaN where not measured."""
        return panel_counts(section, rows, self.genes)

    def values(self, panel: PanelCounts) -> Float32[np.ndarray, "n G"]:
        """Target values of the panel's raw counts: NaN where not measured."""
        return self.state.apply(panel).astype(np.float32)

    def invert(
        self, values: Float[np.ndarray, "n G"], total: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n G"]:
        """Counts from target values, for spots with these totals over all genes.

        Raises
        ------
        ValueError
            if the transform is not invertible; the message gives the reason.
        """
        return self.state.invert(values, total)

    def card(self) -> TargetCard:
        """Entry of the target on the protocol card."""
        return TargetCard(
            panel=self.panel,
            chosen_by=self._chosen_by,
            chosen_on="all spots of the run" if self.panel_saw_test else self.sections,
            n_training_spots=self.n_spots,
            n_genes=len(self.genes),
            genes_sha256=genes_hash(self.genes),
            transform=self.transform,
            statistic=self.state.statistic,
            size_factors=self.state.size_factors,
            absent_taken_as_zero=dict(self.n_filled),
        )

    def to_json(self) -> dict[str, Any]:
        """Complete target in JSON types; numbers are restored to the bit."""
        first = {"pathways_first": True} if self.pathways_first else {}
        return first | {
            "genes": list(self.genes),
            "panel": self.panel,
            "transform": self.transform,
            "state": {key: _listed(value) for key, value in asdict(self.state).items()},  # type: ignore[call-overload]
            "sections": list(self.sections),
            "n_spots": self.n_spots,
            "n_filled": dict(self.n_filled),
            "panel_saw_test": self.panel_saw_test,
            **({"n_of_each": self.n_of_each} if self.n_of_each else {}),
            **({"samples": self.samples} if self.samples else {}),
        }

    @property
    def _chosen_by(self) -> str:
        if self.samples.startswith("bulk") and self.panel in _ON_BULK:
            return _ON_BULK[self.panel]
        part = "training and test" if self.panel_saw_test else "training"
        by = _ON[self.panel].replace("{}", part).replace("{n}", str(self.n_of_each))
        return f"genes of the gene sets first; {by}" if self.pathways_first else by

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Target":
        """Restore a target from `to_json`."""
        state = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in record["state"].items()
        }
        return cls(
            genes=tuple(record["genes"]),
            panel=record["panel"],
            state=transform_class(record["transform"])(**state),
            sections=tuple(record["sections"]),
            n_spots=record["n_spots"],
            n_filled=tuple(sorted(record["n_filled"].items())),
            panel_saw_test=record["panel_saw_test"],
            n_of_each=record.get("n_of_each", 0),
            pathways_first=record.get("pathways_first", False),
            samples=record.get("samples", ""),
        )


def fit_target(
    parts: Parts,
    settings: TargetSettings,
    all_parts: Parts | None = None,
    first: Collection[str] = (),
    among: Collection[str] | None = None,
) -> Target:
    """Choose the panel and fit the transform on these training spots only.

    With `all_parts`, only the panel is chosen on those: the named leak `panel`. Genes whose id or
    symbol is in `first` are taken before all others. With `among`, no other gene is taken, and the
    panel may be smaller than its setting.

    Raises
    ------
    DataContractError
        for fewer genes than requested, and for listed genes that are unknown, not measured in every
        training section, or constant.
    """
    parts = sorted(parts, key=lambda part: part[0].id)
    candidates = candidate_genes(parts)
    saw_test = all_parts is not None and settings.listed is None
    if settings.listed is not None:
        listed = [gene for gene in settings.listed if among is None or gene in among]
        genes = listed_genes(candidates, tuple(listed))
    elif all_parts is not None:
        everything = candidate_genes(sorted(all_parts, key=lambda part: part[0].id))
        chosen = choose_genes(everything, settings.panel, settings.n_genes, first, among)
        genes = listed_genes(candidates, chosen)  # a gene constant in training has no range
    else:
        genes = choose_genes(candidates, settings.panel, settings.n_genes, first, among)
    if not genes:
        raise DataContractError(_NO_GENE)
    state = transform_class(settings.transform).fit(
        [panel_counts(section, rows, genes) for section, rows in parts],
        n_listed=len(candidates.listed),
    )
    return Target(
        genes=genes,
        panel=settings.panel,
        state=state,
        sections=tuple(section.id for section, _ in parts),
        n_spots=sum(len(rows) for _, rows in parts),
        n_filled=candidates.n_filled,
        panel_saw_test=saw_test,
        n_of_each=settings.n_genes if settings.panel == IN_EACH_SECTION else 0,
        pathways_first=bool(first),
    )


_NO_GENE = Problem(
    where="settings, target",
    found="no gene of the panel is among the genes that can be scored",
    expected="at least one gene of the panel that all predictions have",
    remedy="choose another panel, e.g. highest-mean, which takes the genes that are there",
)


def genes_hash(genes: tuple[str, ...]) -> str:
    """Sha256 of the genes in order, one per line."""
    return sha256("\n".join(genes).encode()).hexdigest()


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value

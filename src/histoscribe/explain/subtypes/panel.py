"""What classifiers read: genes of a panel from a file, or one value for each gene set."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from histoscribe.data.genesets import MIN_MEMBERS
from histoscribe.data.panel_files import PUBLISHED_PANELS, published_panel, read_panel
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.subtypes.templates import Templates
from histoscribe.io.gene_sets import CATALOG, gene_set_file, read_gmt, read_orthologues

TEMPLATES = "templates"
_ALIASES = Path(__file__).parent / "files" / "aliases.csv"
_FURTHER = {"colotype-partial": ("MUC2",)}
"""Genes that a published panel lacks, and that stated claims name."""


@dataclass(frozen=True)
class GeneNames:
    """Names of the genes of a bulk table."""

    ids: tuple[str, ...]
    symbols: tuple[str, ...]
    """Equal to the ids where the table has no others."""


@dataclass(frozen=True)
class Coverage:
    """Name of a panel gene or gene set, and its name or size in the bulk table."""

    name: str
    present: str
    """Name in the table, or the number of members; empty where it is missing."""


@dataclass(frozen=True, eq=False)
class SubtypePanel:
    """Values that the classifiers read, as columns of a bulk table."""

    source: str
    names: tuple[str, ...]
    members: tuple[Int[np.ndarray, " _"], ...]
    """Columns of the table of each value: one for a gene, several for a set."""
    coverage: tuple[Coverage, ...]
    are_sets: bool

    def read(
        self, values: Float[np.ndarray, "N A"], train: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, "N F"]:
        """Read genes as they are, and gene sets as the mean of their members.

        Members are standardised by the training patients.
        """
        if not self.are_sets:
            return values[:, [int(of[0]) for of in self.members]]
        return np.column_stack(
            [_standardised(values[:, of], train).mean(axis=1) for of in self.members]
        )

    @property
    def words(self) -> str:
        """Coverage in words: how much was found, and what is missing."""
        missing = [of.name for of in self.coverage if not of.present]
        renamed = [f"{of.name} as {of.present}" for of in self._renamed()]
        what = "gene sets" if self.are_sets else "genes"
        n_present = len(self.coverage) - len(missing)
        text = f"{n_present} of {len(self.coverage)} {what} of {self.source}"
        text += f"; missing: {', '.join(missing)}" if missing else ""
        return text + (f"; renamed: {', '.join(renamed)}" if renamed else "")

    def _renamed(self) -> Iterator[Coverage]:
        for of in self.coverage:
            if of.present not in ("", of.name) and not self.are_sets:
                yield of


def subtype_panel(
    source: str, names: GeneNames, usable: Bool[np.ndarray, " A"], templates: Templates | None
) -> SubtypePanel:
    """Find a panel in a bulk table; genes match by symbol, id or a former symbol.

    `usable` tells the genes that may be read: those that images predict, too, where predictions
    are given.

    Raises
    ------
    DataContractError
        for a panel that cannot be read, and one of which the table has nothing.
    """
    place = {
        name: at
        for spellings in (names.symbols, names.ids)
        for at, name in enumerate(spellings)
        if usable[at]
    }
    sets = _sets(source, templates)
    panel = _of_genes(source, place) if sets is None else _of_sets(source, sets, place)
    if not panel.names:
        some = ", ".join(names.symbols[:3])
        least = f"sets with {MIN_MEMBERS} members or more" if panel.are_sets else "genes"
        raise DataContractError(
            Problem(
                where=f"panel {source}",
                found=f"nothing of it is in the bulk table, whose genes are {some}, ...",
                expected=f"{least} named as in the table",
                remedy="give a panel in the spelling of the table: symbols, or its ids",
            )
        )
    return panel


def _sets(source: str, templates: Templates | None) -> Mapping[str, tuple[str, ...]] | None:
    """Gene sets that a panel names; None for a list of genes."""
    if source == TEMPLATES:
        if templates is None:
            found = "no table of templates"
            remedy = "give one with --templates"
            raise DataContractError(Problem(f"panel {source}", found, "a table", remedy))
        return dict(zip(templates.classes, templates.genes, strict=True))
    if source.startswith(CATALOG) or source.endswith(".gmt"):
        return read_gmt(gene_set_file(source))
    return None


def _of_genes(source: str, place: Mapping[str, int]) -> SubtypePanel:
    if source in PUBLISHED_PANELS:
        genes = (*published_panel(source), *_FURTHER.get(source, ()))
    else:
        try:
            genes = read_panel(Path(source)).genes
        except ValueError as error:
            expected = f"{' or '.join(PUBLISHED_PANELS)}, a file of genes, or gene sets"
            problem = Problem(f"panel {source}", str(error), expected, "correct the panel")
            raise DataContractError(problem) from None
    other = _aliases()
    present = {
        gene: next((name for name in (gene, *other.get(gene, ())) if name in place), "")
        for gene in genes
    }
    read = [gene for gene, name in present.items() if name]
    return SubtypePanel(
        source=Path(source).name,
        names=tuple(read),
        members=tuple(np.array([place[present[gene]]]) for gene in read),
        coverage=tuple(Coverage(gene, name) for gene, name in present.items()),
        are_sets=False,
    )


def _of_sets(
    source: str, sets: Mapping[str, tuple[str, ...]], place: Mapping[str, int]
) -> SubtypePanel:
    members = {
        name: np.array(
            sorted({place[word] for gene in genes for word in gene.split() if word in place}),
            dtype=np.int64,
        )
        for name, genes in sets.items()
    }
    read = [name for name, of in members.items() if len(of) >= MIN_MEMBERS]
    return SubtypePanel(
        source=source if source.startswith(CATALOG) else Path(source).name,
        names=tuple(read),
        members=tuple(members[name] for name in read),
        coverage=tuple(
            Coverage(name, f"{len(of)} of {len(sets[name])} genes" if name in read else "")
            for name, of in members.items()
        ),
        are_sets=True,
    )


def _aliases() -> dict[str, tuple[str, ...]]:
    """Other symbols of a gene, former and present, in both directions."""
    present = read_orthologues(_ALIASES)
    former: dict[str, tuple[str, ...]] = {}
    for old, new in present.items():
        for name in new:
            former[name] = (*former.get(name, ()), old)
    return {**present, **former}


def _standardised(
    values: Float[np.ndarray, "N m"], train: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "N m"]:
    spread = values[train].std(axis=0)
    return (values - values[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)

"""Gene sets of a run, and the pathways that they give for the panel of a fold."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import model_validator

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.catalog import data_set
from histoscribe.io.gene_sets import CATALOG, gene_set_file, read_gmt, read_orthologues
from histoscribe.io.sections.gene_ids import plain_id
from histoscribe.strict import StrictSettings
from histoscribe.types import Pathways, PathwaysCard

MIN_MEMBERS = 10
"""Smallest number of members in the panel: the mean of fewer genes is mostly that of one."""
_TOLD = 3  # examples of each spelling in messages


class PathwaySettings(StrictSettings):
    """Gene sets, for scores and maps of pathways beside those of genes."""

    sets: str | None = None
    """A GMT file (relative to the settings file) of symbols or Ensembl ids, or `catalog:hallmark`.
    """
    orthologues: str | None = None
    """For sets of another species: a CSV file (relative to the settings file) with the header
    `set_gene,panel_gene`, a gene of the sets and its orthologue in the counts in each line.
    """
    first: bool = False
    """Whether the panel takes genes of the sets first, the best ones by `target.panel`, and other
    genes only if places are left. Sets that end with too few members for a pathway count here, too.
    """

    @model_validator(mode="after")
    def _sets_are_given(self) -> "PathwaySettings":
        if self.sets is None and (self.orthologues is not None or self.first):
            raise ValueError("orthologues and first are for gene sets: name them by `sets`")
        return self


def with_whole_paths(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The table of these settings, with paths relative to `folder` made absolute."""
    return {
        key: str((folder / value).resolve())
        if isinstance(value, str | Path) and not str(value).startswith(CATALOG)
        else value
        for key, value in table.items()
    }


@dataclass(frozen=True, eq=False)
class GeneSets:
    """Gene sets as read, with the orthologues that spell their genes as the counts do."""

    source: str
    """`catalog:NAME`, or the name of the file."""
    licence: str
    sets: Mapping[str, tuple[str, ...]]
    """Name -> members as the file spells them."""
    orthologues: Mapping[str, tuple[str, ...]] | None = None
    min_members: int = MIN_MEMBERS
    """Smallest number of members in the panel."""

    def in_counts(self, member: str) -> tuple[str, ...]:
        """Spellings of a member in the counts: itself, or its orthologues."""
        if self.orthologues is not None:
            return self.orthologues.get(member, ())
        return (plain_id(member),)

    @property
    def genes(self) -> frozenset[str]:
        """Genes of all sets as the counts spell them: symbols or ids."""
        members = {member for of in self.sets.values() for member in of}
        return frozenset(gene for member in members for gene in self.in_counts(member))

    @property
    def hash(self) -> str:
        """Sha256 of the sets and orthologues; files of equal content are equal."""
        content = json.dumps([self.sets, self.orthologues], sort_keys=True)
        return sha256(content.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class PanelPathways:
    """Pathways of one panel, and how much of each set they contain."""

    pathways: Pathways
    card: PathwaysCard


def open_gene_sets(settings: PathwaySettings) -> GeneSets | None:
    """Read the gene sets of a run; None without.

    Raises
    ------
    DataContractError
        for files that are missing or cannot be read, and orthologues of other genes.
    """
    if settings.sets is None:
        return None
    named = settings.sets.startswith(CATALOG)
    sets = read_gmt(gene_set_file(settings.sets))
    orthologues = None
    if settings.orthologues is not None:
        orthologues = read_orthologues(Path(settings.orthologues))
        members = {member for of in sets.values() for member in of}
        if not members & set(orthologues):
            raise DataContractError(_other_orthologues(settings, members, orthologues))
    return GeneSets(
        source=settings.sets if named else Path(settings.sets).name,
        licence=data_set(settings.sets.removeprefix(CATALOG)).licence if named else "not stated",
        sets=sets,
        orthologues=orthologues,
    )


def panel_pathways(sets: GeneSets, genes: Sequence[str], names: Sequence[str]) -> PanelPathways:
    """Restrict gene sets to a panel; genes match by their id or their symbol.

    A set with too few members in the panel is dropped; the card lists it.

    Raises
    ------
    DataContractError
        for sets that share no gene with the panel, that match mostly when upper and lower case are
        ignored (another species), or of which none has enough members in the panel.
    """
    columns = _columns(genes, names)
    if problem := _mismatch(sets, genes, names, columns):
        raise DataContractError(problem)
    found = {
        name: [hits for member in members if (hits := _hits(sets, member, columns))]
        for name, members in sets.sets.items()
    }
    coverage = {name: (len(hits), len(sets.sets[name])) for name, hits in found.items()}
    kept = tuple(name for name, hits in found.items() if len(hits) >= sets.min_members)
    if not kept:
        raise DataContractError(_too_few(sets, coverage))
    members = np.zeros((len(kept), len(genes)), dtype=bool)
    for row, name in enumerate(kept):
        members[row, sorted(set().union(*found[name]))] = True
    card = PathwaysCard(
        source=sets.source,
        licence=sets.licence,
        sha256=sets.hash,
        orthologues=sets.orthologues is not None,
        coverage={name: coverage[name] for name in kept},
        dropped={name: of for name, of in coverage.items() if name not in kept},
    )
    return PanelPathways(Pathways(kept, members), card)


def _columns(genes: Sequence[str], names: Sequence[str]) -> dict[str, set[int]]:
    """Id or symbol -> columns of the panel; two genes may share a symbol."""
    columns: dict[str, set[int]] = {}
    for column, spellings in enumerate(zip(genes, names, strict=True)):
        for spelling in spellings:
            columns.setdefault(spelling, set()).add(column)
    return columns


def _hits(sets: GeneSets, member: str, columns: Mapping[str, set[int]]) -> set[int]:
    """Columns of the panel that belong to a member."""
    return set().union(*(columns.get(gene, set()) for gene in sets.in_counts(member)))


def _mismatch(
    sets: GeneSets, genes: Sequence[str], names: Sequence[str], columns: Mapping[str, set[int]]
) -> Problem | None:
    """Problem of sets in another spelling than the panel."""
    by_letters = {spelling.casefold(): spelling for spelling in sorted(columns, reverse=True)}
    in_sets = sorted(sets.genes)
    exact = [gene for gene in in_sets if gene in columns]
    other = [gene for gene in in_sets if gene not in columns and gene.casefold() in by_letters]
    if len(other) > len(exact):
        pairs = ", ".join(f"{by_letters[g.casefold()]} for {g}" for g in other[:_TOLD])
        return Problem(
            where=f"pathways, {sets.source}",
            found=f"{len(other)} of its genes are in the panel in other letters only ({pairs}), "
            f"{len(exact)} in the same letters: symbols of another species",
            expected="genes of the species of the counts",
            remedy="give a table of orthologues: pathways.orthologues, a CSV file with the header "
            "set_gene,panel_gene",
        )
    if exact:
        return None
    both = zip(genes, names, strict=True)
    panel = [f"{id_} ({name})" if name != id_ else id_ for id_, name in both]
    return Problem(
        where=f"pathways, {sets.source}",
        found=f"no gene of the panel: the sets have {_some(in_sets)}; the panel has {_some(panel)}",
        expected="gene sets that name genes by the symbols or ids of the counts",
        remedy="give sets of symbols or of Ensembl ids, as the counts have them; for another "
        "species, a table of orthologues (pathways.orthologues)",
    )


def _too_few(sets: GeneSets, coverage: Mapping[str, tuple[int, int]]) -> Problem:
    largest = max(coverage, key=lambda name: coverage[name][0])
    return Problem(
        where=f"pathways, {sets.source}",
        found=f"no set with {sets.min_members} members in the panel: {largest} has "
        f"{coverage[largest][0]}, the most of {len(coverage)} sets",
        expected=f"at least one set with {sets.min_members} members in the panel of each fold",
        remedy="predict more genes (target.n_genes), or take genes of the sets first "
        "(pathways.first = true)",
    )


def _other_orthologues(
    settings: PathwaySettings, members: set[str], orthologues: Mapping[str, tuple[str, ...]]
) -> Problem:
    return Problem(
        where=str(settings.orthologues),
        found=f"no gene of {settings.sets}: the table has {_some(sorted(orthologues))} as genes of "
        f"sets, the sets have {_some(sorted(members))}",
        expected="genes of the sets in the column set_gene, genes of the counts in panel_gene",
        remedy="exchange the columns, or give the table of the right species",
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_TOLD])

"""Genes that sections have in common: tables that name genes differently share few or none."""

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from histoscribe.errors import Problem
from histoscribe.types import Section

_ALIKE = 0.5
"""Least share of the genes of the smaller table for sections that are called alike."""
_APART = 0.05
"""Share up to which nothing that is learned on one section can be scored on the other."""
_ENSEMBL = re.compile(r"ENS[A-Z]*G\d{11}")
_MOST = 0.9
"""Share of ids of one form that makes it the form of a table."""
_SOME = 3


@dataclass(frozen=True)
class GeneGap:
    """Two groups of sections that share few genes."""

    sections: tuple[tuple[str, ...], tuple[str, ...]]
    n_shared: int
    n_least: int
    """Genes of the smaller of the two tables compared."""
    reason: str

    @property
    def is_apart(self) -> bool:
        """Whether almost no gene is shared: a model of one group has no scores on the other."""
        return self.n_shared <= _APART * self.n_least

    @property
    def summary(self) -> str:
        """Say how many genes are shared, and why."""
        return f"{self.n_shared:,} genes of {self.n_least:,} are shared{self.reason}"

    @property
    def where(self) -> str:
        """Name the sections."""
        return "sections " + " and ".join(map(_some, self.sections))

    @property
    def problem(self) -> Problem:
        """Problem with the remedy."""
        return Problem(
            where=self.where,
            found=self.summary,
            expected="genes named in one way in all sections, most of them shared",
            remedy="write the same kind of ids in all sections (AnnData: the column `gene_ids` of "
            "`var`), or leave out the sections of one group",
        )


def gene_gaps(sections: Iterable[Section]) -> tuple[GeneGap, ...]:
    """Groups of sections that share less than half of the genes of the smaller table.

    A section joins the first group whose first section shares more. Sections without counts are
    left out.
    """
    groups: list[list[Section]] = []
    genes: list[Set[str]] = []
    for section in (of for of in sections if of.counts is not None):
        ids = frozenset(section.measured.gene_ids)
        alike = (group for group, of in zip(groups, genes, strict=True) if _share(of, ids) > _ALIKE)
        if (group := next(alike, None)) is None:
            groups.append([section])
            genes.append(ids)
        else:
            group.append(section)
    return tuple(
        GeneGap(
            (_names(groups[one]), _names(groups[other])),
            len(genes[one] & genes[other]),
            min(len(genes[one]), len(genes[other])),
            _reason(groups[one][0], groups[other][0]),
        )
        for one in range(len(groups))
        for other in range(one + 1, len(groups))
        if _share(genes[one], genes[other]) <= _ALIKE
    )


def gene_problems(sections: Iterable[Section]) -> list[Problem]:
    """Problems of sections that share almost no gene."""
    return [gap.problem for gap in gene_gaps(sections) if gap.is_apart]


def _share(one: Set[str], other: Set[str]) -> float:
    return len(one & other) / max(min(len(one), len(other)), 1)


def _reason(one: Section, other: Section) -> str:
    """Say how the names of genes differ, where that is known."""
    forms = [_form(section) for section in (one, other)]
    said = " and ".join(
        f"section {section.id} has {form} ({_some(section.measured.gene_ids)})"
        for section, form in zip((one, other), forms, strict=True)
    )
    ids = [set(section.measured.gene_ids) for section in (one, other)]
    names = [set(section.measured.gene_names) for section in (one, other)]
    hints = {
        "if symbols are compared": len(names[0] & names[1]),
        "if capitals are ignored (human TP53, mouse Trp53)": len(_lower(ids[0]) & _lower(ids[1])),
    }
    best = max(hints, key=lambda words: hints[words])
    more = hints[best] > 2 * max(len(ids[0] & ids[1]), 1)
    return f": {said}" + (f"; {hints[best]:,} are shared {best}" if more else "")


def _form(section: Section) -> str:
    ids = section.measured.gene_ids
    share = sum(_ENSEMBL.match(id_) is not None for id_ in ids) / max(len(ids), 1)
    if share >= _MOST:
        return "Ensembl ids"
    if sum(id_.isdigit() for id_ in ids) >= _MOST * len(ids):
        return "numbers"
    return "symbols" if share <= 1 - _MOST else "symbols and Ensembl ids"


def _lower(names: Set[str]) -> set[str]:
    return {name.lower() for name in names}


def _names(sections: Sequence[Section]) -> tuple[str, ...]:
    return tuple(section.id for section in sections)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SOME]) + (", ..." if len(names) > _SOME else "")

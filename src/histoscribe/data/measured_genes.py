"""Genes that a section measured, and counts of panel genes by id.

There are two kinds of tables. Most list every gene that was assayed, so a gene that is not listed
was not measured. Some whole-transcriptome tables (legacy ST arrays) leave out genes without a
count, different ones in each section. In these, a gene that another section lists was assayed, too,
and its count is zero, even if it is common elsewhere: in her2st whole patients have no KRT14 or
CHGA.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from histoscribe.types import Counts, Section

WHOLE_TRANSCRIPTOME = 10_000
"""Smallest number of genes of a whole transcriptome; gene panels list fewer."""


def panel_sizes(n_genes: Iterable[int | None]) -> str:
    """What depth is the total of, where sections measured a panel of genes; else an empty text.

    The total over a few hundred genes is no measure of all the RNA of a spot, and a common gene of
    the panel is a part of it.
    """
    known = sorted({n for n in n_genes if n is not None})
    if not known or known[0] >= WHOLE_TRANSCRIPTOME:
        return ""
    if len(known) == 1:
        return f"here of a panel of {known[0]:,} genes, so depth is the total of that panel only"
    return (
        f"here of {known[0]:,} to {known[-1]:,} genes by section, so depth is the total of each "
        "panel only, and not comparable between sections of different panels"
    )


MOSTLY_SEEN = 0.1
"""Upper limit of the share of genes without a count in a table that leaves out such genes: it still
lists genes that were detected only in spots dropped later (3 to 4 % in her2st). Tables that list
every gene have about 40 %.
"""


@dataclass(frozen=True, eq=False)
class PanelCounts:
    """Counts of panel genes in spots of a section; NaN columns were not measured."""

    counts: Float[np.ndarray, "N G"]
    total: Float[np.ndarray, " N"]
    """Total of the spot over all measured genes."""
    share: Float[np.ndarray, " G"]
    """Share of the gene in all counts of the section."""
    n_section_spots: int


@dataclass(frozen=True, eq=False)
class TrainingPart:
    """Training spots of one section over the candidate genes of all training sections."""

    section: Section
    rows: Int[np.ndarray, " N"]
    counts: sp.csc_matrix
    """[N, candidates]; a gene that is zero by the rule above is an empty column."""
    total: Float[np.ndarray, " N"]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Genes measured, or zero by the rule above, in every training section; sorted by id."""

    genes: tuple[str, ...]
    parts: tuple[TrainingPart, ...]
    listed: tuple[str, ...]
    """Every gene that any training section lists, sorted."""
    n_filled: tuple[tuple[str, int], ...]
    """Section -> number of candidates that are zero there by the rule; sections without any are
    left out.
    """


def drops_unseen_genes(counts: Counts) -> bool:
    """Whether the table is a whole transcriptome that leaves out genes without a count."""
    n_genes = len(counts.gene_ids)
    if n_genes < WHOLE_TRANSCRIPTOME or not counts.matrix.shape[0]:
        return False
    return bool((counts.gene_total == 0).mean() < MOSTLY_SEEN)


def candidate_genes(parts: Sequence[tuple[Section, Int[np.ndarray, " _"]]]) -> Candidates:
    """Genes that a panel may choose from, based on the training spots only."""
    listed = np.array(sorted(set().union(*(part.measured.gene_ids for part, _ in parts))))
    places = [_places(section.measured.gene_ids, listed) for section, _ in parts]
    present = np.array(places) >= 0
    drops = np.array([drops_unseen_genes(section.measured) for section, _ in parts])
    filled = ~present & drops[:, None]
    chosen = (present | filled).all(axis=0)
    return Candidates(
        genes=tuple(listed[chosen].tolist()),
        parts=tuple(
            _training_part(section, rows, place[chosen])
            for (section, rows), place in zip(parts, places, strict=True)
        ),
        listed=tuple(listed.tolist()),
        n_filled=tuple(
            (section.id, int(n))
            for (section, _), n in zip(parts, (filled & chosen).sum(axis=1), strict=True)
            if n
        ),
    )


def panel_counts(
    section: Section, rows: Int[np.ndarray, " rows"] | None, genes: tuple[str, ...]
) -> PanelCounts:
    """Counts of these genes, by id; each is listed by some training section.

    The matrix stays sparse until rows and genes are chosen: of 500,000 bins, a dense panel of 250
    genes takes 1 GB.
    """
    counts = section.measured
    place = _places(counts.gene_ids, np.array(genes, dtype=object))
    listed = place >= 0
    matrix = counts.matrix if rows is None else counts.matrix[rows]
    values, share = np.zeros((matrix.shape[0], len(genes))), np.zeros(len(genes))
    values[:, listed] = matrix[:, place[listed]].toarray()
    share[listed] = counts.gene_total[place[listed]]
    if not drops_unseen_genes(counts):
        values[:, ~listed], share[~listed] = np.nan, np.nan
    return PanelCounts(
        counts=values,
        total=np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel(),
        share=share / max(counts.gene_total.sum(), 1.0),
        n_section_spots=counts.matrix.shape[0],
    )


def _places(ids: tuple[str, ...], wanted: np.ndarray) -> Int[np.ndarray, " wanted"]:
    """Column of each requested gene in a table, -1 for an unlisted gene."""
    column = {id_: place for place, id_ in enumerate(ids)}
    return np.array([column.get(str(id_), -1) for id_ in wanted], dtype=np.int64)


def _training_part(
    section: Section, rows: Int[np.ndarray, " N"], place: Int[np.ndarray, " candidates"]
) -> TrainingPart:
    """Columns of the candidates; -1 gives an empty one."""
    matrix = section.measured.matrix[rows]
    empty = sp.csc_matrix((len(rows), 1), dtype=matrix.dtype)
    columns = sp.hstack([matrix.tocsc(), empty], format="csc")[:, place]
    return TrainingPart(section, rows, sp.csc_matrix(columns), section.measured.total[rows])

"""Nearest-template prediction: the class whose template genes stand out in a patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import false_discovery_control

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.delimited import read_frame
from histoscribe.seed import stream

N_DRAWS = 1000
"""Random sets of genes of each patient, for the p of its nearest template."""
CLASS, NAMES = "class", ("symbol", "probe", "gene")


@dataclass(frozen=True, eq=False)
class Templates:
    """Template genes of each class."""

    classes: tuple[str, ...]
    genes: tuple[tuple[str, ...], ...]
    """Of each class, symbols and other ids of its template genes."""
    source: str


@dataclass(frozen=True, eq=False)
class TableTemplates:
    """Templates over the genes of one table."""

    classes: tuple[str, ...]
    columns: Int[np.ndarray, " T"]
    """Genes of any template."""
    marks: Bool[np.ndarray, "K T"]
    """Whether a gene is of the template of a class."""


def read_templates(path: Path) -> Templates:
    """Read a table with a column `class` and at least one of `symbol`, `probe` and `gene`.

    Raises
    ------
    DataContractError
        for a table without these columns or with fewer than two classes.
    """
    frame = read_frame(path, words=True)
    named = [name for name in NAMES if name in frame.columns]
    classes = tuple(sorted(set(frame[CLASS]))) if CLASS in frame.columns else ()
    if not named or len(classes) < 2:
        found = f"columns {', '.join(frame.columns)}; {len(classes)} classes"
        expected = f"a column {CLASS} of two classes or more, and one of {', '.join(NAMES)}"
        raise DataContractError(Problem(f"templates {path}", found, expected, "correct the table"))
    genes = tuple(
        tuple(" ".join(row) for row in frame.loc[frame[CLASS] == name, named].to_numpy(dtype=str))
        for name in classes
    )
    return Templates(classes, genes, path.name)


def in_table(templates: Templates, ids: Sequence[str], symbols: Sequence[str]) -> TableTemplates:
    """Find the template genes in a table by id or symbol.

    Raises DataContractError for a class none of whose genes is in the table.
    """
    place = {name: at for names in (symbols, ids) for at, name in enumerate(names)}
    found = [
        sorted({place[name] for gene in genes for name in gene.split() if name in place})
        for genes in templates.genes
    ]
    empty = [name for name, of in zip(templates.classes, found, strict=True) if not of]
    if empty:
        raise DataContractError(
            Problem(
                where=f"templates {templates.source}",
                found=f"no template gene of {', '.join(empty)} is in the bulk table",
                expected="symbols or ids as in the bulk table",
                remedy="give templates in the spelling of the table",
            )
        )
    columns = np.array(sorted(set().union(*found)), dtype=np.int64)
    marks = np.array([np.isin(columns, of) for of in found])
    return TableTemplates(templates.classes, columns, marks)


def template_scores(
    templates: TableTemplates, values: Float[np.ndarray, "N A"], train: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "N K"]:
    """Cosine similarity of each patient with each template; the class is that of the highest.

    Genes are standardised by the training patients; a template is 1 in its genes and 0 in those of
    the other classes (Hoshida, PLoS ONE 5:e15543, 2010, doi 10.1371/journal.pone.0015543, whose
    distance is 1 minus this).
    """
    part = values[:, templates.columns]
    spread = part[train].std(axis=0)
    standard = (part - part[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    size = np.linalg.norm(standard, axis=1, keepdims=True)
    marks = templates.marks / np.linalg.norm(templates.marks, axis=1, keepdims=True)
    return standard @ marks.T / np.where(size > 0, size, 1.0)


@dataclass(frozen=True, eq=False)
class TemplateCalls:
    """Nearest template of each patient."""

    subtype: tuple[str, ...]
    similarity: Float[np.ndarray, " N"]
    p: Float[np.ndarray, " N"]
    """Share of random sets of genes that are as near to any template."""
    q: Float[np.ndarray, " N"]
    """p corrected over patients (Benjamini and Hochberg)."""


def template_calls(
    templates: TableTemplates, values: Float[np.ndarray, "N A"], seed: int
) -> TemplateCalls:
    """Call all patients, standardised by all of them; random sets are of all genes of the table."""
    every = np.arange(len(values))
    scores = template_scores(templates, values, every)
    nearest = scores.argmax(axis=1)
    similarity = scores.max(axis=1)
    spread = values.std(axis=0)
    standard = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    marks = templates.marks / np.linalg.norm(templates.marks, axis=1, keepdims=True)
    as_near = np.zeros(len(values))
    for row in every:
        rng = stream(seed, f"subtypes-templates-{row}")
        drawn = standard[row][rng.integers(values.shape[1], size=(N_DRAWS, marks.shape[1]))]
        size = np.linalg.norm(drawn, axis=1)
        of_draws = (drawn @ marks.T).max(axis=1) / np.where(size > 0, size, 1.0)
        as_near[row] = (of_draws >= similarity[row]).sum()
    p = (as_near + 1) / (N_DRAWS + 1)
    return TemplateCalls(
        tuple(templates.classes[at] for at in nearest), similarity, p, false_discovery_control(p)
    )

"""Unique file names for names from data, and display names of genes."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from urllib.parse import quote

from histoscribe.predictor.facts import gene_names
from histoscribe.types import Cohort
from histoscribe.types.gene_labels import gene_labels

_LONGEST = 200  # bytes; the limit is 255, and files have an ending


def file_name(name: str) -> str:
    """Turn a name into one path part that every file system accepts.

    Everything except letters, digits and `_-~+().` becomes its percent code, so two names never
    share a file; a very long name is shortened, with its hash.

    >>> file_name("HLA-DRB1.2"), file_name("A/B"), file_name("A%2FB"), file_name("..")
    ('HLA-DRB1.2', 'A%2FB', 'A%252FB', '%2E.')
    """
    quoted = quote(name, safe="+()")
    if quoted.startswith("."):  # avoids a hidden file and the parent folder
        quoted = f"%2E{quoted[1:]}"
    if len(quoted) <= _LONGEST:
        return quoted
    return f"{quoted[:40]}...{sha256(name.encode()).hexdigest()[:12]}"


def labels_of(cohort: Cohort, genes: Iterable[str]) -> Mapping[str, str]:
    """Gene id -> symbol, for genes with a unique symbol."""
    ids = tuple(sorted(set(genes)))
    labels = gene_labels(ids, tuple(gene_names(cohort, cohort.ids, ids)))
    return {gene: label for gene, label in zip(ids, labels, strict=True) if label != gene}

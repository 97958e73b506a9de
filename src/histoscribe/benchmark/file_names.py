"""Names from data: as names of files, where distinct ones stay distinct, and for people."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from urllib.parse import quote

from histoscribe.predictor.facts import gene_labels, gene_names
from histoscribe.types import Cohort

_LONGEST = 200  # bytes; the limit is 255, and files carry an ending


def file_name(name: str) -> str:
    """Give a name as one path part that every file system takes.

    Everything but letters, digits and `_-~+().` becomes its percent code, so two names never
    share a file; a very long one is shortened, with its hash.

    >>> file_name("HLA-DRB1.2"), file_name("A/B"), file_name("A%2FB"), file_name("..")
    ('HLA-DRB1.2', 'A%2FB', 'A%252FB', '%2E.')
    """
    quoted = quote(name, safe="+()")
    if quoted.startswith("."):  # neither a hidden file nor the folder above
        quoted = f"%2E{quoted[1:]}"
    if len(quoted) <= _LONGEST:
        return quoted
    return f"{quoted[:40]}...{sha256(name.encode()).hexdigest()[:12]}"


def labels_of(cohort: Cohort, genes: Iterable[str]) -> Mapping[str, str]:
    """Gene id -> its symbol, of those genes that have one of their own beside the id."""
    ids = tuple(sorted(set(genes)))
    labels = gene_labels(ids, tuple(gene_names(cohort, cohort.ids, ids)))
    return {gene: label for gene, label in zip(ids, labels, strict=True) if label != gene}

"""Display names of genes, each once."""

from collections import Counter

from histoscribe.printable import printable


def gene_labels(genes: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Display names of genes: the symbol, or the id if two genes share a symbol; see `printable`.

    >>> gene_labels(("ENSG1", "ENSG2", "ENSG3"), ("ACTB", "TBCE", "TBCE"))
    ('ACTB', 'ENSG2', 'ENSG3')
    """
    times, ids = Counter(names), set(genes)
    return tuple(
        printable(name if times[name] == 1 and (name == gene or name not in ids) else gene)
        for gene, name in zip(genes, names, strict=True)
    )

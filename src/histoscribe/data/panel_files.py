"""Panels in files: one gene a line, from the user or published by name."""

from pathlib import Path

_FOLDER = Path(__file__).parent / "panels"
PUBLISHED_PANELS = ("colotype-partial",)
"""Names of the panels that come with the package."""


def published_panel(name: str) -> tuple[str, ...]:
    """Genes of a panel that comes with the package.

    >>> len(published_panel("colotype-partial"))
    35
    """
    return genes_of_file(_FOLDER / f"{name}.txt")


def genes_of_file(path: Path) -> tuple[str, ...]:
    """Genes of a text file in order: one a line; empty lines and those from `#` on are left out.

    Raises
    ------
    ValueError
        if the file cannot be read, has no gene, or names one twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"no list of genes in {path} ({error})") from None
    genes = [line.partition("#")[0].strip() for line in lines]
    genes = [gene for gene in genes if gene]
    if not genes:
        raise ValueError(f"no gene in {path}: it needs one id a line")
    if repeated := sorted({gene for gene in genes if genes.count(gene) > 1}):
        raise ValueError(f"{path} names twice: {', '.join(repeated)}")
    return tuple(genes)

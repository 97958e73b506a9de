"""Panels in files: one gene a line, from the user or published by name."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscribe.errors import DataContractError
from histoscribe.io.files import read_text

_FOLDER = Path(__file__).parent / "panels"
PUBLISHED_PANELS = ("colotype-partial",)
"""Names of the panels that come with the package."""
_SCORED = "# scored-patients:"
"""Start of the line that names patients, as a list in JSON."""


@dataclass(frozen=True)
class PanelFile:
    """Genes of a file, and the patients whose scores chose them."""

    genes: tuple[str, ...]
    """In the order of the file."""
    scored_patients: tuple[str, ...] = ()
    """Scores of these genes on these patients are too high; empty for other lists."""


def published_panel(name: str) -> tuple[str, ...]:
    """Genes of a panel that comes with the package.

    >>> len(published_panel("colotype-partial"))
    35
    """
    return read_panel(_FOLDER / f"{name}.txt").genes


def read_panel(path: Path) -> PanelFile:
    """Read a text file of genes: one a line; empty lines and those from `#` on are left out.

    Raises
    ------
    ValueError
        if the file cannot be read, has no gene, names one twice, or has a line of scored patients
        that is no list of names.
    """
    try:
        lines = read_text(path, "a list of genes").splitlines()
    except DataContractError as error:
        raise ValueError(f"no list of genes in {path} ({error.problems[0].found})") from None
    genes = [line.partition("#")[0].strip() for line in lines]
    genes = [gene for gene in genes if gene]
    if not genes:
        raise ValueError(f"no gene in {path}: it needs one id a line")
    if repeated := sorted({gene for gene in genes if genes.count(gene) > 1}):
        raise ValueError(f"{path} names twice: {', '.join(repeated)}")
    named = [name for line in lines if line.startswith(_SCORED) for name in _names(line, path)]
    return PanelFile(tuple(genes), tuple(dict.fromkeys(named)))


def panel_text(panel: PanelFile, symbols: Sequence[str], notes: Sequence[str]) -> str:
    """Text of a panel file, which `read_panel` reads back; `notes` are lines at its top."""
    scored = json.dumps(list(panel.scored_patients), ensure_ascii=False)
    lines = [f"# {note}" for note in notes] + [f"{_SCORED} {scored}"]
    for gene, symbol in zip(panel.genes, symbols, strict=True):
        lines.append(gene if symbol == gene else f"{gene}  # {symbol}")
    return "\n".join(lines) + "\n"


def _names(line: str, path: Path) -> list[str]:
    """Patients of a line."""
    try:
        names = json.loads(line.removeprefix(_SCORED))
    except json.JSONDecodeError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'{path}: {line!r} is no list of names, like {_SCORED} ["A", "B"]')
    return names

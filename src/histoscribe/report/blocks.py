"""The protocol card, written in Markdown, as blocks for a template.

Supports only what the card uses: headings, bullets, tables, paragraphs; `**bold**` stays in the
text.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Kind = Literal["heading", "bullets", "table", "paragraph", "gap"]


@dataclass(frozen=True)
class CardBlock:
    """Consecutive lines of one kind."""

    kind: Kind
    rows: tuple[tuple[str, ...], ...]
    """One row per line; more than one cell only in tables, whose first row is the header."""


def blocks(markdown: str) -> list[CardBlock]:
    r"""Cut Markdown into blocks; a line of no other kind is a paragraph.

    >>> [block.kind for block in blocks("# Card\n\n- a\n- b\n\n| x |\n|---|\n| 1 |\nwords")]
    ['heading', 'bullets', 'table', 'paragraph']
    """
    return [
        CardBlock(kind, tuple(_cells(kind, line) for line in lines if not _is_rule(kind, line)))
        for kind, lines in groupby(markdown.splitlines(), key=_kind)
        if kind != "gap"
    ]


def _kind(line: str) -> Kind:
    if not line.strip():
        return "gap"
    starts: dict[str, Kind] = {"#": "heading", "- ": "bullets", "|": "table"}
    return next((kind for start, kind in starts.items() if line.startswith(start)), "paragraph")


def _cells(kind: Kind, line: str) -> tuple[str, ...]:
    if kind == "table":
        return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
    return (line.lstrip("#").strip() if kind == "heading" else line.removeprefix("- "),)


def _is_rule(kind: Kind, line: str) -> bool:
    return kind == "table" and not line.strip("|-: ")

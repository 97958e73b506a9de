"""HTML of results in a notebook: a name, a few facts, tables, notes and pictures.

It brings no colours, so that it reads on light and on dark pages, and runs no script. Text from
data is escaped.
"""

import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice

from histoscribe.printable import printable

MOST_ROWS = 12
"""Rows of a table that a notebook shows: more would hide the next cell."""
_CELL = "padding:0.1em 0.8em 0.1em 0;border:none;background:none;vertical-align:top"
_HEAD = f"{_CELL};border-bottom:1px solid currentColor;opacity:0.7;font-weight:normal"


def result_html(name: str, facts: Sequence[tuple[str, object]], *parts: str) -> str:
    """A result by its name and facts, with further parts made by this module below.

    >>> result_html("section <A1>", [("spots", 1250)])
    '<div><div><b>section &lt;A1&gt;</b></div><div>spots 1,250</div></div>'
    """
    words = " · ".join(f"{_text(fact)} {_text(value)}".strip() for fact, value in facts)
    below = f"<div>{words}</div>" if words else ""
    return f"<div><div><b>{_text(name)}</b></div>{below}{''.join(parts)}</div>"


def table_html(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; of many rows the first, and the number of all. Undefined numbers are a dash."""
    numeric = [all(_is_number(row[place]) for row in rows) for place in range(len(columns))]
    head = _row("th", columns, _HEAD, numeric)
    body = "".join(_row("td", row, _CELL, numeric) for row in islice(rows, MOST_ROWS))
    more = notes_html([f"{MOST_ROWS} of {len(rows):,} rows"]) if len(rows) > MOST_ROWS else ""
    style = "border-collapse:collapse;border:none;margin:0.4em 0;color:inherit;font:inherit"
    return f'<table style="{style}"><thead>{head}</thead><tbody>{body}</tbody></table>{more}'


def notes_html(notes: Iterable[str]) -> str:
    """Small text, a line for each note."""
    lines = "".join(f"<div>{_text(note)}</div>" for note in notes)
    return f'<div style="font-size:smaller;opacity:0.8">{lines}</div>' if lines else ""


def picture_html(picture: bytes, media_type: str, words: str) -> str:
    """A picture inside the page; `words` say what it shows where it cannot be seen."""
    data = b64encode(picture).decode("ascii")
    style = "max-width:100%;background:white"
    return f'<img alt="{_text(words)}" style="{style}" src="data:{media_type};base64,{data}">'


def number_text(value: float | int) -> str:
    """A number as tables show it; a dash where it is undefined.

    >>> number_text(0.12345), number_text(float("nan")), number_text(12345)
    ('0.123', '–', '12,345')
    """
    if isinstance(value, int):
        return f"{value:,}"
    return "–" if math.isnan(value) else f"{value:.3f}"


def _row(kind: str, cells: Sequence[object], style: str, numeric: Sequence[bool]) -> str:
    sides = ("right" if is_number else "left" for is_number in numeric)
    content = "".join(
        f'<{kind} style="{style};text-align:{side}">{_text(cell)}</{kind}>'
        for side, cell in zip(sides, cells, strict=True)
    )
    return f"<tr>{content}</tr>"


def _text(value: object) -> str:
    plain = number_text(value) if isinstance(value, int | float) else str(value)
    return escape(printable(plain))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)

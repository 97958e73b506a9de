"""Scripts of the gallery and the notebooks: cells of text and code, as percent format has them."""

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path

_MARK = re.compile(r"^# %%.*\n", re.M)


@dataclass(frozen=True)
class Cell:
    """The text of a cell and the code below it; one of the two may be empty."""

    text: str
    """Markdown."""
    code: str


@dataclass(frozen=True)
class Script:
    """A script with a docstring, its title the first line, and cells that start with `# %%`."""

    path: Path
    title: str
    introduction: str
    cells: tuple[Cell, ...]


def read_script(path: Path) -> Script:
    """Read a script; raises ValueError where it has no docstring or no cell."""
    source = path.read_text("utf-8")
    docstring = ast.get_docstring(ast.parse(source))
    _, *cells = _MARK.split(source)
    if docstring is None or not cells:
        raise ValueError(f"{path} needs a docstring, and cells that start with '# %%'")
    title, _, introduction = docstring.partition("\n")
    return Script(path, title.rstrip("."), introduction.strip(), tuple(map(_cell, cells)))


def _cell(source: str) -> Cell:
    """The comment lines on top are text, the rest is code."""
    lines = source.strip("\n").splitlines()
    n_text = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[:n_text])
    return Cell(text.strip(), "\n".join(lines[n_text:]).strip("\n"))


def notebook(script: Script) -> str:
    """The script as a notebook without outputs (nbformat 4)."""
    intro = f"# {script.title}\n\n{script.introduction}".strip()
    parts = [("markdown", intro)]
    for cell in script.cells:
        parts += [("markdown", cell.text), ("code", cell.code)]
    cells = [_json_cell(kind, text) for kind, text in parts if text]
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    book = {"nbformat": 4, "nbformat_minor": 4, "metadata": about, "cells": cells}
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


def _json_cell(kind: str, text: str) -> dict[str, object]:
    empty = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, **empty, "source": text.splitlines(keepends=True)}

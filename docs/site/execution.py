"""Runs the cells of a script as a notebook does: text, values and figures of each are kept."""

import ast
import contextlib
import io
import linecache
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib import pyplot as plt

from docs.site.script import Script

DPI = 110


@dataclass(frozen=True)
class CellOutput:
    """What a cell showed."""

    printed: str
    html: str
    """Value of its last line, where this has a form for notebooks; else empty."""
    pictures: tuple[bytes, ...]
    """PNG files: of figures that are open, and of the last line's value if it is a picture."""


@dataclass(frozen=True)
class Execution:
    """What the cells of a script showed, in their order."""

    outputs: tuple[CellOutput, ...]
    seconds: float


def execute(script: Script, folder: Path) -> Execution:
    """Run the cells in one namespace, in the folder; an error of a cell ends it."""
    matplotlib.use("agg")
    names: dict[str, object] = {"__name__": "__main__"}
    start = time.perf_counter()
    with _inside(folder):
        outputs = tuple(
            _run(cell.code, f"{script.path.name}, cell {number}", names)
            for number, cell in enumerate(script.cells, start=1)
        )
    return Execution(outputs, time.perf_counter() - start)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        plt.close("all")


def _run(code: str, name: str, names: dict[str, object]) -> CellOutput:
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, name, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), name, "eval"), names)
    figures = [_png(number) for number in plt.get_fignums()]
    plt.close("all")
    text, html = printed.getvalue(), ""
    if (png := _shown(value, "_repr_png_")) is not None:
        figures.append(png[0] if isinstance(png, tuple) else png)  # some add their size
    elif isinstance(value, matplotlib.figure.Figure):
        if not figures:
            figures.append(_figure_png(value))
    elif (shown := _shown(value, "_repr_html_")) is not None:
        html = shown
    elif value is not None and not figures:  # calls that draw end with an axis or a text
        text += f"{value!r}\n"
    return CellOutput(text, html, tuple(figures))


def _shown(value: object, method: str) -> object:
    return getattr(value, method)() if hasattr(type(value), method) else None


def _png(number: int) -> bytes:
    return _figure_png(plt.figure(number))


def _figure_png(figure: matplotlib.figure.Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()

"""Control characters of names never reach a terminal, a log, a page or a picture."""

import json
import logging
import warnings
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.console import Console

from histoscribe.cli import console
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.csv_table import (
    csv_rows,
    csv_text,
    defused,
    read_csv_rows,
    restored,
    restored_table,
)
from histoscribe.plot.canvas import save_png
from histoscribe.printable import printable, printable_lines
from histoscribe.progress import track
from histoscribe.report.script import json_for_script
from histoscribe.report.template import environment
from histoscribe.types.gene_labels import gene_labels

EVIL = {
    "ansi": "a\x1b[31mred\x1b]0;title\x07",
    "line end": "a\nfake: message",
    "carriage return": "a\rfake",
    "bidi": "a\u202egpj.exe\u2066\u200f",
    "line separator": "a\u2028b\u2029c\x85d",
    "c1": "a\x9b31mred",
    "not UTF-8": "a\udcff",
    "invisible": "a\u200bb\ufeff\u00ad",
}


@pytest.fixture
def screen(monkeypatch, capsys):
    """What reaches the terminal, of both streams."""
    for name, stderr in (("out", False), ("err", True)):
        monkeypatch.setattr(console, name, Console(stderr=stderr, force_terminal=True, width=200))
    return lambda: "".join(capsys.readouterr())


def unseen(text):
    """Characters in a text that nobody sees, beside colours of the terminal and line ends."""
    for of_rich in ("\x1b[31m", "\x1b[0m"):
        text = (
            text.removeprefix(of_rich).replace(f"\n{of_rich}", "\n").replace(f"{of_rich}\n", "\n")
        )
    return [one for one in text if not (one.isprintable() or one == "\n")]


@pytest.mark.parametrize("name", EVIL.values(), ids=EVIL)
def test_no_message_shows_a_control_character_of_a_name(name, screen):
    problem = Problem(name, f"no gene {name}", name, f"did you mean {name}?")
    console.say(f"{name}: 4 spots")
    lines = screen().splitlines()
    assert lines == [f"{printable(name)}: 4 spots"]
    console.show_problems([problem])
    text = screen()
    assert unseen(text) == []
    assert len(text.splitlines()) == 5
    assert len(str(DataContractError(problem)).splitlines()) == 3
    assert printable(name) in str(problem)


@pytest.mark.parametrize("name", [*EVIL.values(), "[red]a[/red]"], ids=[*EVIL, "markup"])
def test_progress_bars_show_names_as_they_are_written(name, monkeypatch):
    told = []
    # elsewhere than on a terminal, finished steps are lines
    monkeypatch.setattr(console, "err", Console(file=StringIO(), force_terminal=True))
    monkeypatch.setattr(
        console.Progress, "add_task", lambda self, what, **_: told.append(what) or 0
    )
    monkeypatch.setattr(console.Progress, "remove_task", lambda self, task: None)
    with console.progress_drawn():
        list(track([], name))
    assert told == [printable(name)]
    assert "markup" not in name or told == [name]


@pytest.mark.parametrize("name", EVIL.values(), ids=EVIL)
def test_warnings_and_logs_show_no_control_character(name, capsys):
    with console.messages_visible():
        text = warnings.formatwarning(f"slide {name}", UserWarning, "file.py", 1, "")
        record = logging.LogRecord("histoscribe", logging.WARNING, "", 0, "%s", (name,), None)
        line = logging.lastResort.format(record)
    assert unseen(text + line) == []


@pytest.mark.parametrize("name", EVIL.values(), ids=EVIL)
def test_a_page_shows_no_control_character_of_a_name(name):
    page = environment().from_string("<b title='{{ name }}'>{{ name }}</b>")
    text = page.render(name=name + "<")
    assert unseen(text) == []
    assert "&lt;" in text
    data = json_for_script({name: [name, {"of": name}]})
    shown = printable_lines(name).replace("\n", "\\n")
    assert json.loads(data) == {shown: [shown, {"of": shown}]}


@pytest.mark.parametrize("name", [*EVIL.values(), r"$\frac$", "a$b$"])
def test_a_picture_shows_names_as_they_are_written(name, tmp_path):
    figure = Figure(layout="compressed")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_title(name)
    axes.plot([1, 10], [1, 2], label=name)
    axes.legend()
    save_png(figure, tmp_path / "figure.png")
    texts = {text.get_text() for text in figure.findobj(Text)}
    assert printable_lines(name) in texts
    assert unseen("".join(texts)) == []


def test_labels_of_genes_are_one_line():
    assert gene_labels(("ENSG1",), ("ACT\x1b[31mB\n",)) == ("ACT\\x1b[31mB\\n",)


FORMULAS = ("=1+1", "+A1", "-A1", "@SUM(1)", "\t=1", "\r=1", "\uff1d1", "=cmd|' /C calc'!A0")
HARMLESS = ("ERBB2", "HLA-A", "-0.5", "+1e5", "1", "", "'s", "a=b", "NA", "-.5")


def test_no_cell_of_a_table_runs_as_a_formula_and_all_come_back(tmp_path):
    cells = [*FORMULAS, *HARMLESS, *(f"'{cell}" for cell in FORMULAS)]
    table = pd.DataFrame({"gene": cells, "=pcc": np.linspace(-1, 1, len(cells)), "n": range(26)})
    path = tmp_path / "table.csv"
    path.write_text(csv_text(table), encoding="utf-8", newline="")
    raw = pd.read_csv(path, dtype=str, keep_default_na=False, lineterminator="\n")
    assert all(cell[:1] == "'" for cell in raw["gene"][: len(FORMULAS)])
    assert list(raw["gene"][len(FORMULAS) : -len(FORMULAS)]) == list(HARMLESS)
    assert list(raw)[1] == "'=pcc"
    assert raw["'=pcc"][0] == "-1"
    back = restored_table(pd.read_csv(path, dtype={"gene": str}, keep_default_na=False))
    assert list(back["gene"]) == cells


def test_a_table_without_formulas_is_written_as_pandas_does():
    table = pd.DataFrame(
        {"a": ["x", None], "b": [1, None], "c": [0.1234567, np.nan], "d": [True, False]}
    )
    table["e"] = pd.Series([1, None], dtype=object)
    plain = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    assert csv_text(table) == plain


def test_rows_of_text_come_back(tmp_path):
    rows = [["model", "gene"], ["ridge", "=1+1"], ["ridge", "a,b"], ["-1", "\tx"]]
    path = tmp_path / "rows.csv"
    path.write_text(csv_rows(rows), encoding="utf-8")
    header, read = read_csv_rows(path)
    assert [header, *([row[name] for name in header] for row in read)] == rows


@pytest.mark.parametrize("cell", [*FORMULAS, *HARMLESS, "''", "''=", "'"])
def test_a_cell_comes_back(cell):
    assert restored(defused(cell)) == cell

"""A finished benchmark, read from its folder."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from histoscribe.benchmark.file_names import file_name
from histoscribe.benchmark.results import Check
from histoscribe.errors import DataContractError, Problem
from histoscribe.report.views import View, find_views

_COLUMNS = {
    "summary.csv": ("model", "metric", "mean", "low", "high", "n_patients", "n_undefined"),
    "scores.csv": ("model", "fold", "section", "patient", "gene", "metric", "value"),
    "genes.csv": (
        *("model", "gene", "pcc", "pcc_given_depth", "null_low", "null_high"),
        *("q", "detection_rate", "skewness"),
    ),
}
_OF_NEWER_RUNS = {"alignment.csv": ("fold", "section", "direction", "pcc", "pcc_in_place", "sigma")}
_OF_CARD = ("protocol", "leaky", "checks", "sections", "best_model", "maps")
_NAMES = ("model", "metric", "fold", "section", "patient", "gene", "direction")


@dataclass(frozen=True)
class Map:
    """Picture of a gene in the run: measured and predicted expression."""

    path: Path
    section: str
    gene: str
    model: str
    why: str
    """Reason why this gene is shown."""


@dataclass(frozen=True)
class Overlay:
    """Picture of the spots of a section on its image."""

    path: Path
    section: str


@dataclass(frozen=True, eq=False)
class Run:
    """Contents of a run folder for the report."""

    protocol: str
    leaky: str | None
    """Why the protocol leaks; None if it does not."""
    checks: tuple[Check, ...]
    card: Mapping[str, object]
    """The protocol card as JSON gives it."""
    card_text: str
    """The same card in words."""
    summary: pd.DataFrame
    scores: pd.DataFrame
    genes: pd.DataFrame
    best_model: str
    """Model with the highest `pcc_given_depth`, which the maps show."""
    maps: tuple[Map, ...]
    """Maps listed in the card whose picture exists, by section, then gene."""
    overlays: tuple[Overlay, ...]
    """By section."""
    views: tuple[View, ...]
    """Measured values of each section in each fold that tests it; empty for an older run."""
    alignment: pd.DataFrame | None
    """Scores in place and one spot away, see `benchmark.alignment`; None in an older run."""

    def label(self, gene: str) -> str:
        """Display name of a gene: its symbol if the counts have one."""
        labels = self.card.get("gene_labels", {})  # missing in an older run
        return str(labels.get(gene, gene)) if isinstance(labels, Mapping) else gene

    @cached_property
    def summary_by_name(self) -> Mapping[tuple[str, str], tuple[float, float, float, int]]:
        """(model, metric) -> mean, low, high and number of undefined scores."""
        columns = [self.summary[name] for name in _COLUMNS["summary.csv"] if name != "n_patients"]
        return {
            (str(model), str(metric)): (float(mean), float(low), float(high), int(undefined))
            for model, metric, mean, low, high, undefined in zip(*columns, strict=True)
        }


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises
    ------
    DataContractError
        if files are missing or lack a column; all of them are listed.
    """
    problems = [*_missing(folder), *_short_of_columns(folder)]
    if problems:
        raise DataContractError(problems)
    card = _card(folder / "card.json")
    return Run(
        protocol=card["protocol"],
        leaky=card["leaky"],
        checks=tuple(
            Check(check["code"], check["level"], check["message"], check["remedy"])
            for check in card["checks"]
        ),
        card=card,
        card_text=(folder / "card.md").read_text(encoding="utf-8"),
        summary=_table(folder, "summary.csv"),
        scores=_table(folder, "scores.csv"),
        genes=_table(folder, "genes.csv"),
        best_model=card["best_model"],
        maps=_maps(folder / "figures", card["maps"]),
        overlays=_overlays(folder / "figures", card["sections"]),
        views=find_views(folder),
        alignment=(
            _table(folder, "alignment.csv") if (folder / "alignment.csv").is_file() else None
        ),
    )


def _maps(figures: Path, listed: list[dict[str, str]]) -> tuple[Map, ...]:
    # from the card, not from the folder: a picture that the run did not draw does not belong to it
    maps = [Map(figures / m["file"], m["section"], m["gene"], m["model"], m["why"]) for m in listed]
    there = [item for item in maps if item.path.is_file()]
    return tuple(sorted(there, key=lambda item: (item.section, item.gene)))


def _overlays(figures: Path, sections: Iterable[str]) -> tuple[Overlay, ...]:
    overlays = [
        Overlay(figures / "overlays" / f"{file_name(section)}.png", section)
        for section in sorted(sections)
    ]
    return tuple(overlay for overlay in overlays if overlay.path.is_file())


def _card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataContractError(_broken(path, f"no JSON: {error}")) from None
    lacking = [key for key in _OF_CARD if not isinstance(card, dict) or key not in card]
    if lacking:
        raise DataContractError(_broken(path, f"no {', '.join(lacking)}"))
    return card


def _broken(path: Path, found: str) -> Problem:
    return Problem(
        where=str(path),
        found=found,
        expected=f"the card of a run, with {', '.join(_OF_CARD)}",
        remedy="write it again with `histoscribe benchmark` of this version",
    )


def _missing(folder: Path) -> list[Problem]:
    return [
        Problem(
            where=str(folder / name),
            found="no such file",
            expected="the folder of a finished benchmark",
            remedy="run `histoscribe benchmark FILE.toml --out DIR` again: it adds what is missing",
        )
        for name in (*_COLUMNS, "card.json", "card.md")
        if not (folder / name).is_file()
    ]


def _short_of_columns(folder: Path) -> list[Problem]:
    problems = []
    for name, expected in (_COLUMNS | _OF_NEWER_RUNS).items():
        path = folder / name
        if not path.is_file():
            continue
        with path.open(encoding="utf-8") as file:
            found = file.readline().strip().split(",")
        lacking = [column for column in expected if column not in found]
        if lacking:
            problems.append(
                Problem(
                    where=str(path),
                    found=f"no column {', '.join(lacking)}",
                    expected=", ".join(expected),
                    remedy="write it again with `histoscribe benchmark`; do not edit it by hand",
                )
            )
    return problems


def _table(folder: Path, name: str) -> pd.DataFrame:
    # names stay text: a patient called 007 or a gene called NA is neither a number nor missing
    columns = (_COLUMNS | _OF_NEWER_RUNS)[name]
    text = [column for column in columns if column in _NAMES]
    numbers = [column for column in columns if column not in _NAMES]
    return pd.read_csv(
        folder / name,
        usecols=list(columns),
        dtype=dict.fromkeys(text, str),
        keep_default_na=False,
        na_values={column: ["", "nan", "NaN"] for column in numbers},
    )

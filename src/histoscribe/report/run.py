"""A finished benchmark, read from its folder."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from histoscribe.benchmark.file_names import file_name
from histoscribe.benchmark.views import View, find_views
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.checksums import changed_files
from histoscribe.io.csv_table import restored_table
from histoscribe.io.run_folder import CARD, read_run_card
from histoscribe.report.origin import END, SETTINGS, Origin, read_origin
from histoscribe.types import Check, GeneMap, RunCard

_COLUMNS = {
    "summary.csv": ("model", "metric", "mean", "low", "high", "n_patients", "n_undefined"),
    "scores.csv": ("model", "fold", "section", "patient", "gene", "metric", "value"),
    "genes.csv": (
        *("model", "gene", "pcc", "pcc_given_depth", "null_low", "null_high"),
        *("q", "detection_rate", "skewness"),
    ),
}
_OF_NEWER_RUNS = {
    "alignment.csv": ("fold", "section", "direction", "pcc", "pcc_in_place", "sigma"),
    "pathways.csv": (
        *("model", "source", "pathway", "section", "members_in_panel", "members"),
        *("pcc", "pcc_given_depth", "null_low", "null_high", "q"),
    ),
}
_WRITTEN_AGAIN = (
    "remove this file, and run `histoscribe benchmark FILE.toml --out DIR` again: it writes what "
    "is missing; do not edit the files of a run"
)
_NAMES = (
    *("model", "metric", "fold", "section", "patient", "gene", "direction"),
    *("source", "pathway"),
)


@dataclass(frozen=True)
class Map:
    """Picture of a pathway in the run: measured and predicted activity."""

    path: Path
    section: str
    gene: str
    model: str
    why: str
    """Reason for this choice."""


@dataclass(frozen=True)
class Overlay:
    """Picture of the spots of a section on its image."""

    path: Path
    section: str


@dataclass(frozen=True, eq=False)
class Run:
    """Contents of a run folder for the report."""

    card: RunCard
    origin: Origin
    """Cohort and day."""
    summary: pd.DataFrame
    scores: pd.DataFrame
    genes: pd.DataFrame
    overlays: tuple[Overlay, ...]
    """By section."""
    views: tuple[View, ...]
    """Measured values of each section in each fold that tests it; empty for an older run."""
    alignment: pd.DataFrame | None
    """Scores in place and one spot away, see `benchmark.alignment`; None in an older run."""
    pathways: pd.DataFrame | None = None
    """Scores of pathways, see `benchmark.pathway_tables`; None in a run without gene sets."""
    pathway_maps: tuple[Map, ...] = ()
    """Maps of pathways in the card whose picture exists, by section, then pathway."""

    @property
    def protocol(self) -> str:
        """What is held out together: patients, sections or spots."""
        return self.card.protocol

    @property
    def leaky(self) -> str | None:
        """Reason why the protocol leaks; None for an honest one."""
        return self.card.leaky

    @property
    def checks(self) -> tuple[Check, ...]:
        """Warnings and notes of the checks of the run."""
        return self.card.checks

    @property
    def best_model(self) -> str:
        """The model with the highest `pcc_given_depth`; the maps are of it."""
        return self.card.best_model

    def label(self, gene: str) -> str:
        """Display name of a gene: its symbol if the counts have one."""
        return self.card.gene_labels.get(gene, gene)

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
        if files are missing, lack a column or differ from those of the end of the run; all of them
        are listed. Also for a run on bags.
    """
    problems = _of_bags(folder) or [*_missing(folder), *_short_of_columns(folder)]
    problems = problems or changed_files(folder, lambda _: True, _WRITTEN_AGAIN)
    if problems:
        raise DataContractError(problems)
    card = read_run_card(folder)
    return Run(
        card=card,
        origin=read_origin(folder),
        summary=_table(folder, "summary.csv"),
        scores=_table(folder, "scores.csv"),
        genes=_table(folder, "genes.csv"),
        overlays=_overlays(folder / "figures", card.sections),
        views=find_views(folder),
        alignment=_table_if_there(folder, "alignment.csv"),
        pathways=_table_if_there(folder, "pathways.csv"),
        pathway_maps=_maps(folder / "figures", card.pathway_maps),
    )


def _maps(figures: Path, listed: Iterable[GeneMap]) -> tuple[Map, ...]:
    # from the card, not from the folder: a picture that the run did not draw does not belong to it
    maps = [Map(figures / of.file, of.section, of.gene, of.model, of.why) for of in listed]
    there = [item for item in maps if item.path.is_file()]
    return tuple(sorted(there, key=lambda item: (item.section, item.gene)))


def _overlays(figures: Path, sections: Iterable[str]) -> tuple[Overlay, ...]:
    overlays = [
        Overlay(figures / "overlays" / f"{file_name(section)}.png", section)
        for section in sorted(sections)
    ]
    return tuple(overlay for overlay in overlays if overlay.path.is_file())


def _of_bags(folder: Path) -> list[Problem]:
    """A benchmark on bags has no scores of single spots, around which the page is built."""
    summary = folder / "summary.csv"
    if not summary.is_file() or "fold" not in _header(summary):
        return []
    return [
        Problem(
            where=str(folder),
            found="a benchmark on bags (`[bulk]`)",
            expected="a benchmark on spots: there is no page for bags yet",
            remedy=f"read {folder / 'card.md'}, which has its tables, and summary.csv",
        )
    ]


def _missing(folder: Path) -> list[Problem]:
    return [
        Problem(
            where=str(folder / name),
            found="no such file",
            expected="the folder of a finished benchmark",
            remedy="run `histoscribe benchmark FILE.toml --out DIR` again: it adds what is missing",
        )
        for name in (*_COLUMNS, CARD, SETTINGS, END)
        if not (folder / name).is_file()
    ]


def _short_of_columns(folder: Path) -> list[Problem]:
    problems = []
    for name, expected in (_COLUMNS | _OF_NEWER_RUNS).items():
        path = folder / name
        if not path.is_file():
            continue
        header = _header(path)
        lacking = [column for column in expected if column not in header]
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


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().strip().split(",")


def _table_if_there(folder: Path, name: str) -> pd.DataFrame | None:
    return _table(folder, name) if (folder / name).is_file() else None


def _table(folder: Path, name: str) -> pd.DataFrame:
    # names stay text: a patient called 007 or a gene called NA is neither a number nor missing
    columns = (_COLUMNS | _OF_NEWER_RUNS)[name]
    text = [column for column in columns if column in _NAMES]
    numbers = [column for column in columns if column not in _NAMES]
    try:
        table = pd.read_csv(
            folder / name,
            usecols=list(columns),
            dtype=dict.fromkeys(text, str),
            keep_default_na=False,
            na_values={column: ["", "nan", "NaN"] for column in numbers},
        )
        table[numbers].apply(pd.to_numeric)  # raises ValueError at words
    except ValueError as error:
        found = f"not readable: {str(error).splitlines()[0]}"
        expected = "a table as `histoscribe benchmark` writes it"
        raise DataContractError(
            Problem(str(folder / name), found, expected, _WRITTEN_AGAIN)
        ) from None
    return restored_table(table)

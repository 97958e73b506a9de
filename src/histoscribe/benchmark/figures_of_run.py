"""Figures of a finished run for a page or a notebook, from the files of its folder."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from histoscribe.benchmark.band import SHUFFLED
from histoscribe.benchmark.measured_maps import MeasuredMaps
from histoscribe.benchmark.score import ORACLE
from histoscribe.benchmark.views import View, find_views
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.run_folder import read_run_card
from histoscribe.near_names import did_you_mean
from histoscribe.plot.dot_map import DotMap, DotPanel, draw_dot_map
from histoscribe.plot.maps import pcc_text
from histoscribe.plot.model_scores import ModelScores, ScorePanel, draw_model_scores
from histoscribe.plot.publication import PublicationFigure
from histoscribe.plot.thumbnail import picture_of_tissue
from histoscribe.types import RunCard, Spots

_DEPTH = "depth"
_TYPICAL = "pcc_given_depth"
"""The metric by which the typical section of a gene is found."""


def models_figure(
    run: Path, summary: pd.DataFrame, metrics: Sequence[str], width_mm: float
) -> PublicationFigure:
    """Scores of all models, a dot a patient; the best model at the top.

    Raises
    ------
    DataContractError
        for a run on bags, which has no scores of patients.
    """
    card = _card_of_spots(run)
    means = summary.pivot_table(index="model", columns="metric", values="mean", sort=False)
    best_first = means[metrics[-1]].drop([ORACLE, SHUFFLED]).sort_values(ascending=False).index
    models = [str(name) for name in best_first if name != _DEPTH] or [_DEPTH]
    of = {(str(row["model"]), str(row["metric"])): row for _, row in summary.iterrows()}
    panels = []
    for metric in metrics:
        band = of[SHUFFLED, metric]
        lines = {ORACLE: float(of[ORACLE, metric]["mean"])}
        if _DEPTH in means.index and models != [_DEPTH]:
            lines[_DEPTH] = float(of[_DEPTH, metric]["mean"])
        scores = tuple(
            ModelScores(
                model=model,
                patients=_defined(card.per_patient[metric][model]),
                mean=float(of[model, metric]["mean"]),
                low=float(of[model, metric]["low"]),
                high=float(of[model, metric]["high"]),
            )
            for model in models
        )
        panels.append(ScorePanel(metric, scores, (float(band["low"]), float(band["high"])), lines))
    return draw_model_scores(panels, width_mm)


def gene_figure(
    run: Path,
    scores: pd.DataFrame,
    names: tuple[str, str | None, str | None],
    width_mm: float,
    *,
    tissue: bool,
) -> PublicationFigure:
    """A gene in one section, measured and predicted, on one scale.

    Parameters
    ----------
    scores
        The `scores.csv` of the run.
    names
        Gene (id or symbol), model and section. By default the best model of the run, and the
        section in which the gene has the median of its scores.

    Raises
    ------
    DataContractError
        naming all of gene, model and section that the run lacks.
    """
    card, views = _card_of_spots(run), find_views(run)
    gene, model, section = names
    genes = {gene for view in views for gene in view.measured.genes}
    known = {card.gene_labels.get(gene, gene): gene for gene in sorted(genes)}
    if problems := [*_unknown(run, "gene", gene, {*known, *genes})] + [
        problem
        for kind, name, of_run in (
            ("model", model, set(card.models)),
            ("section", section, {view.measured.section for view in views}),
        )
        if name is not None
        for problem in _unknown(run, kind, name, of_run)
    ]:
        raise DataContractError(problems)
    id_, by = known.get(gene, gene), model or card.best_model
    shown = [view for view in views if id_ in view.measured.genes]
    if section is not None:
        shown = [view for view in shown if view.measured.section == section] or shown
    view, why = (shown[0], "") if section is not None else _typical(shown, scores, id_, by)
    return draw_dot_map(_dot_map(view, card, id_, by, why=why, tissue=tissue), width_mm)


def _dot_map(view: View, card: RunCard, gene: str, model: str, *, why: str, tissue: bool) -> DotMap:
    of = view.measured
    column = of.genes.index(gene)
    measured = of.values[:, column].astype(np.float64)
    predicted = view.predicted(model)[:, column].astype(np.float64)
    picture = view.tissue if tissue else None
    return DotMap(
        gene=card.gene_labels.get(gene, gene),
        place=f"section {of.section}, patient {of.patient}{why}",
        unit=of.unit,
        um=of.xy_um,
        spots=_spots(of),
        panels=(
            DotPanel("measured", measured),
            DotPanel(f"predicted by {model}", predicted, f"pcc {pcc_text(measured, predicted)}"),
        ),
        tissue=None if picture is None else picture_of_tissue(*picture),
    )


def _spots(of: MeasuredMaps) -> Spots:
    """Spots with centres in um, as they are drawn."""
    pitch = of.diameter_um if of.shape == "squares" else None
    ids = tuple(str(row) for row in range(len(of.xy_um)))
    return Spots(ids, of.xy_um, of.diameter_um, pitch, of.shape)


def _typical(
    views: Sequence[View], scores: pd.DataFrame, gene: str, model: str
) -> tuple[View, str]:
    """Section with the median score of a gene, in words too; without scores the first section."""
    rows = scores[(scores["gene"] == gene) & (scores["model"] == model)]
    rows = rows[rows["metric"] == _TYPICAL].dropna(subset=["value"])
    order = rows.sort_values(["value", "section"])["section"].tolist()
    if len(order) < 2:
        return views[0], ""
    middle = str(order[(len(order) - 1) // 2])
    view = next(view for view in views if view.measured.section == middle)
    return view, f" (median score of {len(order)} sections)"


def _card_of_spots(run: Path) -> RunCard:
    if not find_views(run):
        raise DataContractError(
            Problem(
                where=str(run),
                found="a run without maps: a benchmark on bags, or one of an older version",
                expected="a benchmark on spots",
                remedy="read its card.md, or run `histoscribe benchmark` of this version again",
            )
        )
    return read_run_card(run)


def _defined(patients: Mapping[str, float | None]) -> tuple[float, ...]:
    return tuple(float(value) for value in patients.values() if value is not None)


def _unknown(run: Path, kind: str, name: str, known: set[str]) -> Iterator[Problem]:
    """Say that the run has no gene, model or section of this name, with the near ones."""
    if name in known:
        return
    some = sorted(known)[:8]
    yield Problem(
        where=f"{kind} {name}",
        found=f"no such {kind} in the run {run}",
        expected=f"one of its {len(known)}: {', '.join(some)}{' ...' * (len(known) > 8)}",
        remedy=did_you_mean(name, sorted(known), f"choose a {kind} of the run"),
    )

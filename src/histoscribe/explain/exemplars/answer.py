"""The answer to `exemplars`: which training spots a model looks up, and whether it uses them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from histoscribe.errors import DataContractError
from histoscribe.explain.exemplars.agreement import numbers
from histoscribe.explain.exemplars.question import ExemplarsQuestionSettings
from histoscribe.explain.exemplars.selection import ExemplarSelection, check_looks_up, look_up
from histoscribe.explain.exemplars.swaps import N_SWAPS, change_of_each, leaning
from histoscribe.explain.exemplars.tile_sheet import FILE as TILES_FILE
from histoscribe.explain.exemplars.tile_sheet import write_tiles
from histoscribe.explain.exemplars.tiles import ExemplarTiles
from histoscribe.explain.finding import Finding
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    one_section,
    problems_of,
    trained_on,
    unknown_sections,
)
from histoscribe.explain.spot_choice import DrawnSpot, named_spots, spots_by_rule
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.plot.strips import Picture, Strip, StripText, draw_strips
from histoscribe.predictor.gene_choice import GeneChoice, one_gene
from histoscribe.types import Section

FIGURE, TABLE = "exemplars.png", "exemplars.csv"


def plan_exemplars(request: ExplainRequest, settings: ExemplarsQuestionSettings) -> AnswerPlan:
    """Find the section, the gene and the spots, and plan the work on them.

    Raises
    ------
    DataContractError
        For a predictor without exemplars, and for an unknown section, gene or spot.
    """
    names = () if settings.section is None else (settings.section,)
    genes: list[GeneChoice] = []
    problems = [
        *unknown_sections(request.cohort, names, "section"),
        *problems_of(
            (
                lambda: check_looks_up(request.predictor),
                lambda: genes.append(one_gene(request.predictor, settings.gene)),
            )
        ),
    ]
    if problems:
        raise DataContractError(problems)
    section = one_section(request, settings.section)
    answer = ExemplarsAnswer(request, section, genes[0], named_spots(section, settings.spots))
    return AnswerPlan(about=answer.about, sections=(section,), work=answer.work)


@final
@dataclass(frozen=True, eq=False)
class ExemplarsAnswer:
    """Answers the question for one section and one gene."""

    request: ExplainRequest
    section: Section
    gene: GeneChoice
    spots: tuple[DrawnSpot, ...]
    """The spots to draw; empty where a rule will choose them."""

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, section, gene, unit and spots."""
        predictor, section = self.request.predictor, self.section
        ids = (section.spots.ids[spot.row] for spot in self.spots)
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "section": section.id,
            "patient": section.patient or "unknown",
            "gene": self.gene.labels[0],
            "gene_id": self.gene.genes[0],
            "gene_choice": self.gene.why,
            "unit": predictor.target.transform,
            "spots": " ".join(ids) or "chosen by rule",
        }

    def work(self, out: Path) -> Finding:
        """Look up the exemplars, swap them, and draw a few spots with their exemplars."""
        predictor = self.request.predictor
        gene = predictor.target.genes.index(self.gene.genes[0])
        selection = look_up(predictor, self.section, self.request.cache)
        swaps = leaning(selection)
        measured = self._measured(gene)
        expression = selection.pool.target[selection.retrieved.rows, gene]
        predicted = swaps.prediction[:, gene]
        distance = selection.retrieved.distance.mean(axis=1)
        spots = self.spots or spots_by_rule(predicted, measured, distance)
        rows = np.array([spot.row for spot in spots])
        change = np.full(expression.shape, np.nan)
        change[rows] = change_of_each(selection, rows, gene)
        values = _GeneValues(predicted, measured, expression, swaps.exemplars[:, gene], change)
        tiles = ExemplarTiles(self.request, selection.pool.keys)
        strips = [_strip(selection, values, spot, tiles) for spot in spots]
        strip = _strip_numbers(rows, *expression.shape)
        write_text(out / TABLE, csv_text(_table(selection, values).assign(strip=strip)))
        write_tiles(strips, out)
        statistic, null = numbers(selection, swaps, measured, gene)
        changes = f"{statistic[0].value:.2f}, by {null[0].value:.2f}"
        draw_strips(strips, self._text(selection, changes), out / FIGURE)
        return Finding(
            question="exemplars",
            about=self.about,
            folder=out,
            figures=(FIGURE,),
            tables=(TABLE,),
            files=(TILES_FILE,),
            statistic=statistic,
            null=null,
            caveat=self._caveats(selection, len(spots)),
        )

    def _measured(self, gene: int) -> Float[np.ndarray, " N"]:
        if self.section.counts is None:
            return np.full(len(self.section.spots), np.nan)
        return self.request.predictor.target.apply(self.section)[:, gene].astype(np.float64)

    def _text(self, selection: ExemplarSelection, changes: str) -> StripText:
        tiles, about = self.request.predictor.encoding.tiles, self.about
        side_um = tiles.side_px * tiles.mpp
        return StripText(
            title=f"{about['gene']} in section {about['section']}, patient {about['patient']}: "
            f"the exemplars of {self.request.predictor.name}",
            below="Left: the spot. Right: its exemplars, the nearest first "
            f"({_distance_name(selection)}); the frame has the colour of the exemplar's "
            f"expression. Tiles are {side_um:.0f} µm a side, as the model reads them.\n"
            "“swapped”: how the prediction changes when this exemplar alone is swapped for a "
            f"random one (mean of {N_SWAPS}). With all exemplars swapped, predictions change by "
            f"{changes} with the spot’s own tile and feature swapped (mean over all spots, in "
            "standard deviations of the prediction).",
            unit=f"{about['gene']} ({about['unit']})",
        )

    def _caveats(self, selection: ExemplarSelection, n_drawn: int) -> tuple[str, ...]:
        caveats = [
            "Exemplars are what the model received, not the reason for its prediction. A model "
            "that ignores its exemplars receives them too, and they agree with its prediction as "
            "far as they look like the spot. To see whether it uses them, compare the change when "
            "they are swapped with the change when the spot's own tile and feature are swapped.",
            f"{n_drawn} of {len(selection.every)} spots are drawn; the numbers are of all spots.",
        ]
        trained = trained_on(self.request.predictor, self.section)
        if trained is not None:
            caveats.append(
                f"{trained[0].upper()}{trained[1:]}: "
                "agreement with the measured values says nothing about new tissue."
            )
        if selection.lookup.shift:
            caveats.append(
                "In training, spots had exemplars of their own patient; these spots have none."
            )
        if selection.lookup.settings.draw == "random":
            caveats.append("This predictor is a control: its exemplars are drawn at random.")
        return tuple(caveats)


@dataclass(frozen=True, eq=False)
class _GeneValues:
    """The values of one gene at every spot."""

    predicted: Float[np.ndarray, " N"]
    measured: Float[np.ndarray, " N"]
    """NaN where nothing was measured."""
    expression: Float[np.ndarray, "N E"]
    """Of each exemplar."""
    change_all_swapped: Float[np.ndarray, " N"]
    """Mean absolute change of the prediction when all exemplars are swapped."""
    change_one_swapped: Float[np.ndarray, "N E"]
    """Mean change when one exemplar is swapped; NaN at spots that are not drawn."""


def _distance_name(selection: ExemplarSelection) -> str:
    settings = selection.lookup.settings
    random = ", drawn at random" if settings.draw == "random" else ""
    return f"{settings.distance} distance{random}"


def _strip(
    selection: ExemplarSelection, values: _GeneValues, spot: DrawnSpot, tiles: ExemplarTiles
) -> Strip:
    row = spot.row
    measured = values.measured[row]
    lines = (
        str(selection.queries.keys.spot[row]),
        spot.why,
        f"predicted {values.predicted[row]:.2f}",
        "not measured" if np.isnan(measured) else f"measured {measured:.2f}",
        f"exemplars' mean {values.expression[row].mean():.2f}",
    )
    ranks = range(selection.retrieved.rows.shape[1])
    exemplars = tuple(_exemplar_picture(selection, values, (row, rank), tiles) for rank in ranks)
    return Strip(Picture(selection.tiles[row], "", lines, None), exemplars)


def _exemplar_picture(
    selection: ExemplarSelection, values: _GeneValues, place: tuple[int, int], tiles: ExemplarTiles
) -> Picture:
    """The tile of the exemplar at `place`: row of the spot, and rank."""
    keys, row = selection.pool.keys, int(selection.retrieved.rows[place])
    tile = tiles.of(row)
    lines = (
        f"{place[1] + 1}: {keys.patient_names[row]}, {keys.section_names[row]}",
        str(keys.spot[row]),
        f"distance {selection.retrieved.distance[place]:.3g}",
        f"expression {values.expression[place]:.2f}",
        f"swapped {values.change_one_swapped[place]:+.3f}",
    )
    return Picture(tile.pixels, tile.why_missing, lines, float(values.expression[place]))


def _table(selection: ExemplarSelection, values: _GeneValues) -> pd.DataFrame:
    """One row for each exemplar of each spot."""
    keys, rows = selection.pool.keys, selection.retrieved.rows
    n_spots, n_exemplars = rows.shape
    exemplar = keys.take(rows.ravel())

    def per_spot(values: Sequence[object] | np.ndarray) -> np.ndarray:
        return np.repeat(np.asarray(values), n_exemplars)

    return pd.DataFrame(
        {
            "spot": per_spot(selection.queries.keys.spot),
            "predicted": per_spot(values.predicted),
            "measured": per_spot(values.measured),
            "exemplars_mean": per_spot(values.expression.mean(axis=1)),
            "change_all_swapped": per_spot(values.change_all_swapped),
            "rank": np.tile(np.arange(1, n_exemplars + 1), n_spots),
            "patient": exemplar.patient_names,
            "section": exemplar.section_names,
            "exemplar": exemplar.spot,
            "distance": selection.retrieved.distance.ravel(),
            "expression": values.expression.ravel(),
            "change_if_swapped": values.change_one_swapped.ravel(),
        }
    )


def _strip_numbers(
    rows: Int[np.ndarray, " strips"], n_spots: int, n_exemplars: int
) -> Float[np.ndarray, " lines"]:
    """Strip number, from 1, in each line of the table; NaN for spots without a strip."""
    number = np.full((n_spots, n_exemplars), np.nan)
    number[rows] = np.arange(1.0, len(rows) + 1)[:, None]
    return number.ravel()

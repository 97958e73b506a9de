"""`explain exemplars`: what a model was shown beside a spot, and how far it leans on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.exemplars.agreement import numbers
from histoscribe.explain.exemplars.selection import ExemplarSelection, check_looks_up, look_up
from histoscribe.explain.exemplars.swaps import N_SWAPS, change_of_each, leaning
from histoscribe.explain.exemplars.tiles import ExemplarTiles
from histoscribe.explain.finding import Finding
from histoscribe.explain.request import ExplainRequest, Question, trained_on, unknown_sections
from histoscribe.explain.spot_choice import DrawnSpot, chosen_spots, given_spots
from histoscribe.io.atomic import write_text
from histoscribe.plot.strips import Picture, Strip, StripText, draw_strips
from histoscribe.predictor.gene_choice import GeneChoice, one_gene
from histoscribe.types import Section

FIGURE, TABLE = "exemplars.png", "exemplars.csv"


def ask_exemplars(asked: ExplainRequest) -> Question:
    """Make the question ready: its section, gene and spots.

    Without a section it is the first that the predictor was not trained on, else the first.

    Raises
    ------
    DataContractError
        A predictor without exemplars, an unknown section, gene or spot, several sections.
    """
    problems = [*_wishes(asked), *unknown_sections(asked, asked.sections, "--section")]
    found: list[GeneChoice] = []
    for check in (
        lambda: check_looks_up(asked.predictor),
        lambda: found.append(one_gene(asked.predictor, asked.gene)),
    ):
        try:
            check()
        except DataContractError as error:
            problems += error.problems
    if problems:
        raise DataContractError(problems)
    section = _section(asked)
    return ExemplarsQuestion(asked, section, found[0], given_spots(section, asked.spots))


@final
@dataclass(frozen=True, eq=False)
class ExemplarsQuestion(Question):
    """One section, one gene, and the spots to draw."""

    asked: ExplainRequest
    section: Section
    gene: GeneChoice
    spots: tuple[DrawnSpot, ...]
    """Empty where a rule is to choose."""

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, section, gene, unit, spots."""
        predictor, section = self.asked.predictor, self.section
        ids = (section.spots.ids[spot.row] for spot in self.spots)
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "section": section.id,
            "patient": section.patient or "unknown",
            "gene": self.gene.labels[0],
            "gene_id": self.gene.genes[0],
            "gene_chosen": self.gene.why,
            "unit": predictor.target.transform,
            "spots": " ".join(ids) or "chosen by rule",
        }

    @property
    def sections(self) -> tuple[Section, ...]:
        """The one section."""
        return (self.section,)

    def answer(self, out: Path) -> Finding:
        """Look the exemplars up, swap them, and draw a few spots with theirs."""
        predictor = self.asked.predictor
        gene = predictor.target.genes.index(self.gene.genes[0])
        shown = look_up(self.asked, self.section)
        leant = leaning(shown)
        measured = self._measured(gene)
        brought = shown.pool.target[shown.found.rows, gene]
        predicted = leant.values[:, gene]
        apart = shown.found.distance.mean(axis=1)
        spots = self.spots or chosen_spots(predicted, measured, apart)
        rows = np.array([spot.row for spot in spots])
        change = np.full(brought.shape, np.nan)
        change[rows] = change_of_each(shown, rows, gene)
        of_spots = _OfSpots(predicted, measured, brought, leant.exemplars[:, gene], change)
        write_text(out / TABLE, _table(shown, of_spots))
        tiles = ExemplarTiles(self.asked, shown.pool)
        strips = [self._strip(shown, of_spots, spot, tiles) for spot in spots]
        statistic, null = numbers(shown, leant, measured, gene)
        moved = f"{statistic[0].value:.2f}, by {null[0].value:.2f}"
        draw_strips(strips, self._text(shown, moved), out / FIGURE)
        return Finding(
            question="exemplars",
            about=self.about,
            figure=FIGURE,
            table=TABLE,
            statistic=statistic,
            null=null,
            caveat=self._caveats(shown, spots),
        )

    def _measured(self, gene: int) -> Float[np.ndarray, " N"]:
        if self.section.counts is None:
            return np.full(len(self.section.spots), np.nan)
        return self.asked.predictor.target.apply(self.section)[:, gene].astype(np.float64)

    def _strip(
        self, shown: ExemplarSelection, of: "_OfSpots", spot: DrawnSpot, tiles: ExemplarTiles
    ) -> Strip:
        row = spot.row
        measured = of.measured[row]
        lines = (
            shown.queries.spot[row],
            spot.why,
            f"predicted {of.predicted[row]:.2f}",
            "not measured" if np.isnan(measured) else f"measured {measured:.2f}",
            f"exemplars' mean {of.brought[row].mean():.2f}",
        )
        ranks = range(shown.found.rows.shape[1])
        beside = [_exemplar_picture(shown, of, (row, rank), tiles) for rank in ranks]
        return Strip(Picture(shown.tiles[row], "", lines, None), tuple(beside))

    def _text(self, shown: ExemplarSelection, moved: str) -> StripText:
        tiles, about = self.asked.predictor.encoding.tiles, self.about
        side_um = tiles.side_px * tiles.mpp
        return StripText(
            title=f"{about['gene']} in section {about['section']}, patient {about['patient']}: "
            f"what {self.asked.predictor.name} was shown",
            below=f"Left: the spot. Right: its exemplars, nearest first ({self._distance(shown)}); "
            f"the frame is the expression an exemplar brings. Tiles are {side_um:.0f} µm a side, "
            f"as the model reads them.\n“swapped”: how the prediction changes when that exemplar "
            f"alone is swapped for a random one (mean of {N_SWAPS}). All exemplars swapped, "
            f"predictions move by {moved} with the spot’s own look swapped (mean over all spots, "
            "in their standard deviations).",
            unit=f"{about['gene']} ({about['unit']})",
        )

    def _distance(self, shown: ExemplarSelection) -> str:
        settings = shown.lookup.settings
        drawn = ", drawn at random" if settings.draw == "random" else ""
        return f"{settings.distance} distance{drawn}"

    def _caveats(self, shown: ExemplarSelection, spots: Sequence[DrawnSpot]) -> tuple[str, ...]:
        said = [
            "Exemplars are what the model was shown, not why it predicted: one that ignores them "
            "is shown them all the same, and they agree with it as far as they look like the "
            "spot. How far it leans on them is what swapping them changes, beside what swapping "
            "the spot's own look changes.",
            f"{len(spots)} of {len(shown.every)} spots are drawn; the numbers are of all.",
        ]
        trained = trained_on(self.asked.predictor, self.section)
        if trained is not None:
            said.append(
                f"{trained[0].upper()}{trained[1:]}: agreement with what was measured is no score."
            )
        if shown.lookup.shift:
            said.append(
                "Retrieval shift: training spots saw exemplars of their own patient, these do not."
            )
        if shown.lookup.settings.draw == "random":
            said.append("This predictor is a control: its exemplars are drawn at random.")
        return tuple(said)


@dataclass(frozen=True, eq=False)
class _OfSpots:
    """What is known of one gene at every spot."""

    predicted: Float[np.ndarray, " N"]
    measured: Float[np.ndarray, " N"]
    """NaN where it was not."""
    brought: Float[np.ndarray, "N E"]
    """The expression of each exemplar."""
    all_swapped: Float[np.ndarray, " N"]
    """Mean absolute change of the prediction when all exemplars are swapped."""
    change: Float[np.ndarray, "N E"]
    """When one alone is; NaN at spots that are not drawn."""


def _exemplar_picture(
    shown: ExemplarSelection, of: _OfSpots, place: tuple[int, int], tiles: ExemplarTiles
) -> Picture:
    """The tile of the exemplar at `place`: row of the spot, and rank."""
    pool, at = shown.pool, int(shown.found.rows[place])
    tile = tiles.of(at)
    lines = (
        f"{place[1] + 1}: {pool.patient[at]}, {pool.section[at]}",
        pool.spot[at],
        f"distance {shown.found.distance[place]:.3g}",
        f"brings {of.brought[place]:.2f}",
        f"swapped {of.change[place]:+.3f}",
    )
    return Picture(tile.pixels, tile.why_missing, lines, float(of.brought[place]))


def _wishes(asked: ExplainRequest) -> list[Problem]:
    """Wishes that this question does not have."""
    problems = []
    if len(asked.sections) > 1:
        found = f"{len(asked.sections)} sections: {', '.join(asked.sections)}"
        problems.append(
            Problem("--section", found, "one, whose spots are drawn", "ask for one after the other")
        )
    if asked.labels:
        problems.append(
            Problem("--labels", "given", "nothing: exemplars have no labels", "leave it out")
        )
    return problems


def _section(asked: ExplainRequest) -> Section:
    if asked.sections:
        return asked.cohort[asked.sections[0]]
    trained = asked.predictor.card["sections"]
    new = [name for name in asked.cohort.ids if name not in trained]
    return asked.cohort[(new or asked.cohort.ids)[0]]


def _table(shown: ExemplarSelection, of: _OfSpots) -> str:
    """One line an exemplar of a spot, as CSV."""
    pool, rows = shown.pool, shown.found.rows
    n_spots, n_exemplars = rows.shape

    def per_spot(values: Sequence[object] | np.ndarray) -> np.ndarray:
        return np.repeat(np.asarray(values), n_exemplars)

    def of_pool(names: tuple[str, ...], at: Int[np.ndarray, " M"]) -> np.ndarray:
        return np.asarray(names)[at]

    table = pd.DataFrame(
        {
            "spot": per_spot(shown.queries.spot),
            "predicted": per_spot(of.predicted),
            "measured": per_spot(of.measured),
            "exemplars_mean": per_spot(of.brought.mean(axis=1)),
            "change_all_swapped": per_spot(of.all_swapped),
            "rank": np.tile(np.arange(1, n_exemplars + 1), n_spots),
            "patient": of_pool(pool.patient, rows.ravel()),
            "section": of_pool(pool.section, rows.ravel()),
            "exemplar": of_pool(pool.spot, rows.ravel()),
            "distance": shown.found.distance.ravel(),
            "expression": of.brought.ravel(),
            "change_if_swapped": of.change.ravel(),
        }
    )
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")

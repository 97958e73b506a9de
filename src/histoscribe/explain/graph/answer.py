"""The answer to `graph`: which places of a window a network links."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.graph.comparison import BLOCKS, numbers
from histoscribe.explain.graph.question import GraphQuestionSettings
from histoscribe.explain.graph.window_graphs import WindowGraphs, window_graphs
from histoscribe.explain.random_networks import N_RANDOM, evaluation, random_networks
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    problems_of,
    trained_on,
    unknown_sections,
)
from histoscribe.explain.spot_choice import DrawnSpot, random_spots
from histoscribe.explain.windows import (
    SpotWindows,
    off_tissue_words,
    read_windows,
    section_and_spots,
)
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.models.base import ExpressionModel
from histoscribe.models.evidence import GraphModel, models_with
from histoscribe.plot.links import LinkPanel, LinkText, draw_links
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section

FIGURE, TABLE = "graph.png", "graph.csv"
N_WINDOWS = 3
"""Windows that are drawn unless others are named."""


def plan_graph(request: ExplainRequest, settings: GraphQuestionSettings) -> AnswerPlan:
    """Find the section and the spots, and plan the work on them.

    Raises
    ------
    DataContractError
        For a model without a graph, an unknown section or spot, more edges than there can be, and
        an image that is too coarse.
    """
    predictor = request.predictor
    names = () if settings.section is None else (settings.section,)
    problems = [
        *unknown_sections(request.cohort, names, "section"),
        *problems_of((lambda: check_has_graph(predictor, settings.edges),)),
    ]
    if problems:
        raise DataContractError(problems)
    section, spots = section_and_spots(request, settings.section, settings.spots)
    drawn = spots or random_spots(len(section.spots), N_WINDOWS, section.id)
    answer = GraphAnswer(request, section, drawn, settings.edges)
    return AnswerPlan(about=answer.about, sections=(section,), work=answer.work)


def check_has_graph(predictor: Predictor, n_edges: int) -> None:
    """Check that the network of a predictor makes a graph with this number of edges.

    Raises DataContractError that names the models that make one.
    """
    model = predictor.model
    where = f"predictor {predictor.name}"
    if not (isinstance(model, ExpressionModel) and isinstance(model, GraphModel)):
        names = ", ".join(models_with(GraphModel))
        found, expected = f"model {model.name} makes no graph", f"a predictor of {names}"
        remedy = "give a predictor of one of these models"
        raise DataContractError(Problem(where, found, expected, remedy))
    side = model.graph_side()
    if side is None:
        found = f"model {model.name} with its settings makes no graph"
        expected = f"a predictor of {model.name} with its graph"
        remedy = "give a predictor that was trained with another `graph`"
        raise DataContractError(Problem(where, found, expected, remedy))
    if n_edges > side**4:
        raise DataContractError(
            Problem(
                where="explain graph, edges",
                found=f"{n_edges} edges to draw",
                expected=f"at most {side**4}: {side} x {side} places have no more pairs",
                remedy="ask for fewer, e.g. 30",
            )
        )


@final
@dataclass(frozen=True, eq=False)
class GraphAnswer:
    """Answers the question for some windows of one section."""

    request: ExplainRequest
    section: Section
    spots: tuple[DrawnSpot, ...]
    """The spots to draw."""
    n_edges: int
    """Edges to draw in a window."""

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, section, spots, edges and the networks for comparison."""
        predictor, section = self.request.predictor, self.section
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "section": section.id,
            "patient": section.patient or "unknown",
            "spots": " ".join(section.spots.ids[spot.row] for spot in self.spots),
            "edges": str(self.n_edges),
            "random_networks": str(N_RANDOM),
        }

    def work(self, out: Path) -> Finding:
        """Make the graphs of windows with the trained and with random networks."""
        predictor = self.request.predictor
        windows = read_windows(self.section, predictor.encoding.tiles, self.spots)
        trained = self._graphs(predictor.model, windows)
        random = [self._graphs(network, windows) for network in random_networks(predictor)]
        by_block = [
            (block, graphs, [draw[place] for draw in random])
            for place, (block, graphs) in enumerate(zip(BLOCKS, trained, strict=True))
        ]
        lines = [line for block in by_block for line in _lines(windows, *block)]
        table = pd.DataFrame(lines)
        write_text(out / TABLE, csv_text(table))
        statistic: list[Number] = []
        null: list[Number] = []
        for block in by_block:
            found, by_chance = numbers(*block)
            statistic += found
            null += by_chance
        panels = self._panels(windows, (*trained, *random[0]))
        draw_links(panels, self._text(windows, trained[0]), out / FIGURE)
        return Finding(
            question="graph",
            about=self.about,
            folder=out,
            figures=(FIGURE,),
            tables=(TABLE,),
            statistic=tuple(statistic),
            null=tuple(null),
            caveat=self._caveats(windows, trained[0]),
        )

    def _graphs(self, network: object, windows: SpotWindows) -> tuple[WindowGraphs, WindowGraphs]:
        if not (isinstance(network, ExpressionModel) and isinstance(network, GraphModel)):
            raise TypeError(f"{network!r} makes no graph")
        with evaluation(self.request.predictor, network) as device:
            return window_graphs(network, windows.image, windows.side_um, device)

    def _panels(
        self, windows: SpotWindows, graphs: Sequence[WindowGraphs]
    ) -> list[list[LinkPanel]]:
        """A row for each drawn window: both graphs, then those of a random network."""
        titles = [f"{block} graph{end}" for end in ("", ", random network") for block in BLOCKS]
        return [
            [
                _panel(windows, window, part, (title, self.n_edges))
                for title, part in zip(titles, graphs, strict=True)
            ]
            for window in range(windows.n_drawn)
        ]

    def _text(self, windows: SpotWindows, graphs: WindowGraphs) -> LinkText:
        about = self.about
        return LinkText(
            title=f"Graphs of {self.request.predictor.name} in section {about['section']}, "
            f"patient {about['patient']}",
            below=f"The {self.n_edges} strongest of {graphs.source.shape[1]} edges of each window, "
            "without self-loops; the wider, the stronger (one scale for each column). Nodes are "
            f"the cells of a grid of {graphs.side} x {graphs.side}, {graphs.pitch_um:.1f} µm "
            f"wide; windows are {windows.side_um:.0f} µm a side, as the model reads them. "
            f"{off_tissue_words(windows)}\n"
            "“random network”: the same network with randomly drawn weights.",
        )

    def _caveats(self, windows: SpotWindows, graphs: WindowGraphs) -> tuple[str, ...]:
        caveats = [
            "Edges are where attention is strongest. They are no contacts or signals between "
            "cells, and a network that ignores its graph has one, too.",
            "What a random network shows as well was not learned: compare self-loops, lengths and "
            "shared edges with those of random networks.",
            f"A node is a cell of the grid, {graphs.pitch_um:.1f} µm wide, and has read the "
            "tissue around it: an edge does not start or end at a nucleus.",
            f"{windows.n_drawn} of {len(windows)} windows are drawn, with their strongest "
            f"{self.n_edges} edges; the numbers are of all edges of all windows.",
            off_tissue_words(windows),
        ]
        trained = trained_on(self.request.predictor, self.section)
        if trained is not None:
            caveats.append(f"{trained[0].upper()}{trained[1:]}.")
        return tuple(caveats)


def _lines(
    windows: SpotWindows, block: str, trained: WindowGraphs, random: Sequence[WindowGraphs]
) -> Iterator[dict[str, Any]]:
    """One line for each window and network; `shared` is with each of the random networks."""
    networks = [("trained", trained), *((f"random {n}", r) for n, r in enumerate(random, start=1))]
    for window, spot in enumerate(windows.spots):
        for name, graphs in networks:
            shared = [graphs.shared(window, part, window) for part in random if part is not graphs]
            low, median, high = graphs.quartiles_um(window)
            yield {
                "section": windows.section.id,
                "spot": windows.ids[window],
                "choice": spot.why,
                "in_figure": window < windows.n_drawn,
                "graph": block,
                "network": name,
                "n_edges": graphs.source.shape[1],
                "self_loops": int(graphs.self_loop[window].sum()),
                "lower_quartile_um": low,
                "median_um": median,
                "upper_quartile_um": high,
                "shared_with_random": float(np.mean(shared)),
            }


def _panel(
    windows: SpotWindows, window: int, graphs: WindowGraphs, drawn: tuple[str, int]
) -> LinkPanel:
    """Draws the strongest edges, with nodes at the centres of their cells."""
    title, n_edges = drawn
    place = graphs.strongest(window, n_edges)
    cell_px = windows.tiles.side_px / graphs.side
    ends = []
    for nodes in (graphs.source[window, place], graphs.target[window, place]):
        ends.append(np.stack([nodes % graphs.side, nodes // graphs.side], axis=1) + 0.5)
    n_loops = int(graphs.self_loop[window].sum())
    _, median, _ = graphs.quartiles_um(window)
    weight = graphs.weight[window, place]
    drawn_weights = f"drawn: weight {weight.min():.2g} to {weight.max():.2g}" if len(place) else ""
    return LinkPanel(
        title=title,
        tile=windows.picture(window),
        lines=(
            windows.ids[window],
            f"{n_loops} of {graphs.source.shape[1]} are self-loops",
            f"others: median {median:.0f} µm",
            drawn_weights,
        ),
        ends=np.stack(ends, axis=1) * cell_px,
        weight=weight,
        cell_px=cell_px,
    )

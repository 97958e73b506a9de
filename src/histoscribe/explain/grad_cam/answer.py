"""The answer to `grad-cam`: the parts of a window that raise the prediction of a gene."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from histoscribe.data.images import StackedTiles, stored_tiles
from histoscribe.device import choose_device
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Finding
from histoscribe.explain.grad_cam.comparison import MapSets, numbers
from histoscribe.explain.grad_cam.gene_maps import gene_maps
from histoscribe.explain.grad_cam.question import GradCamQuestionSettings
from histoscribe.explain.random_networks import N_RANDOM, evaluation, random_networks
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    check_number_of_genes,
    problems_of,
    trained_on,
    unknown_sections,
)
from histoscribe.explain.spot_choice import DrawnSpot, spots_by_value
from histoscribe.explain.windows import (
    SpotWindows,
    off_tissue_words,
    read_windows,
    section_and_spots,
)
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.models.base import ExpressionModel
from histoscribe.models.evidence import ClassMapModel, models_with
from histoscribe.plot.heat_maps import HeatColumn, HeatRow, HeatText, draw_heat_maps
from histoscribe.predictor.gene_choice import GeneChoice, choose_genes, one_gene
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import stream
from histoscribe.types import Section

FIGURE, TABLE = "grad-cam.png", "grad-cam.csv"
MOST_GENES = 6
"""More do not fit the figure."""
_OTHER_GENES = 10  # of the panel, to compare a map with
_SEED = 0  # of these genes


def plan_grad_cam(request: ExplainRequest, settings: GradCamQuestionSettings) -> AnswerPlan:
    """Find the section, the genes and the spots, and plan the work on them.

    Raises
    ------
    DataContractError
        For a model without a map, an unknown section, gene or spot, too many genes, and an image
        that is too coarse.
    """
    predictor = request.predictor
    names = () if settings.section is None else (settings.section,)
    genes: list[GeneChoice] = []
    problems = [
        *unknown_sections(request.cohort, names, "section"),
        *problems_of(
            (
                lambda: check_has_map(predictor),
                lambda: genes.append(_genes(predictor, settings.genes)),
            )
        ),
    ]
    if problems:
        raise DataContractError(problems)
    section, spots = section_and_spots(request, settings.section, settings.spots)
    answer = GradCamAnswer(request, section, genes[0], spots)
    return AnswerPlan(about=answer.about, sections=(section,), work=answer.work)


def check_has_map(predictor: Predictor) -> None:
    """Check that the model of a predictor has a map of channels.

    Raises DataContractError that names the models that have one.
    """
    model = predictor.model
    if isinstance(model, ExpressionModel) and isinstance(model, ClassMapModel):
        return
    raise DataContractError(
        Problem(
            where=f"predictor {predictor.name}",
            found=f"model {model.name} has no map of channels over a window",
            expected=f"a predictor of {', '.join(models_with(ClassMapModel))}",
            remedy="give a predictor of one of these models",
        )
    )


@final
@dataclass(frozen=True, eq=False)
class GradCamAnswer:
    """Answers the question for some genes and windows of one section."""

    request: ExplainRequest
    section: Section
    genes: GeneChoice
    spots: tuple[DrawnSpot, ...]
    """The spots to draw; empty where a rule will choose them."""

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, section, genes, unit, spots and the networks for comparison."""
        predictor, section = self.request.predictor, self.section
        ids = (section.spots.ids[spot.row] for spot in self.spots)
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "section": section.id,
            "patient": section.patient or "unknown",
            "genes": " ".join(self.genes.labels),
            "gene_ids": " ".join(self.genes.genes),
            "gene_choice": self.genes.why,
            "unit": predictor.target.transform,
            "spots": " ".join(ids) or "chosen by rule",
            "random_networks": str(N_RANDOM),
        }

    @property
    def places(self) -> list[int]:
        """Place of each gene in the panel."""
        panel = self.request.predictor.target.genes
        return [panel.index(gene) for gene in self.genes.genes]

    def work(self, out: Path) -> Finding:
        """Map the genes over the windows with the trained and with random networks."""
        predictor = self.request.predictor
        predicted = self._predicted()
        drawn = self.spots or spots_by_value(predicted[:, 0], self.section.id)
        windows = read_windows(self.section, predictor.encoding.tiles, drawn)
        trained = self._maps(predictor.model, windows, [*self.places, *self._other_genes()])
        nets = random_networks(predictor)
        random = np.stack([self._maps(net, windows, self.places) for net in nets])
        n_genes = len(self.places)
        off_tissue = windows.off_tissue_cells(*trained.shape[2:])
        sets = MapSets(
            trained=_flat(trained[:, :n_genes]),
            random=_flat(random),
            other_genes=_flat(trained[:, n_genes:]),
            off_tissue=_flat(off_tissue),
        )
        measured = self._measured()
        table = self._table(windows, sets, predicted, measured)
        write_text(out / TABLE, csv_text(table))
        statistic, null = numbers(sets)
        columns = self._columns(trained[: windows.n_drawn], random[0, : windows.n_drawn])
        draw_heat_maps(_rows(windows, table), columns, self._text(windows, trained), out / FIGURE)
        return Finding(
            question="grad-cam",
            about=self.about,
            folder=out,
            figures=(FIGURE,),
            tables=(TABLE,),
            statistic=statistic,
            null=null,
            caveat=self._caveats(windows, trained.shape[2:]),
        )

    def _predicted(self) -> Float[np.ndarray, "N K"]:
        """Prediction of every spot of the section."""
        predictor, section = self.request.predictor, self.section
        cache = self.request.cache
        tiles = stored_tiles(section, predictor.encoding.tiles, cache=cache)
        images = StackedTiles([(tiles, np.arange(len(section.spots)))])
        queries = replace(predictor.queries(section, cache), image=images)
        device = torch.device(choose_device(predictor.device))
        return predictor.fitted.predict(queries, device).values[:, self.places].astype(np.float64)

    def _measured(self) -> Float[np.ndarray, "N K"]:
        if self.section.counts is None:
            return np.full((len(self.section.spots), len(self.places)), np.nan)
        target = self.request.predictor.target
        return target.apply(self.section)[:, self.places].astype(np.float64)

    def _other_genes(self) -> list[int]:
        n_genes = len(self.request.predictor.target.genes)
        order = stream(_SEED, "explain-grad-cam-genes").permutation(n_genes)
        return [int(gene) for gene in order if gene not in self.places][:_OTHER_GENES]

    def _maps(
        self, network: object, windows: SpotWindows, genes: Sequence[int]
    ) -> Float[np.ndarray, "n K h w"]:
        if not (isinstance(network, ExpressionModel) and isinstance(network, ClassMapModel)):
            raise TypeError(f"{network!r} has no map")
        with evaluation(self.request.predictor, network) as device:
            return gene_maps(network, windows.image, genes, device)

    def _table(
        self,
        windows: SpotWindows,
        sets: MapSets,
        predicted: Float[np.ndarray, "N K"],
        measured: Float[np.ndarray, "N K"],
    ) -> pd.DataFrame:
        """One line for each window and gene."""
        n_genes = len(self.places)
        rows = np.array([spot.row for spot in windows.spots])
        rank, fifth = (
            np.ma.masked_invalid(sets.likeness(name)).reshape(len(sets.random), -1)
            for name in ("rank_correlation", "strongest_fifth")
        )
        by_window: dict[str, Sequence[object]] = {
            "spot": windows.ids,
            "choice": [spot.why for spot in windows.spots],
            "in_figure": [window < windows.n_drawn for window in range(len(windows))],
        }
        return pd.DataFrame(
            {
                "section": self.section.id,
                **{name: np.repeat(np.array(value), n_genes) for name, value in by_window.items()},
                "gene": np.tile(self.genes.labels, len(windows)),
                "predicted": predicted[rows].ravel(),
                "measured": measured[rows].ravel(),
                "map_mean": sets.trained.mean(axis=2).ravel(),
                "map_max": sets.trained.max(axis=2).ravel(),
                "rank_correlation": rank.mean(axis=0).filled(np.nan),
                "rank_correlation_low": rank.min(axis=0).filled(np.nan),
                "rank_correlation_high": rank.max(axis=0).filled(np.nan),
                "strongest_fifth": fifth.mean(axis=0).filled(np.nan),
                "off_tissue": sets.mass_off_tissue.ravel(),
                "area_off_tissue": np.repeat(sets.off_tissue.mean(axis=1), n_genes),
            }
        )

    def _columns(
        self, trained: Float[np.ndarray, "n K h w"], random: Float[np.ndarray, "n J h w"]
    ) -> list[HeatColumn]:
        """For each gene its maps, then those of a random network; each column has its scale."""
        columns = []
        for gene, label in enumerate(self.genes.labels):
            columns.append(HeatColumn(label, trained[:, gene]))
            columns.append(HeatColumn(f"{label},\nrandom network", random[:, gene]))
        return columns

    def _text(self, windows: SpotWindows, trained: Float[np.ndarray, "n K h w"]) -> HeatText:
        height, width = trained.shape[2:]
        about = self.about
        return HeatText(
            title=f"Grad-CAM of {self.request.predictor.name} in section {about['section']}, "
            f"patient {about['patient']}",
            below=f"Windows are {windows.side_um:.0f} µm a side, as the model reads them; each map "
            f"covers its window in {height} x {width} cells. {off_tissue_words(windows)}\n"
            "A column has one scale, from zero to its largest value. “random network”: the same "
            "network with randomly drawn weights. “r”: rank correlation of a map with that of "
            f"{N_RANDOM} random networks, mean and range.",
        )

    def _caveats(self, windows: SpotWindows, shape: Sequence[int]) -> tuple[str, ...]:
        height, width = shape
        caveats = [
            "A map says where the last map of the network raises the prediction of a gene. It does "
            "not say that cells in that place express the gene, nor that the prediction is right.",
            "A map that is like the map of a random network, more than with shuffled cells, shows "
            "the form of the network and of the tile. A map unlike it depends on the weights, but "
            "that does not make it right.",
            f"A cell of the map is {windows.side_um / width:.0f} µm wide, but it reads the tile "
            "around it, too: with attention, the whole tile.",
            f"{windows.n_drawn} of {len(windows)} windows are drawn; the numbers are of all of "
            f"them, with {height} x {width} cells each.",
            off_tissue_words(windows),
        ]
        trained = trained_on(self.request.predictor, self.section)
        if trained is not None:
            caveats.append(f"{trained[0].upper()}{trained[1:]}.")
        if self.request.predictor.fitted.counts is not None:
            caveats.append("Maps are of the last layer, before the softplus of the counts.")
        return tuple(caveats)


def _genes(predictor: Predictor, names: Sequence[str]) -> GeneChoice:
    """Raises DataContractError for unknown genes, and for more than the figure has room for."""
    choice = choose_genes(predictor, names) if names else one_gene(predictor, None)
    check_number_of_genes(choice, MOST_GENES, "grad-cam", "which fit one figure")
    return choice


def _flat(maps: Float[np.ndarray, "*n h w"]) -> np.ndarray:
    """Each map as a list of cells."""
    return maps.reshape(*maps.shape[:-2], -1)


def _rows(windows: SpotWindows, table: pd.DataFrame) -> list[HeatRow]:
    """The drawn windows with their lines of text."""
    lines = table[table["in_figure"]]
    rows = []
    for window, (_, genes) in enumerate(lines.groupby("spot", sort=False)):
        of_window = (genes.iloc[0].spot, genes.iloc[0].choice)
        of_maps: list[tuple[str, ...]] = []
        for gene in genes.itertuples():
            of_maps += [_lines_of_map(gene), ()]
        rows.append(HeatRow(windows.picture(window), of_window, tuple(of_maps)))
    return rows


def _lines_of_map(line: Any) -> tuple[str, ...]:
    """Values of the gene, and how like its map is to those of random networks."""
    measured = "not measured" if np.isnan(line.measured) else f"measured {line.measured:.2f}"
    return f"predicted {line.predicted:.2f}", measured, _likeness(line)


def _likeness(line: Any) -> str:
    if line.map_max == 0:
        return "zero everywhere"
    mean, low, high = (getattr(line, f"rank_correlation{end}") for end in ("", "_low", "_high"))
    return "r undefined" if np.isnan(mean) else f"r {mean:.2f} ({low:.2f} to {high:.2f})"

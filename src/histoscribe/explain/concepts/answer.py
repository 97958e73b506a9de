"""The answer to `concepts`: which tile measures a network reads, at each of its layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.data.tile_measures.measures import MEASURES
from histoscribe.explain.concepts.agreement import agreement, map_correlations
from histoscribe.explain.concepts.collection import SectionData, Wishes, collect
from histoscribe.explain.concepts.cost import ENCODER, can_be_cut, cost_of, encoder_cost, tell_speed
from histoscribe.explain.concepts.cut import cut_numbers, layer_cut
from histoscribe.explain.concepts.depth import (
    LayerConcepts,
    ReadLayer,
    concept_paths,
    concepts_of_layer,
)
from histoscribe.explain.concepts.figures import figure_of_cut, figure_of_depth, figure_of_relevance
from histoscribe.explain.concepts.tables import (
    Kept,
    cut_table,
    depth_table,
    kept_table,
    relevance_table,
)
from histoscribe.explain.concepts.tiles import N_RANDOM_CONCEPTS, ConceptTiles, residual
from histoscribe.explain.concepts.vectors import FEWEST_GROUPS
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.request import (
    ExplainRequest,
    trained_on,
)
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.predictor.gene_choice import GeneChoice
from histoscribe.types import Section

FIGURES = ("relevance.png", "depth.png", "cut.png")
TABLES = ("relevance.csv", "depth.csv", "paths.csv", "given-haematoxylin.csv", "cut.csv")
GIVEN = "haematoxylin_density"
"""Always measured: the other concepts are also looked at given this one."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class ConceptsAnswer:
    """Answers the question for some sections, measures, layers and genes."""

    request: ExplainRequest
    sections: tuple[Section, ...]
    genes: GeneChoice
    wishes: Wishes

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, sections, genes, measures, layers and random concepts."""
        predictor, wishes = self.request.predictor, self.wishes
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "sections": " ".join(section.id for section in self.sections),
            "genes": " ".join(self.genes.labels),
            "gene_ids": " ".join(self.genes.genes),
            "gene_choice": self.genes.why,
            "measures": " ".join(wishes.measures),
            "layers": " ".join(wishes.layers),
            "layer_of_relevance": wishes.layers[-1],
            "tiles": f"at most {wishes.n_tiles} of a section",
            "um_per_px": f"{predictor.encoding.mpp:g}",
            "random_concepts": f"{N_RANDOM_CONCEPTS} for each measure",
        }

    def work(self, out: Path) -> Finding:
        """Read tiles and layers, fit the vectors, and write figures and tables."""
        data = collect(self.request.predictor, self.sections, self.wishes)
        layers = _every_layer(data.layers, data.tiles)
        scale = [
            concepts_of_layer(layer, data.scale, data.scale.random()) for layer in data.scale_layers
        ]
        given_tiles = data.tiles.given(GIVEN)
        given = concepts_of_layer(data.layers[-1], given_tiles, given_tiles.random())
        statistic, null = self._in_the_tissue(data, layers[-1], given, out)
        units = {measure.name: measure.unit for measure in MEASURES} | {"scale": "log2 um/px"}
        labels = self.genes.labels
        depth = [*layers, *scale]
        write_text(out / TABLES[0], csv_text(relevance_table(layers, labels)))
        write_text(out / TABLES[1], csv_text(depth_table(depth, units)))
        paths = pd.DataFrame([*concept_paths(layers), *concept_paths(scale)])
        write_text(out / TABLES[2], csv_text(paths))
        name = self.request.predictor.name
        figure_of_relevance(layers[-1], given, labels, name, out / FIGURES[0])
        figure_of_depth(layers, scale, data.tiles, name, out / FIGURES[1])
        numbers = self._cut(data, out)
        n_written = 3 if numbers is not None else 2
        if numbers is not None:
            statistic, null = (*statistic, *numbers[0]), (*null, *numbers[1])
        return Finding(
            question="concepts",
            about=self.about,
            folder=out,
            figures=FIGURES[:n_written],
            tables=TABLES[: n_written + 2],
            statistic=statistic,
            null=null,
            caveat=tuple(self._caveats(data, layers[-1], has_cut=numbers is not None)),
        )

    def _in_the_tissue(
        self, data: SectionData, layer: LayerConcepts, given: LayerConcepts, out: Path
    ) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
        """Compare relevance with measured tissue, and write what is left given haematoxylin."""
        measured = data.measured[:, list(self.wishes.genes)]
        plain = _kept(measured, data.predicted, data.tiles)
        given_tiles = data.tiles.given(GIVEN)
        left = _kept(_given(measured, data.tiles), _given(data.predicted, data.tiles), given_tiles)
        table = kept_table(data.tiles.names, self.genes.labels, plain, left, given)
        write_text(out / TABLES[3], csv_text(table))
        new = data.new if data.new.any() else np.ones_like(data.new)
        words = (
            "cosine, over genes and concepts, of relevance and the correlation of gene and concept "
            "that is measured within sections"
        )
        numbers = [
            agreement(
                layer.relevance,
                map_correlations(_where(measured, new), data.tiles),
                "agreement",
                words,
            ),
            agreement(
                given.relevance,
                map_correlations(_where(_given(measured, data.tiles), new), given_tiles),
                "agreement_given_haematoxylin",
                f"{words}, of what is left of both given {GIVEN}",
            ),
        ]
        return tuple(number for number, _ in numbers), tuple(chance for _, chance in numbers)

    def _cut(
        self, data: SectionData, out: Path
    ) -> tuple[tuple[Number, ...], tuple[Number, ...]] | None:
        """Choose the layer to cut the encoder at; None where this cannot be asked."""
        predictor = self.request.predictor
        encoder = [layer for layer in data.layers if layer.name.startswith(ENCODER)]
        genes = np.isfinite(data.measured).all(axis=0)
        if not (can_be_cut(predictor) and encoder and genes.any()):
            return None
        names, pooled = [layer.name for layer in encoder], [layer.pooled for layer in encoder]
        costs = [encoder_cost(predictor, name) for name in names]
        same = pooled[-1].shape == data.feature.shape and np.allclose(pooled[-1], data.feature)
        if not same:  # the layers end before what the predictor reads
            names.append("encoder as it is")
            pooled.append(data.feature)
            costs.append(cost_of(predictor.encoder, predictor.encoding.tile_px))
        measured = data.measured[:, genes]
        cut = layer_cut(names, pooled, measured, data.tiles)
        write_text(out / TABLES[4], csv_text(cut_table(cut, costs)))
        if cut.layers[cut.best] != cut.layers[-1]:
            tell_speed(predictor, cut.layers[cut.best])
        numbers = cut_numbers(cut, measured, data.tiles)
        figure_of_cut(cut, costs, numbers[0], data.tiles.held_out, out / FIGURES[2])
        return numbers

    def _caveats(self, data: SectionData, layer: LayerConcepts, *, has_cut: bool) -> list[str]:
        tiles = data.tiles
        n_pairs = int(np.isfinite(layer.relevance).sum())
        caveats = [
            "A layer that holds a concept need not use it, and an untrained network holds colour "
            "and texture, too. Relevance beyond random concepts says that the prediction changes "
            "along the concept, not that this was learned: agreement with measured tissue says so.",
            f"Of {n_pairs} pairs of gene and concept about {0.05 * n_pairs:.0f} are beyond random "
            "concepts by chance alone.",
            "Concepts go together: a gene that follows one follows those that resemble it. What is "
            f"left given {GIVEN} is linear only.",
            f"R2 is on {tiles.held_out} left out.",
        ]
        if tiles.held_out == "sections":
            caveats.append(
                f"There are fewer than {FEWEST_GROUPS} patients: sections are left out instead, "
                "and sections of one patient look alike. R2 is too high for new patients."
            )
        undefined = [name for name, r2 in zip(layer.names, layer.r2, strict=True) if np.isnan(r2)]
        if undefined:
            caveats.append(f"Constant, or on too few tiles: {', '.join(undefined)}.")
        if self.request.predictor.fitted.item != "spot":
            caveats.append(
                "The model reads many tiles at once; slopes are of one tile at a time, as an item "
                "of its own."
            )
        if not np.isfinite(data.measured).any():
            caveats.append("No section has counts: agreement with measured genes is not known.")
        elif not has_cut:
            caveats.append(
                "The encoder has no layer to cut it at: `inputs.layer` takes layers of encoders of "
                "torchvision and timm."
            )
        trained = [trained_on(self.request.predictor, section) for section in self.sections]
        known = [words for words in trained if words is not None]
        if known and not data.new.any():
            caveats.append("Agreement is with tissue of training: it is no evidence of learning.")
        if known:
            caveats.append(f"Not held out: {'; '.join(known)}.")
        return caveats


def _every_layer(layers: Sequence[ReadLayer], tiles: ConceptTiles) -> list[LayerConcepts]:
    random, start = tiles.random(), perf_counter()
    fitted = [concepts_of_layer(layers[0], tiles, random)]
    seconds = (perf_counter() - start) * (len(layers) - 1)
    tell_estimate(f"concepts at {len(layers) - 1} further layers", seconds)
    return fitted + [concepts_of_layer(layer, tiles, random) for layer in layers[1:]]


def _kept(
    measured: Float[np.ndarray, "N K"], predicted: Float[np.ndarray, "N K"], tiles: ConceptTiles
) -> Kept:
    return Kept(
        measured=map_correlations(measured, tiles), predicted=map_correlations(predicted, tiles)
    )


def _given(genes: Float[np.ndarray, "N K"], tiles: ConceptTiles) -> Float[np.ndarray, "N K"]:
    """What a straight line on haematoxylin density leaves of genes, within sections."""
    left = np.full_like(genes, np.nan)
    column = tiles.names.index(GIVEN)
    for _, rows in tiles.by_section:
        for gene in range(genes.shape[1]):
            left[rows, gene] = residual(genes[rows, gene], tiles.values[rows, column])
    return left


def _where(genes: Float[np.ndarray, "N K"], rows: np.ndarray) -> Float[np.ndarray, "N K"]:
    return np.where(rows[:, None], genes, np.nan)

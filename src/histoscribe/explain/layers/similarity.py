"""The answer about similarity: which layers arrange tiles alike, in a network and between them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import final

from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.finding import Finding
from histoscribe.explain.layers.activations import (
    Layers,
    network_layers,
    network_of,
    network_residuals,
    random_rows,
    read_tiles,
)
from histoscribe.explain.layers.alignments import N_PERMUTED, align
from histoscribe.explain.layers.layer_alignments import LayerAlignments
from histoscribe.explain.layers.similarity_figures import (
    draw_alignments,
    draw_branches,
    draw_learned,
)
from histoscribe.explain.layers.start import initial_network, missing_start
from histoscribe.explain.random_networks import N_RANDOM, random_networks
from histoscribe.explain.request import ExplainRequest, trained_on
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.models.base import ExpressionModel
from histoscribe.progress import track
from histoscribe.types import Section

FIGURES = ("similarity.png", "learned.png", "branches.png")
TABLES = ("similarity.csv", "learned.csv")


@final
@dataclass(frozen=True, eq=False)
class SimilarityAnswer:
    """Compares the layers of one predictor or two on tiles of some sections."""

    request: ExplainRequest
    sections: tuple[Section, ...]
    layers: tuple[tuple[str, ...], ...]
    """Of each predictor."""
    n_tiles: int

    @property
    def about(self) -> Mapping[str, str]:
        """Predictors, sections, layers, tiles and networks for comparison."""
        predictors = self.request.predictors
        return {
            "about": "similarity",
            "predictor": " ".join(f"{of.row}@{of.hash}" for of in predictors),
            "sections": " ".join(section.id for section in self.sections),
            "layers": " | ".join(" ".join(of) for of in self.layers),
            "tiles": f"at most {self.n_tiles} of a section",
            "activation": "mean over the places of a tile",
            "random_networks": str(N_RANDOM),
            "permuted_tiles": f"{N_PERMUTED} orders of the tiles of each section",
        }

    def work(self, out: Path) -> Finding:
        """Read all layers of all networks, compare them, and write figures and tables."""
        networks = [self._networks(number) for number in range(len(self.layers))]
        results = LayerAlignments(
            aligned=align(self._sections(networks)),
            layers=self.layers,
            has_start=tuple("start" in of for of in networks),
        )
        names = [predictor.name for predictor in self.request.predictors]
        draw_alignments(results, names, out / FIGURES[0])
        draw_learned(results, names, out / FIGURES[1])
        has_branches = draw_branches(results, names, out / FIGURES[2])
        write_text(out / TABLES[0], csv_text(results.pair_table(names)))
        write_text(out / TABLES[1], csv_text(results.layer_table(names)))
        statistic, null = results.numbers()
        return Finding(
            question="layers",
            about=self.about,
            folder=out,
            figures=FIGURES if has_branches else FIGURES[:2],
            tables=TABLES,
            statistic=statistic,
            null=null,
            caveat=tuple(self._caveats(results)),
        )

    def _networks(self, number: int) -> dict[str, ExpressionModel]:
        """The trained network of a predictor, its start and random ones, by kind."""
        predictor = self.request.predictors[number]
        networks = {"trained": network_of(predictor)}
        initial = initial_network(predictor)
        if initial is not None:
            networks["start"] = initial
        drawn = random_networks(predictor)
        return networks | {f"random-{draw}": network for draw, network in enumerate(drawn)}

    def _sections(self, networks: list[dict[str, ExpressionModel]]) -> Iterator[dict[str, Layers]]:
        """Layers of all networks for the tiles of each section."""
        for done, section in enumerate(track(self.sections, "sections")):
            read: dict[str, Layers] = {}
            for number, of in enumerate(networks):
                read |= self._read(number, of, section, is_first=done == 0)
            yield read

    def _read(
        self,
        number: int,
        networks: Mapping[str, ExpressionModel],
        section: Section,
        *,
        is_first: bool,
    ) -> Mapping[str, Layers]:
        """Layers by predictor and network (`0/trained`), on tiles of this section.

        With the first section, the first network tells how long all of them will take.
        """
        predictor, layers = self.request.predictors[number], self.layers[number]
        rows = random_rows(section, self.n_tiles)
        began = perf_counter()
        tiles = read_tiles(predictor, section, rows, layers, self.request.cache)
        tiles_s = perf_counter() - began
        read = {f"{number}/encoder": tiles.encoder}
        for kind, network in networks.items():
            read[f"{number}/{kind}"] = network_layers(predictor, network, tiles, layers)
            stream, branch = network_residuals(predictor, network, tiles)
            read |= {f"{number}/{kind}/stream": stream, f"{number}/{kind}/branch": branch}
            if is_first and kind == "trained":
                network_s = perf_counter() - began - tiles_s
                n_networks, n_sections = len(networks), len(self.sections)
                what = f"layers of {n_networks} networks of {predictor.name}, {n_sections} sections"
                tell_estimate(what, (tiles_s + network_s * n_networks) * n_sections)
        return read

    def _caveats(self, results: LayerAlignments) -> Iterator[str]:
        yield (
            "CKA compares which tiles a layer finds alike. Two layers can be alike and be used "
            "differently, and a network with random weights has layers that are alike, too."
        )
        yield (
            "Activations are averaged over the places of a tile: what a layer knows of the "
            "arrangement within the tile takes no part."
        )
        yield (
            f"Chance is {N_RANDOM} networks with random weights. Its range is that of one more "
            "network, by the t distribution; layers of the encoder are never drawn anew."
        )
        for predictor, section in (
            (predictor, section)
            for predictor in self.request.predictors
            for section in self.sections
        ):
            words = trained_on(predictor, section)
            if words:
                yield f"{predictor.name}: {words}."
        for predictor in self.request.predictors:
            missing = missing_start(predictor)
            if missing is not None:
                yield (
                    f"{predictor.name} started from {missing}, whose weights are not on this "
                    "machine: what training kept of them (cka_to_start) is unknown."
                )
        undefined = results.constant_layers()
        if undefined:
            yield f"The same for all tiles, so without CKA: {', '.join(undefined)}."

"""The answer about attention: how far the heads of each layer read, in um."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import final

from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.finding import Finding
from histoscribe.explain.layers.activations import (
    SectionTiles,
    network_of,
    random_rows,
    read_tiles,
)
from histoscribe.explain.layers.attention_distance import (
    Attended,
    attention_of,
    mean_attended,
)
from histoscribe.explain.layers.attention_results import AttentionResults
from histoscribe.explain.layers.attention_shares import SHARES, ShareTrainings
from histoscribe.explain.random_networks import N_RANDOM, random_networks
from histoscribe.explain.request import ExplainRequest, trained_on
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.models.base import ExpressionModel
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.types import Section

FIGURE, TABLE = "attention.png", "attention.csv"
_TRAININGS = "trainings"
Networks = Mapping[str, tuple[Predictor, ExpressionModel]]


@final
@dataclass(frozen=True, eq=False)
class AttentionAnswer:
    """Measures attention of one predictor on tiles of some sections."""

    request: ExplainRequest
    sections: tuple[Section, ...]
    layers: tuple[str, ...]
    n_tiles: int
    trainings: ShareTrainings | None
    """Further trainings of the model on a part of the spots; None where nobody asked for them."""

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, sections, layers, tiles, trainings and networks for comparison."""
        predictor = self.request.predictor
        about = {
            "about": "attention",
            "predictor": f"{predictor.row}@{predictor.hash}",
            "sections": " ".join(section.id for section in self.sections),
            "layers": " ".join(self.layers),
            "tiles": f"at most {self.n_tiles} of a section",
            "unit": "um",
            "random_networks": str(N_RANDOM),
        }
        if self.trainings is not None:
            spots = self.trainings.n_spots
            about["trainings"] = ", ".join(f"{name}: {n} spots" for name, n in spots.items())
            about["cohort"] = " ".join(self.request.cohort.ids)
        return about

    def work(self, out: Path) -> Finding:
        """Measure the attention of all networks, and write figure and table."""
        predictor = self.request.predictor
        networks: dict[str, tuple[Predictor, ExpressionModel]] = {
            "trained": (predictor, network_of(predictor))
        }
        drawn = random_networks(predictor)
        networks |= {f"random-{n}": (predictor, network) for n, network in enumerate(drawn)}
        if self.trainings is not None:
            for name, again in self.trainings.trained(out / _TRAININGS):
                networks[name] = (again, network_of(again))
            shutil.rmtree(out / _TRAININGS)
        measured = self._measured(networks)
        results = AttentionResults(
            layers=self.layers,
            trained=measured["trained"],
            random=tuple(measured[f"random-{draw}"] for draw in range(N_RANDOM)),
            by_share={name: measured[name] for name in SHARES if name in measured},
        )
        results.draw(predictor.name, out / FIGURE)
        write_text(out / TABLE, csv_text(results.table()))
        statistic, null = results.numbers()
        return Finding(
            question="layers",
            about=self.about,
            folder=out,
            figures=(FIGURE,),
            tables=(TABLE,),
            statistic=statistic,
            null=null,
            caveat=tuple(self._caveats(results)),
        )

    def _measured(self, networks: Networks) -> dict[str, Attended]:
        """Attention of each network, mean over sections."""
        parts: dict[str, list[Attended]] = {name: [] for name in networks}
        for done, section in enumerate(track(self.sections, "sections")):
            rows = random_rows(section, self.n_tiles)
            tiles: dict[int, SectionTiles] = {}  # by identity of the predictor
            for at, (name, (predictor, network)) in enumerate(networks.items()):
                began = perf_counter()
                if id(predictor) not in tiles:
                    tiles[id(predictor)] = read_tiles(
                        predictor, section, rows, (), self.request.cache
                    )
                read = perf_counter()
                parts[name].append(attention_of(predictor, network, section, tiles[id(predictor)]))
                if done == at == 0:
                    self._tell_estimate(networks, read - began, perf_counter() - read)
        return {name: mean_attended(of) for name, of in parts.items()}

    def _tell_estimate(self, networks: Networks, tiles_s: float, network_s: float) -> None:
        """From the seconds that tiles of a predictor and one network take for a section."""
        n_predictors = len({id(predictor) for predictor, _ in networks.values()})
        what = f"attention of {len(networks)} networks, {len(self.sections)} sections"
        seconds = n_predictors * tiles_s + len(networks) * network_s
        tell_estimate(what, seconds * len(self.sections))

    def _caveats(self, results: AttentionResults) -> Iterator[str]:
        yield (
            "Attention says which tokens a layer reads, not what the prediction rests on: values "
            "are read together, and later layers mix them."
        )
        yield (
            "A token knows of its surroundings already where convolutions or earlier layers come "
            "before: a short distance does not mean that far tissue takes no part."
        )
        least = results.least_weight_on_places
        if least < 1 - 1e-6:
            yield (
                f"Down to {least:.0%} of the weight of a head goes to parts of the tile or to "
                "spots; the rest goes to pathways or exemplars, which have no place, and is left "
                "out of the distance."
            )
        yield (
            f"Chance is {N_RANDOM} networks with random weights. Its range is that of one more "
            "network, by the t distribution."
        )
        if results.by_share:
            yield "One training of each size: another seed can change the distance, too."
        for section in self.sections:
            words = trained_on(self.request.predictor, section)
            if words:
                yield f"{self.request.predictor.name}: {words}."

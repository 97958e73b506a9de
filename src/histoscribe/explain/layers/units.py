"""The answer about units: images that excite units, channels, layers and genes, beside tiles."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from histoscribe.data.images import SlideTiles
from histoscribe.encoders.encoder import Encoder, load_encoder
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.finding import Finding
from histoscribe.explain.layers.activations import random_rows
from histoscribe.explain.layers.fourier_image import MOST_DEGREES, MOST_SHIFT, TissueColours
from histoscribe.explain.layers.made_images import make_images
from histoscribe.explain.layers.unit_results import UnitResults, in_deviations
from histoscribe.explain.layers.unit_sheet import draw_units
from histoscribe.explain.layers.unit_targets import (
    Direction,
    Goal,
    UnitTarget,
    read_channels,
    read_targets,
    target_values,
)
from histoscribe.explain.random_networks import N_RANDOM, random_networks
from histoscribe.explain.request import ExplainRequest, trained_on
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.seed import stream
from histoscribe.ties import best_first
from histoscribe.types import Section

FIGURE, TABLE = "units.png", "units.csv"
N_DIRECTIONS = 5
"""Random directions for each target."""
_SEED = 0  # of the directions; nobody needs another one
_FIRST_ENCODER = 1000  # seed of the first random encoder; those of controls in runs are smaller


@dataclass(frozen=True, eq=False)
class _InRandom:
    """Activations in a network with random weights, in deviations over the real tiles."""

    made: Float[np.ndarray, " U"]
    best_real: Float[np.ndarray, " U"]
    read: Float[np.ndarray, " U"]
    """By the images made for the trained network."""
    pictures: UInt8[Tensor, "U 3 P P"]
    """Images made for this network."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class UnitsAnswer:
    """Makes images for targets of one predictor, and finds the tiles that excite them."""

    request: ExplainRequest
    sections: tuple[Section, ...]
    targets: tuple[UnitTarget, ...]
    """Those that are named, and genes."""
    layers: tuple[str, ...]
    """Layers of which one channel each is chosen by rule, before the targets."""
    n_tiles: int
    n_steps: int

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, sections, targets, tiles, steps and what is compared."""
        predictor = self.request.predictor
        return {
            "about": "units",
            "predictor": f"{predictor.row}@{predictor.hash}",
            "sections": " ".join(section.id for section in self.sections),
            "targets": " ".join(target.name for target in self.targets) or "none named",
            "layers": " ".join(self.layers) or "none beside the targets",
            "channel": "the one that varies most over the tiles, in each network",
            "tiles": f"at most {self.n_tiles} of a section",
            "steps": str(self.n_steps),
            "views": f"shifted by {MOST_SHIFT:g} of a side, turned by {MOST_DEGREES:g} degrees",
            "random_directions": str(N_DIRECTIONS),
            "random_networks": str(N_RANDOM),
        }

    def work(self, out: Path) -> Finding:
        """Make the images, read them beside real tiles, and write figure and table."""
        predictor = self.request.predictor
        image, names = self._tiles()
        targets = self._targets_in(predictor, image)
        directions = random_directions(predictor, targets, image)
        colours = TissueColours.of(image)
        self._tell_estimate(targets, directions, colours)
        real, pictures, read = self._made(predictor, (*targets, *directions), image, colours)
        n, shape = len(targets), (N_DIRECTIONS, len(targets), len(targets))
        made = in_deviations(read[:, :n], real[:, :n])
        random = [
            self._in_random(network, image, pictures[:n], colours)
            for network in track(_random_predictors(predictor), "random networks")
        ]
        results = UnitResults(
            targets=targets,
            real=real[:, :n],
            made=made[:n].diagonal(),
            directions=made[n:].reshape(shape).diagonal(axis1=1, axis2=2),
            random_made=np.stack([of.made for of in random]),
            random_best=np.stack([of.best_real for of in random]),
            random_read=np.stack([of.read for of in random]),
        )
        write_text(out / TABLE, csv_text(results.table(names)))
        shown = (pictures[:n], pictures[n : 2 * n], random[0].pictures)
        draw_units(results, shown, image, self._title(), out / FIGURE)
        statistic, null = results.numbers()
        return Finding(
            question="layers",
            about=self.about,
            statistic=statistic,
            null=null,
            caveat=tuple(self._caveats(len(image))),
            folder=out,
            figures=(FIGURE,),
            tables=(TABLE,),
        )

    def _targets_in(
        self, predictor: Predictor, image: UInt8[Tensor, "n 3 P P"]
    ) -> tuple[UnitTarget, ...]:
        """The channel of each layer that varies most in this network; then the named targets."""
        channels = read_channels(predictor, self.layers, image)
        return (*(most_varying(of, values) for of, values in channels.items()), *self.targets)

    def _tiles(self) -> tuple[UInt8[Tensor, "n 3 P P"], list[tuple[str, str]]]:
        """Tiles drawn at random from every section, with section and spot of each."""
        parts, names = [], []
        for section in track(self.sections, "sections"):
            rows = random_rows(section, self.n_tiles)
            parts.append(SlideTiles(section, self.request.predictor.encoding.tiles).read(rows))
            names += [(section.id, section.spots.ids[row]) for row in rows]
        return torch.cat(parts), names

    def _made(
        self,
        predictor: Predictor,
        goals: Sequence[Goal],
        image: UInt8[Tensor, "n 3 P P"],
        colours: TissueColours,
        n_steps: int | None = None,
    ) -> tuple[Float[np.ndarray, "n G"], UInt8[Tensor, "G 3 P P"], Float[np.ndarray, "G G"]]:
        """Activation by real tiles, an image for each goal, and the activation by the images."""
        names = _names(goals)
        with target_values(predictor, goals) as values:

            def scores(views: Float[Tensor, "b 3 P P"], some: slice) -> Float[Tensor, " b"]:
                return values(views)[:, some].diagonal()

            steps = self.n_steps if n_steps is None else n_steps
            made = make_images(names, scores, colours, image.shape[-1], steps)
            return read_targets(values, image), made, read_targets(values, made)

    def _in_random(
        self,
        predictor: Predictor,
        image: UInt8[Tensor, "n 3 P P"],
        pictures: UInt8[Tensor, "U 3 P P"],
        colours: TissueColours,
    ) -> _InRandom:
        """Read the images of a random network, those of the trained one, and real tiles."""
        targets = self._targets_in(predictor, image)
        real, made, read = self._made(predictor, targets, image, colours)
        with target_values(predictor, targets) as values:
            of_trained = in_deviations(read_targets(values, pictures), real).diagonal()
        own, best = in_deviations(read, real).diagonal(), in_deviations(real, real).max(axis=0)
        return _InRandom(own, best, of_trained, made)

    def _tell_estimate(
        self, targets: Sequence[UnitTarget], directions: Sequence[Direction], colours: TissueColours
    ) -> None:
        """Measure two steps of the images of the targets."""
        side_px = self.request.predictor.encoding.tile_px
        few = torch.zeros((1, 3, side_px, side_px), dtype=torch.uint8)
        began = perf_counter()
        self._made(self.request.predictor, targets, few, colours, n_steps=2)
        n_times = N_RANDOM + 1 + len(directions) / len(targets)
        seconds = (perf_counter() - began) / 2 * self.n_steps * n_times
        tell_estimate(f"images of {len(targets)} targets, in {self.n_steps} steps", seconds)

    def _title(self) -> str:
        predictor = self.request.predictor
        return f"What excites {predictor.name} on {predictor.encoding.encoder}"

    def _caveats(self, n_tiles: int) -> Iterator[str]:
        predictor = self.request.predictor
        yield (
            "A made image shows what raises an activation, not what tissue raises it with: read it "
            "beside the real tiles. A network with random weights has such images, too."
        )
        yield (
            "Another start, another number of steps or other views give other images; a target can "
            "have several images that excite it as much."
        )
        yield (
            f"Best and least tiles are those of {n_tiles} real tiles. Made images are not scaled: "
            "structures have the size that they have in tiles, in um."
        )
        if not _can_be_random(predictor.encoder):
            yield (
                f"The encoder {predictor.encoding.encoder} is the same in networks with random "
                "weights: it has none, or the run trained it."
            )
        for section in self.sections:
            trained = trained_on(predictor, section)
            if trained is not None:
                yield f"{trained[0].upper()}{trained[1:]}."


def most_varying(layer: str, channels: Float[np.ndarray, "n C"]) -> UnitTarget:
    """The channel of a layer with the largest variance over tiles, the first of equal ones."""
    variance = channels.var(axis=0)
    return UnitTarget(layer, int(best_first(variance, 1e-6 * float(variance.max()))[0]))


def random_directions(
    predictor: Predictor, targets: Sequence[UnitTarget], image: UInt8[Tensor, "n 3 P P"]
) -> tuple[Direction, ...]:
    """`N_DIRECTIONS` times a direction for each target, in deviations of channels or genes."""
    layers = tuple(dict.fromkeys(target.layer for target in targets if target.layer))
    spread = {name: of.std(axis=0) for name, of in read_channels(predictor, layers, image).items()}
    if any(target.gene for target in targets):
        genes = tuple(UnitTarget("", at, gene="gene") for at in range(len(predictor.target.genes)))
        with target_values(predictor, genes) as values:
            spread[""] = read_targets(values, image).std(axis=0)
    return tuple(
        _direction(f"{target.name}-{draw}", target.layer, spread[target.layer])
        for draw in range(N_DIRECTIONS)
        for target in targets
    )


def _direction(name: str, layer: str, spread: Float[np.ndarray, " C"]) -> Direction:
    drawn = stream(_SEED, f"explain-layers-direction-{name}").normal(size=len(spread))
    weight = np.where(spread > 0, drawn / np.where(spread > 0, spread, 1.0), 0.0)
    return Direction(layer, torch.from_numpy(weight))


def _names(goals: Sequence[Goal]) -> list[str]:
    """Names of images: those of targets, and numbers for directions."""
    return [
        goal.name if isinstance(goal, UnitTarget) else f"direction {at}"
        for at, goal in enumerate(goals)
    ]


def _random_predictors(predictor: Predictor) -> list[Predictor]:
    """The predictor with random networks, and random encoders where these can be drawn."""
    fitted = predictor.fitted
    return [
        replace(
            predictor,
            fitted=Fitted(network, fitted.lookup, fitted.pathways),
            _encoder=_random_encoder(predictor, draw),
        )
        for draw, network in enumerate(random_networks(predictor))
    ]


def _random_encoder(predictor: Predictor, draw: int) -> Encoder:
    if not _can_be_random(predictor.encoder):
        return predictor.encoder
    encoding = predictor.encoding
    return load_encoder(encoding.encoder, layer=encoding.layer, random_seed=_FIRST_ENCODER + draw)


def _can_be_random(encoder: Encoder) -> bool:
    """False for an encoder without weights, or trained by a run."""
    return encoder.weights.startswith(("sha256:", "random:")) and ":" in encoder.record.name

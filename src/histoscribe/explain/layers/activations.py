"""Activations of layers for the tiles of a section, averaged over the places of each tile."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from histoscribe.data.images import HeldTiles, SlideTiles
from histoscribe.data.items.items import Batch
from histoscribe.data.items.spots import SpotQueries
from histoscribe.device import choose_device
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.layers.main_layers import main_layers, thinned
from histoscribe.explain.layers.residuals import Sum, residuals_tapped
from histoscribe.explain.random_networks import evaluation
from histoscribe.explain.spot_choice import random_spots
from histoscribe.explain.taps import Activation, Taps, layer_names, tapped
from histoscribe.models.base import Estimator, ExpressionModel, model_class
from histoscribe.models.catalog import list_models
from histoscribe.near_names import did_you_mean
from histoscribe.precision import whole_convolutions
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section, SpotKeys

Layers = Mapping[str, Float[np.ndarray, "_ _"]]
"""Name of a layer -> a row for each tile."""
N_PROBED = 8
"""Tiles on which the layers that can be read are found."""
_AT_ONCE = 16


@final
@dataclass(frozen=True, eq=False)
class SectionTiles:
    """Tiles of some spots of a section, and everything that a network reads with them."""

    image: UInt8[Tensor, "n 3 P P"]
    rows: Int[np.ndarray, " n"]
    """Spot of each tile."""
    encoder: Layers
    """Of the encoder, which all networks of the predictor share."""
    queries: SpotQueries
    """These spots; of a model of sections or bags, all spots of the section."""


def random_rows(section: Section, n_tiles: int) -> Int[np.ndarray, " n"]:
    """At most `n_tiles` spots of a section at random, in the order of the section."""
    drawn = random_spots(len(section.spots), n_tiles, section.id)
    return np.sort([spot.row for spot in drawn])


def read_tiles(
    predictor: Predictor,
    section: Section,
    rows: Int[np.ndarray, " n"],
    layers: Sequence[str],
    cache: Path,
) -> SectionTiles:
    """Read the tiles of these spots, and run the encoder.

    Parameters
    ----------
    layers
        Layers of encoder and network; those of the encoder are kept.
    """
    image = SlideTiles(section, predictor.encoding.tiles).read(rows)
    names = [name for name in layers if name.startswith("encoder.")]
    device = torch.device(choose_device(predictor.device))
    encoder = predictor.encoder.to(device)
    parts, features = [], []
    for some in image.split(_AT_ONCE):
        with tapped(encoder, names) as taps, torch.no_grad(), whole_convolutions(device):
            features.append(encoder(some.to(device)).cpu())
            parts.append(_pooled_layers(taps, names, len(some)))
    if predictor.fitted.item == "spot":
        ids = [section.spots.ids[row] for row in rows]
        queries = SpotQueries(
            feature=torch.cat(features).numpy(),
            keys=SpotKeys.of_section(section.id, section.patient, ids),
            encoder=encoder.identity,
            image=HeldTiles(image) if predictor.sees_tiles else None,
        )
    else:
        queries = predictor.queries(section, cache)
    return SectionTiles(image, rows, _joined(parts), queries)


def network_layers(
    predictor: Predictor, network: ExpressionModel, tiles: SectionTiles, layers: Sequence[str]
) -> Layers:
    """Run a network of this predictor on tiles.

    A model of sections or bags reads all spots of the section, and those of the tiles are kept.
    """
    names = [name for name in layers if name.startswith("network.")]
    parts = []
    with evaluation(predictor, network) as device, torch.no_grad():
        for n_rows, inputs in network_batches(predictor, network, tiles, device):
            with tapped(network, names) as taps:
                network(**inputs)
            parts.append(_pooled_layers(taps, names, n_rows))
    read = _joined(parts)
    if predictor.fitted.item == "spot":
        return read
    return {name: rows[tiles.rows] for name, rows in read.items()}


def network_residuals(
    predictor: Predictor, network: ExpressionModel, tiles: SectionTiles
) -> tuple[Layers, Layers]:
    """Sums after the skip connections of a network, and the branches alone, on tiles.

    Both by the layer that the branch ends with; empty without skip connections. Evenly thinned.
    """
    streams, branches = [], []
    with evaluation(predictor, network) as device, torch.no_grad():
        for n_rows, inputs in network_batches(predictor, network, tiles, device):
            with residuals_tapped(network, partial(_rows, n_rows=n_rows)) as residuals:
                network(**inputs)
            # a layer that runs several times for a tile counts by its mean
            kept = thinned(list(residuals))
            means = {f"network.{name}": _mean_sums(residuals[name]) for name in kept}
            branches.append({name: alone for name, (alone, _) in means.items()})
            streams.append({name: whole for name, (_, whole) in means.items()})
    read = _joined(streams), _joined(branches)
    if predictor.fitted.item == "spot":
        return read
    stream, branch = ({name: rows[tiles.rows] for name, rows in of.items()} for of in read)
    return stream, branch


def network_batches(
    predictor: Predictor, network: ExpressionModel, tiles: SectionTiles, device: torch.device
) -> Iterator[tuple[int, Batch]]:
    """Inputs of a network for some tiles at a time, with their number; of all spots together."""
    items = predictor.fitted.items(tiles.queries, device)
    fields = network.inputs(network.config)
    order = np.arange(len(items))
    for some in np.split(order, order[_AT_ONCE::_AT_ONCE]):
        inputs = {name: value.to(device) for name, value in items.inputs(fields, some).items()}
        yield (len(some) if predictor.fitted.item == "spot" else len(tiles.queries)), inputs


def readable_layers(predictor: Predictor, tiles: SectionTiles) -> tuple[str, ...]:
    """Layers with a row for each tile that varies over tiles, without doubles.

    Raises DataContractError where no layer varies.
    """
    device = torch.device(choose_device(predictor.device))
    encoder = predictor.encoder.to(device)
    read: dict[str, Float[np.ndarray, "_ _"]] = {}
    if any(name.endswith("feature") for name in predictor.inputs):
        names = layer_names(encoder)
        with tapped(encoder, names) as taps, torch.no_grad(), whole_convolutions(device):
            encoder(tiles.image.to(device))
            read |= _pooled_layers(taps, names, len(tiles.image), every=False)
    network = network_of(predictor)
    names = layer_names(network)
    with evaluation(predictor, network) as device, torch.no_grad(), tapped(network, names) as taps:
        n_rows, inputs = next(network_batches(predictor, network, tiles, device))
        network(**inputs)
        read |= _pooled_layers(taps, names, n_rows, every=False)
    readable = _without_doubles(read)
    if not readable:
        raise DataContractError(
            Problem(
                where=f"section {tiles.queries.keys.sections[0]}",
                found=f"no layer of {predictor.name} varies over {len(tiles.image)} tiles",
                expected="tiles that differ, such as those of tissue",
                remedy="name another section",
            )
        )
    return readable


def choose_layers(
    predictor: Predictor, readable: Sequence[str], names: Sequence[str]
) -> tuple[str, ...]:
    """The named layers, else the main ones; those of the encoder stand first.

    Raises DataContractError for unknown layers and for those that cannot be read, with near names.
    """
    if not names:
        by_root = [[n for n in readable if n.startswith(root)] for root in ("encoder.", "network.")]
        return tuple(name for of_root in by_root for name in main_layers(of_root))
    every = layer_names(predictor)
    problems = [
        Problem(
            where=f"layer {name}",
            found=f"{predictor.name} has no layer of this name"
            if name not in every
            else "it does not run, gives no row for each tile, or the same as another layer",
            expected=f"one of {len(readable)} layers, from {readable[0]} to {readable[-1]}",
            remedy=did_you_mean(name, readable, "name another layer"),
        )
        for name in names
        if name not in readable
    ]
    if problems:
        raise DataContractError(problems)
    return tuple(sorted(dict.fromkeys(names), key=lambda name: name.startswith("network.")))


def network_of(predictor: Predictor) -> ExpressionModel:
    """The network of a predictor; of an ensemble, the first.

    Raises DataContractError that names the networks for a model that is none.
    """
    model = predictor.model
    if not isinstance(model, Estimator):
        return model
    networks = [name for name in list_models() if issubclass(model_class(name), ExpressionModel)]
    raise DataContractError(
        Problem(
            where=f"predictor {predictor.name}",
            found=f"{model.name} is no network: it has no layers",
            expected=f"a predictor of {', '.join(networks)}",
            remedy="give a predictor of one of these models",
        )
    )


def _pooled_layers(
    taps: Taps, names: Sequence[str], n_rows: int, *, every: bool = True
) -> dict[str, Float[np.ndarray, "_ _"]]:
    """Pooled rows of each layer, mean over places and runs; without `every`, if it has rows."""
    read = {}
    for name in names:
        try:
            runs = [_rows(run, n_rows) for run in taps.activations(name)]
        except ValueError:  # the layer did not run
            runs = []
        fit = [run for run in runs if run is not None]
        if fit and len({run.shape for run in fit}) == 1:
            read[name] = torch.stack(fit).mean(dim=0).double().cpu().numpy()
        elif every:
            raise ValueError(f"layer {name} gave no row for each of {n_rows} tiles")
    return read


def _rows(value: Activation, n_rows: int) -> Float[Tensor, "n C"] | None:
    """One row per tile or spot; None for an activation without such rows."""
    if value.ndim == 3 and len(value) == 1 and value.shape[1] == n_rows:
        return value[0]  # the spots of one section
    if value.ndim not in (2, 3, 4) or len(value) != n_rows:
        return None
    if value.ndim == 4:
        # of a square map two axes are equal: those of the places
        last = value.shape[1] == value.shape[2] != value.shape[3]
        return value.mean(dim=(1, 2) if last else (2, 3))
    return value.mean(dim=1) if value.ndim == 3 else value


def _mean_sums(sums: Sequence[Sum]) -> tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, "_ _"]]:
    branch, whole = (
        torch.stack(parts).mean(dim=0).double().cpu().numpy() for parts in zip(*sums, strict=True)
    )
    return branch, whole


def _joined(parts: Sequence[Layers]) -> Layers:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _without_doubles(read: Layers) -> tuple[str, ...]:
    kept: dict[str, Float[np.ndarray, "_ _"]] = {}
    for name, rows in read.items():
        varies = np.isfinite(rows).all() and np.ptp(rows, axis=0).max(initial=0.0) > 0
        if varies and not any(np.array_equal(rows, other) for other in kept.values()):
            kept[name] = rows
    return tuple(kept)

"""Fit any row of the results on the training spots of one fold."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from histoscribe.data.exemplars.lookup import Lookup, perceptual_of, training_exemplars
from histoscribe.data.items.kinds import training_sides
from histoscribe.data.items.spots import SpotItems, size_factors_of
from histoscribe.data.transform import transform_class
from histoscribe.device import choose_device
from histoscribe.models.base import Estimator, ExpressionModel, Facts
from histoscribe.models.closed_form.standard import mean_and_scale
from histoscribe.models.count_start import CountStart
from histoscribe.predictor.encoding import WeightFiles
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.seed import integer
from histoscribe.threads import fixed_threads
from histoscribe.train.row import ModelRow
from histoscribe.train.settings import RunSettings
from histoscribe.train.spot_losses import SpotLosses
from histoscribe.train.tables import fit_and_val_rows
from histoscribe.train.weight_needs import initial_weights
from histoscribe.types import PATHWAYS, CountFamily, Images, Pathways, SpotTable

_Colour = tuple[float, float, float]
_TILES_MEASURED = 1024  # number of tiles for mean and deviation of colour


def fit(
    row: ModelRow,
    table: SpotTable,
    settings: RunSettings,
    resume: Path,
    *,
    protocol: str = "patient",
    weights: WeightFiles | None = None,
) -> Fitted:
    """Fit a row on a table of training spots.

    Networks train on the first inner split's `fit` rows, stop on its `val` rows and keep the best
    epoch; without inner splits, or with `keep = "last"`, they train on all rows for all epochs.
    `resume` is a folder for the checkpoint of some minutes ago: a killed fit that is started
    again ends in the same bits. The caller removes the folder after saving the result. `protocol`
    is that of the fold; `weights` are files by name, for pretrained backbones and perceptual
    distances.

    Raises
    ------
    DataContractError
        if a training spot has too few permitted exemplars, or weights are missing.
    """
    with fixed_threads(settings.run.threads):
        cls = row.cls
        if issubclass(cls, Estimator):
            return Fitted(cls(row.config).fit(table))
        return _Training(row, table, settings, protocol, weights or {}).fit(cls, resume)


def fit_recorded(
    row: ModelRow,
    table: SpotTable,
    settings: RunSettings,
    resume: Path,
    weights: WeightFiles,
) -> tuple[Fitted, SpotLosses]:
    """Fit a network exactly as `fit`, and record the loss of each training spot after each epoch.

    Raises
    ------
    TypeError
        for a row that is no network, or that has one prediction for many spots.
    ValueError
        for training in several processes.
    """
    cls = row.cls
    if issubclass(cls, Estimator) or cls.item == "bag":
        raise TypeError(f"{row.name} has no loss of each spot after each epoch")
    if settings.run.devices > 1:
        raise ValueError("losses of spots are recorded in one process only")
    losses = SpotLosses(len(table) // table.copies)
    with fixed_threads(settings.run.threads):
        training = _Training(row, table, settings, "patient", weights)
        return training.fit(cls, resume, losses), losses


@dataclass(frozen=True, eq=False)
class _Training:
    """Training of a network: its row, spots, settings and weights."""

    row: ModelRow
    table: SpotTable
    settings: RunSettings
    protocol: str
    weights: WeightFiles

    def fit(
        self, cls: type[ExpressionModel], resume: Path, losses: SpotLosses | None = None
    ) -> Fitted:
        from histoscribe.train.loop import train_network  # lightning takes two seconds

        row, table, settings = self.row, self.table, self.settings
        spots, lookup = _spots(row, table, settings, self.protocol, self.weights)
        sides = training_sides(cls.item, spots, *fit_and_val_rows(table, settings.train.keep))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(integer(settings.seed, f"init-{row.name}"))
            sets = table.gene_sets if PATHWAYS in cls.heads else None
            model = cls(_facts(row, table, settings, sets), row.config)
            initial = initial_weights(row, self.weights)
            if initial is not None:
                model.start_from(initial)
            train_network(model, sides, settings, resume, losses)
        return Fitted(model.eval(), lookup, pathways=sets)


def _spots(
    row: ModelRow, table: SpotTable, settings: RunSettings, protocol: str, weights: WeightFiles
) -> tuple[SpotItems, Lookup | None]:
    """The spots of a table with their exemplars, and what the network looks up later."""
    asked, seed = row.exemplars, settings.seed
    if asked is None:
        return SpotItems(table), None
    rows, _ = fit_and_val_rows(table, settings.train.keep)
    device = torch.device(choose_device(settings.run.device))
    net = perceptual_of(asked, weights)
    if net is not None:
        net.to(device)
    found = training_exemplars(table, rows, asked, seed=seed, perceptual=net, device=device)
    n_fitted = len(rows) // table.copies
    lookup = Lookup.of_table(table, asked, protocol, n_fitted=n_fitted, seed=seed, perceptual=net)
    return SpotItems(table, found), lookup


def _facts(row: ModelRow, table: SpotTable, settings: RunSettings, sets: Pathways | None) -> Facts:
    mean, scale = mean_and_scale(table.feature)
    colour: dict[str, Any] = {}
    if row.sees_tiles:
        if table.image is None:
            raise ValueError(f"model {row.model!r} reads tiles, but this table has none")
        image_mean, image_scale = _colour(table.image, len(table.target))
        colour = {"image_mean": image_mean, "image_scale": image_scale}
        colour["tile_px"] = table.image.side_px
    return Facts(
        feature_mean=mean,
        feature_scale=scale,
        target_mean=table.target.mean(axis=0, dtype=np.float64),
        target_scale=_spread(table.target),
        non_negative=transform_class(settings.target.transform).non_negative,
        counts=settings.train.counts,
        count_start=_count_start(table, settings.train.counts),
        pathways=sets,
        **colour,
    )


def _spread(target: Float[np.ndarray, "N G"]) -> Float[np.ndarray, " G"]:
    with np.errstate(invalid="ignore"):  # training says of values that are no numbers
        return target.std(axis=0, dtype=np.float64)


def _count_start(table: SpotTable, family: CountFamily | None) -> CountStart | None:
    if family is None:
        return None
    if table.counts is None:
        raise ValueError(f"the loss {family!r} reads counts, but this table has none")
    factor = size_factors_of(table, slice(len(table)))
    return CountStart.of_counts(family, table.counts, factor)


def _colour(images: Images, n_rows: int) -> tuple[_Colour, _Colour]:
    """Mean and deviation of each channel over evenly spaced training tiles, 0-255."""
    rows = np.unique(np.linspace(0, n_rows - 1, min(n_rows, _TILES_MEASURED)).astype(np.int64))
    total, squares, n_pixels = np.zeros(3), np.zeros(3), 0
    for row in rows:
        pixels = images.read(np.array([row]))[0].numpy().astype(np.float64)
        total += pixels.sum(axis=(1, 2))
        squares += np.square(pixels).sum(axis=(1, 2))
        n_pixels += pixels[0].size
    mean = total / n_pixels
    scale = np.sqrt(np.maximum(squares / n_pixels - np.square(mean), 0.0))
    return _three(mean), _three(scale)


def _three(values: np.ndarray) -> _Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue

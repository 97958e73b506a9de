"""Rows of networks: bare steps of training, and epochs as `train` runs them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from _gpu_row import (
    SEED,
    GpuRow,
    GpuSizes,
    apart,
    forget_peak,
    peak_gib,
    seconds_of,
)

from histoscribe.data.folds import whole_fold
from histoscribe.data.items.items import Batch
from histoscribe.data.items.kinds import training_sides
from histoscribe.data.items.spots import SpotItems, SpotQueries
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.models.base import model_class
from histoscribe.precision import Precision, mixed, whole_convolutions
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.simulate.cohort import simulate
from histoscribe.train.fit import fit
from histoscribe.train.loss import training_loss
from histoscribe.train.optimiser import make_optimiser
from histoscribe.train.row import ModelRow
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import RunSettings, TrainSettings, parse_settings
from histoscribe.train.tables import row_table
from histoscribe.train.task import Task
from histoscribe.transfer import moved_batch, placed
from histoscribe.types import Labels, SpotTable


def network_rows(sizes: GpuSizes) -> Iterator[GpuRow]:
    """A row for each network and precision."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        cohort = simulate(
            folder / "cohort",
            n_patients=3,
            spots_per_section=sizes.spots_per_section,
            genes_per_family=max(10, sizes.n_genes // 5),
            seed=SEED,
        )
        for network in sizes.networks:
            for way in sizes.ways:
                yield _row(network, way, cohort, sizes)


def _row(name: str, way: Precision, cohort: Path, sizes: GpuSizes) -> GpuRow:
    folder = cohort.parent / f"{name}-{way}"
    settings = _settings(name, way, cohort, sizes)
    table, row = _table(settings, folder / "cache")
    forget_peak(sizes.device)
    fitted, taken = _epochs(row, table, settings, folder / "one", sizes)
    held, model = peak_gib(sizes.device), fitted.model
    again, _ = _epochs(row, table, settings, folder / "again", sizes)
    n_fitted = len(table.inner[0][0]) if table.inner else len(table)
    return GpuRow(
        work=name,
        precision=way,
        million_weights=sum(weight.numel() for weight in model.parameters()) / 1e6,
        bare=_bare(fitted, table, way, sizes),
        used=n_fitted / taken,
        apart=_apart(fitted, table, way, sizes),
        seconds_an_epoch=taken,
        card_gib=held,
        same_again=_same(model, again.model),
    )


def _settings(name: str, way: Precision, cohort: Path, sizes: GpuSizes) -> RunSettings:
    preset = {} if sizes.preset == "default" else {"preset": sizes.preset}
    drawn = {"weights": "random"} if model_class(name).pretrained else {}  # type: ignore[union-attr]
    table = {
        "cohort": str(cohort),
        "models": [name],
        "target": {"n_genes": sizes.n_genes},
        "inputs": {"tile_px": sizes.tile_px, "mpp": 0.5},
        "settings": {name: preset | drawn},
        "train": {"epochs": sizes.epochs, "batch_size": sizes.batch},
        "run": {"device": sizes.device.type, "precision": way},
    }
    return parse_settings(table, "benchmark settings")


def _table(settings: RunSettings, cache: Path) -> tuple[SpotTable, ModelRow]:
    """Training table of all sections."""
    cohort = read_cohort(settings.cohort, settings.sections, settings.filters, settings.where)
    data = RunData(settings, cohort, {}, cache)
    fold, row = whole_fold(cohort, settings.seed), settings.rows[0]
    return row_table(data, fold, data.target(fold.train), row), row


def _epochs(
    row: ModelRow, table: SpotTable, settings: RunSettings, folder: Path, sizes: GpuSizes
) -> tuple[Fitted, float]:
    """Fit a row; gives the median time of an epoch after the first, too."""
    with _epoch_starts(sizes.clock) as starts:
        fitted = fit(row, table, settings, folder)
        starts.append(sizes.clock())
    return fitted, float(median(np.diff(starts)[1:]))


@contextmanager
def _epoch_starts(clock: Callable[[], float]) -> Iterator[list[float]]:
    """Note when each epoch of training began."""
    begin, starts = Task.on_train_epoch_start, []

    def noted(task: Task) -> None:
        starts.append(clock())
        begin(task)

    Task.on_train_epoch_start = noted  # type: ignore[method-assign]
    try:
        yield starts
    finally:
        Task.on_train_epoch_start = begin  # type: ignore[method-assign]


def _bare(fitted: Fitted, table: SpotTable, way: Precision, sizes: GpuSizes) -> float:
    """Spots a second of steps of training on one batch that lies on the device."""
    model: Any = deepcopy(fitted.model)
    placed(model, sizes.device).train()
    inputs, labels, n_spots = _batch(fitted, table, sizes)
    inputs, labels = moved_batch(inputs, sizes.device), labels.to(sizes.device)
    settings = TrainSettings()
    optimiser = make_optimiser(model, settings)

    def step() -> None:
        optimiser.zero_grad()
        with mixed(sizes.device, way):
            output = model(**inputs)
        training_loss(model, settings, output.float(), labels).backward()
        optimiser.step()

    return n_spots / seconds_of(step, sizes)


def _apart(fitted: Fitted, table: SpotTable, way: Precision, sizes: GpuSizes) -> float:
    model: Any = fitted.model
    inputs, _, _ = _batch(fitted, table, replace(sizes, batch=4))
    with torch.inference_mode():
        on_cpu = model.cpu().eval().represent(**inputs)
        with whole_convolutions(sizes.device), mixed(sizes.device, way):
            there = placed(deepcopy(model), sizes.device)
            return apart(there.represent(**moved_batch(inputs, sizes.device)), on_cpu)


def _batch(fitted: Fitted, table: SpotTable, sizes: GpuSizes) -> tuple[Batch, Labels, int]:
    """Inputs and labels of the first spots, or of the first section; and their number of spots."""
    model: Any = fitted.model
    names = model.inputs(model.config)
    if fitted.item == "spot":
        queries = SpotQueries(table.feature, table.keys, table.encoder, table.image)
        rows = np.arange(min(sizes.batch, len(table)))
        inputs = fitted.items(queries).inputs(names, rows)
        return inputs, Labels(torch.from_numpy(table.target[rows])), len(rows)
    every = training_sides(fitted.item, SpotItems(table), np.arange(len(table)), None).items
    first = np.arange(1)
    return every.inputs(names, first), every.labels(first), int(every.n_spots(first)[0])


def _same(one: torch.nn.Module, again: torch.nn.Module) -> str:
    """Whether all weights are the same to the last bit; else their largest difference."""
    pairs = list(zip(one.state_dict().values(), again.state_dict().values(), strict=True))
    if all(torch.equal(a.cpu(), b.cpu()) for a, b in pairs):
        return "yes"
    largest = max(float((a.double() - b.double()).abs().max()) for a, b in pairs)
    return f"no, to {largest:.1g}"

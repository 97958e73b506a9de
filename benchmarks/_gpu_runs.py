"""Whole runs of `gpu.py`: exemplar search, prediction of slides, training of networks."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from warnings import catch_warnings, simplefilter

import exemplars as exemplars_script
import numpy as np
import torch
from _machine import seconds
from _predicting import predicted, simulated_slide
from egn import _synchronise
from torch import Tensor

from histoscribe.data.exemplars.pool import Retrieved
from histoscribe.data.exemplars.search import ExemplarSearch
from histoscribe.data.folds import whole_fold
from histoscribe.data.items.spots import SpotQueries
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.io.predictions.prediction_store import CHUNK_ROWS
from histoscribe.predict.blocks import predicted_blocks
from histoscribe.predict.plan import SlideRequest, make_plan, open_request
from histoscribe.predictor.saving import load_predictor
from histoscribe.simulate.cohort import simulate
from histoscribe.train.fit import fit
from histoscribe.train.row import ModelRow
from histoscribe.train.run import train
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import RunSettings, parse_settings, read_settings
from histoscribe.train.tables import row_table
from histoscribe.train.task import Task
from histoscribe.types import SpotTable

SEED = 0
RECIPES = Path(__file__).parent.parent / "recipes"
PUBLISHED = {
    "her2st-egn-native-published": ("egn", "stnet"),
    "her2st-tcgn-published": ("tcgn",),
}
"""Published recipes, and the networks of each that are trained."""
DRAWN = ("stnet", "tcgn")
"""Networks that start from random weights here, not from a file."""
Row = dict[str, float | int | str]


@dataclass(frozen=True, kw_only=True)
class GpuSizes:
    """Device and sizes of the measurements."""

    device: torch.device
    encoders: tuple[str, ...]
    networks: tuple[str, ...]
    """Networks that are measured and trained."""
    slide: Path | None = None
    small: bool = False
    preset: str = "default"
    tile_px: int = 224
    batch: int = 32
    n_genes: int = 1000
    width: int = 1024
    """Width of the features of networks."""
    n_steps: int = 8
    n_pool: int = 30_000
    pool_width: int = 512
    side_px: int = 12_000
    spacing_um: float = 50.0
    epochs: int = 4
    spots: tuple[int, ...] = (500, 2000, 5000, 10_000, 20_000)
    """Sizes of sections."""


def exemplars(sizes: GpuSizes) -> Iterator[Row]:
    """Exact search on the device, compared with its bare product and with the rows of the CPU."""
    pool = exemplars_script._pool(sizes.n_pool, sizes.pool_width, 12)
    queries = SpotQueries(pool.feature, pool.keys, pool.encoder)
    feature = torch.from_numpy(pool.feature).to(sizes.device)

    def bare() -> None:
        for some in feature.split(exemplars_script.BLOCK):
            torch.mm(some, feature.T)
        _synchronise(sizes.device)

    def found(device: torch.device) -> Retrieved:
        search = ExemplarSearch(pool, device=device)
        return search.nearest(queries, exemplars_script.N_EXEMPLARS, "patient")

    ours = found(sizes.device)
    fast, slow = seconds(bare, lambda: found(sizes.device), repeats=3)
    began = perf_counter()
    on_cpu = found(torch.device("cpu"))
    yield {
        "spots": len(pool),
        "width": sizes.pool_width,
        "queries/s": len(pool) / slow,
        "queries/s, CPU": len(pool) / (perf_counter() - began),
        "times the bare product": slow / fast,
        "queries with other rows than on the CPU": int((ours.rows != on_cpu.rows).any(1).sum()),
        "largest difference of distances": float(np.abs(ours.distance - on_cpu.distance).max()),
    }


def slides(sizes: GpuSizes) -> Iterator[Row]:
    """Prediction of a slide: speed and memory, a repetition, and the values of the CPU."""
    rows = ["ridge on torchvision:squeezenet1_0", "egn on torchvision:resnet50",
            "stnet on colour_texture", "ridge on torchvision:resnet50"]  # fmt: skip
    with TemporaryDirectory() as name:
        folder = Path(name)
        cohort = simulate(
            folder / "cohort", n_patients=2, spots_per_section=40, genes_per_family=50, seed=SEED
        )
        little = simulated_slide(folder, 3000)
        if sizes.small:
            yield _slide(rows[0], cohort, little, little, sizes)
            return
        slide = sizes.slide or simulated_slide(folder, sizes.side_px)
        for row in rows:
            yield _slide(row, cohort, slide, little, sizes)


def training(sizes: GpuSizes) -> Iterator[Row]:
    """Epochs of published recipes, twice from the same seed."""
    for recipe, names in PUBLISHED.items():
        if models := [name for name in names if name in sizes.networks]:
            yield from _trained(recipe, models, sizes)


def _trained(recipe: str, models: Sequence[str], sizes: GpuSizes) -> Iterator[Row]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        settings = _settings(recipe, models, sizes, folder)
        cohort = read_cohort(settings.cohort, settings.sections, settings.filters, settings.where)
        data = RunData(settings, cohort, {}, folder / "cache")
        fold = whole_fold(cohort, settings.seed)
        target = data.target(fold.train)
        for row in settings.rows:
            table = row_table(data, fold, target, row)
            one, model = _epochs(row, table, settings, folder / "one" / row.name)
            _, again = _epochs(row, table, settings, folder / "again" / row.name)
            alike = {"same weights again": same_bits(model, again)}
            facts = {"recipe": recipe, "network": row.name, "spots": len(table.target)}
            yield {**facts, **one, **alike}


def same_bits(one: torch.nn.Module, again: torch.nn.Module) -> str:
    """Whether all weights are the same to the last bit; else their largest difference."""
    pairs = list(zip(one.state_dict().values(), again.state_dict().values(), strict=True))
    if all(torch.equal(a, b) for a, b in pairs):
        return "yes"
    return f"no, to {max(float((a.double() - b.double()).abs().max()) for a, b in pairs):.1g}"


@contextmanager
def warned_ops() -> Iterator[set[str]]:
    """Collect torch's warnings about operations without a deterministic form."""
    names: set[str] = set()
    with catch_warnings(record=True) as caught:
        simplefilter("always")
        yield names
    marks = (" does not have a deterministic", " defaults to a non-deterministic")
    for text in (str(warning.message) for warning in caught):
        names |= {text.partition(mark)[0] for mark in marks if mark in text}


def _slide(row: str, cohort: Path, slide: Path, little: Path, sizes: GpuSizes) -> Row:
    model, _, encoder = row.partition(" on ")
    out = cohort.parent / row.replace(" ", "-").replace(":", "-")
    predictor = _predictor(model, encoder, cohort, out / "predictor", sizes)
    done = predicted(predictor, slide, out / "one", sizes.spacing_um)
    ours = predicted_values(predictor, little, out / "little", sizes.device.type)
    on_cpu = predicted_values(predictor, little, out / "cpu", "cpu")
    other = read_prediction(out / "one" / f"{_name(slide)}.h5ad").values
    whole_seconds, whole, rest = _blocks(predictor, slide, sizes.spacing_um)
    return {
        "predictor": row,
        "tiles": done.n_places,
        "seconds": done.seconds,
        "tiles/s": done.per_second,
        "tiles/s without what is done once": done.n_places / whole_seconds,
        "peak host MB": done.peak_mb,
        "apart from the CPU": float(np.abs(ours - on_cpu).max() / on_cpu.std()),
        "resumed, largest difference": float(np.abs(whole[-len(rest) :] - rest).max()),
        "other process, largest difference": float(np.abs(whole - other[: len(whole)]).max()),
    }


def predicted_values(predictor: Path, slide: Path, out: Path, device: str) -> np.ndarray:
    """Values of a slide; for the CPU, the GPU is hidden from the process."""
    before = environ.get("CUDA_VISIBLE_DEVICES")
    if device == "cpu":
        environ["CUDA_VISIBLE_DEVICES"] = ""
    try:
        predicted(predictor, slide, out, 100.0)
    finally:
        if device == "cpu":
            environ.pop("CUDA_VISIBLE_DEVICES")
            environ.update({} if before is None else {"CUDA_VISIBLE_DEVICES": before})
    return read_prediction(out / f"{_name(slide)}.h5ad").values


def _name(slide: Path) -> str:
    return SlideRequest(path=slide, spacing_um=100.0, mpp=None, mask=None).name


def _blocks(
    predictor: Path, slide: Path, spacing_um: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Seconds and values of all blocks, and values of a run that begins at the second block."""
    loaded = load_predictor(predictor)
    request = SlideRequest(path=slide, spacing_um=spacing_um, mpp=None, mask=None)
    tiles = loaded.encoding.tiles
    plan = make_plan(request, open_request(request, tiles), tiles)
    starts = range(0, len(plan.grid), CHUNK_ROWS)
    chunks = [slice(at, min(at + CHUNK_ROWS, len(plan.grid))) for at in starts]
    began = perf_counter()
    blocks = predicted_blocks(loaded, plan, chunks, keep_unlike=True)
    whole = np.concatenate([block.values for block in blocks])
    spent = perf_counter() - began
    rest = chunks[1:3] or chunks
    blocks = predicted_blocks(loaded, plan, rest, keep_unlike=True)
    some = np.concatenate([block.values for block in blocks])
    return spent, whole[: rest[-1].stop], some


def _predictor(model: str, encoder: str, cohort: Path, out: Path, sizes: GpuSizes) -> Path:
    """Train for one epoch, if it is a network; all weights are drawn at random."""
    own: dict[str, Any] = {"weights": "random"} if model == "stnet" else {}
    table = {
        "cohort": str(cohort),
        "models": [model],
        "target": {"n_genes": 250},
        "inputs": {
            "tile_px": 224,
            "mpp": 0.5,
            "encoder": encoder,
            "weights": "random" if ":" in encoder else "file",
        },
        "settings": {model: own} if own else {},
        "train": {"epochs": 1, "keep": "last", "batch_size": 32},
        "run": {"device": sizes.device.type},
    }
    train(parse_settings(table, "benchmark settings"), out, cache=out.parent / "cache", weights={})
    return out


def _settings(recipe: str, models: Sequence[str], sizes: GpuSizes, folder: Path) -> RunSettings:
    """A recipe for her2st, exemplars by a smaller encoder; without her2st, a simulated cohort."""
    drawn = [name for name in models if name in DRAWN]
    device = sizes.device.type
    if environ.get("HISTOSCRIBE_DATA") and not sizes.small:
        encoder = "torchvision:squeezenet1_0" if "egn" in models else "colour_texture"
        changed = (
            "cohort=catalog:her2st",
            'sections=["B4", "C2", "C3", "C4", "C5", "C6"]',
            f"models={json.dumps(models)}",
            *(f'settings.{name}.weights="random"' for name in drawn),
            f"inputs.encoder={encoder}",
            f"train.epochs={sizes.epochs}",
            f"run.device={device}",
        )
        return read_settings(RECIPES / f"{recipe}.toml", changed)
    cohort = simulate(
        folder / "cohort", n_patients=3, spots_per_section=40, genes_per_family=10, seed=SEED
    )
    preset = {} if sizes.preset == "default" else {"preset": sizes.preset}
    own = {name: {"weights": "random"} if name in drawn else {} for name in models}
    table = {
        "cohort": str(cohort),
        "models": list(models),
        "target": {"n_genes": min(sizes.n_genes, 50)},
        "inputs": {"tile_px": sizes.tile_px, "mpp": 0.5},
        "settings": {name: preset | given for name, given in own.items()},
        "train": {"epochs": sizes.epochs, "keep": "last", "batch_size": sizes.batch},
        "run": {"device": device},
    }
    return parse_settings(table, "benchmark settings")


def _epochs(
    row: ModelRow, table: SpotTable, settings: RunSettings, folder: Path
) -> tuple[Row, torch.nn.Module]:
    """Fit a row; gives its losses, the median time of an epoch after the first, and the network."""
    on_card = settings.run.device == "cuda"
    if on_card:
        torch.cuda.reset_peak_memory_stats()
    with _watched() as steps, warned_ops() as warned:
        fitted = fit(row, table, settings, folder)
    n = len(steps) // settings.train.epochs
    began = [time for time, _ in steps[::n]]
    losses = [float(torch.stack([loss for _, loss in steps[at : at + n]]).mean())
              for at in range(0, len(steps), n)]  # fmt: skip
    taken = median(np.diff(began))
    model: Any = fitted.model
    return {
        "precision": settings.run.precision,
        "steps an epoch": n,
        "s an epoch": float(taken),
        "spots/s": len(table.target) / float(taken),
        "GiB": torch.cuda.max_memory_allocated() / 2**30 if on_card else 0.0,
        "loss, first epoch": losses[0],
        "loss, last epoch": losses[-1],
        "warned of": ", ".join(sorted(warned)) or "-",
    }, model


@contextmanager
def _watched() -> Iterator[list[tuple[float, Tensor]]]:
    """Note when each step of training began, and its loss."""
    step, begun = Task.training_step, []

    def watched(task: Task, batch: Any, batch_idx: int) -> Tensor:
        began = perf_counter()
        loss = step(task, batch, batch_idx)
        begun.append((began, loss.detach()))
        return loss

    Task.training_step = watched  # type: ignore[assignment, method-assign]
    try:
        yield begun
    finally:
        Task.training_step = step  # type: ignore[method-assign]

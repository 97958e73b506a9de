"""What a GPU does with each part: networks, encoders, exemplars, whole slides, training.

`python benchmarks/gpu.py [--parts NAME...] [--device cuda|cpu] [--slide FILE] [--out FILE]`: prints
a table a part, and writes all figures with card, versions and seed to `--out`. `--small` is
whether it runs, in a minute, on a CPU too.

- networks: every network of spots in the registry at its published size, random weights and
  pixels: steps of training as a run takes them (torch's deterministic mode), twice from the same
  seed, then prediction. `apart` is the largest difference to the CPU in float32, over the largest
  value.
- encoders: tiles from memory to features in memory; weights are random where no file is found.
- exemplars: the nine nearest of 30,000 spots to each of them, its own patient left out.
- sections: steps of training of the SpatialTranscriptFormer against the number of spots, with and
  without spots that read spots. Runs disable one kind of attention, see `train/loop.py`.
- slides: `predict` on a simulated slide, in its own process, and on a small one on the CPU too.
- training: published recipes on her2st (else a simulated cohort) for a few epochs, twice.

In training, convolutions in `float32` may use TF32, as is torch's default; in `whole float32` they
may not, and neither may encoders nor networks that predict in a run.
"""

import argparse
import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import lru_cache, partial
from itertools import product
from os import environ
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import exemplars as exemplars_script
import numpy as np
import torch
from _gpu_runs import SEED, GpuSizes, Row, exemplars, same_bits, slides, training, warned_ops
from _machine import machine, report, seconds
from _section_steps import ALL, NO_H2H, training_step
from egn import _autocast, _waited
from torch import Tensor

from histoscribe.encoders.catalog import hub_files
from histoscribe.encoders.encoder import load_encoder
from histoscribe.io.weights import find_weights
from histoscribe.models.base import ExpressionModel, Facts, create_model, model_class
from histoscribe.models.catalog import list_models
from histoscribe.train.optimiser import make_optimiser
from histoscribe.train.settings import TrainSettings
from histoscribe.types import Labels

WAYS = ("float32", "whole float32", "bfloat16")
ENCODERS = (
    "torchvision:squeezenet1_0",
    "torchvision:resnet50",
    "torchvision:densenet121",
    "lunit-dino-s16",
    "uni",
    "h-optimus-0",
)
SMALL: dict[str, Any] = {
    "small": True, "preset": "tiny", "tile_px": 64, "batch": 4, "n_genes": 20, "width": 32,
    "n_steps": 1, "n_pool": 3000, "pool_width": 32, "side_px": 3000, "spacing_um": 200.0,
    "epochs": 2, "spots": (100, 300),
}  # fmt: skip


def networks(sizes: GpuSizes) -> Iterator[Row]:
    """Training and prediction of every network of spots in the registry."""
    return (_network(name, way, sizes) for name in sizes.networks for way in WAYS)


def encoders(sizes: GpuSizes) -> Iterator[Row]:
    """Tiles a second of encoders, as the cache of features is filled."""
    return (row for name in sizes.encoders for row in _encoder(name, sizes))


def sections(sizes: GpuSizes) -> Iterator[Row]:
    """Steps of training on one section."""
    cases = product(sizes.spots, (NO_H2H, ALL), ("float32", "bfloat16"))
    return (_section(n_spots, flows, way, sizes) for n_spots, flows, way in cases)


PARTS: dict[str, Callable[[GpuSizes], Iterator[Row]]] = {
    part.__name__: part for part in (networks, encoders, exemplars, sections, slides, training)
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=tuple(PARTS))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--encoders", nargs="+", help="in place of six of growing size")
    parser.add_argument("--networks", nargs="+", help="in place of all, and of all that train")
    parser.add_argument("--slide", type=Path, help="in place of a new one")
    parser.add_argument("--small", action="store_true", help="whether it runs, and no more")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args(arguments)
    environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as lightning sets it
    names = given.encoders or (ENCODERS[:1] if given.small else ENCODERS)
    sizes = GpuSizes(
        device=torch.device(given.device),
        encoders=tuple(names),
        networks=tuple(given.networks or _networks_of_spots()),
        slide=given.slide,
        **(SMALL if given.small else {}),
    )
    card = torch.cuda.get_device_name() if given.device == "cuda" else "cpu"
    about = {"device": card, "torch": torch.__version__, "seed": SEED, "machine": machine()}
    found: dict[str, list[Row]] = {}
    for part in given.parts:
        began, found[part] = perf_counter(), []
        for row in PARTS[part](sizes):
            found[part].append(row)
            _print(row, head=len(found[part]) == 1)
            if given.out is not None:
                given.out.write_text(json.dumps({**about, "parts": found}, indent=1) + "\n")
        print(f"\n{part} took {perf_counter() - began:.0f} s", flush=True)
    ratio = _bfloat16_ratio(found.get("encoders", found.get("networks", [])))
    report("gpu", device=card, torch=torch.__version__, bfloat16_to_float32_ratio=ratio)


def _networks_of_spots() -> list[str]:
    classes = {name: model_class(name) for name in list_models()}
    return [
        name
        for name, cls in classes.items()
        if issubclass(cls, ExpressionModel) and cls.item == "spot"
    ]


def _network(name: str, way: str, sizes: GpuSizes) -> Row:
    one, again = (_Trained(name, way, sizes) for _ in range(2))
    given, on_cpu = one.inputs, _created(name, sizes).eval()
    few = {field: value[:4] for field, value in given.items()}
    with torch.inference_mode():
        wanted = on_cpu.represent(**{field: value.cpu() for field, value in few.items()})
        with _way(way, sizes.device):
            fresh = deepcopy(on_cpu).to(sizes.device)
            apart = _apart(fresh.represent(**few).float().cpu(), wanted)
            (taken,) = seconds(_waited(lambda: fresh(**given), sizes.device), repeats=5)
    return {
        "network": name,
        "way": way,
        "million weights": sum(weight.numel() for weight in on_cpu.parameters()) / 1e6,
        "ms a step": 1000 * one.seconds,
        "training spots/s": sizes.batch / one.seconds,
        "GiB": one.gibibytes,
        "predicted spots/s": sizes.batch / taken,
        "apart": apart,
        "same bits again": same_bits(one.model, again.model),
        "warned of": ", ".join(sorted(one.warned)) or "-",
    }


def _section(n_spots: int, flows: tuple[str, ...], way: str, sizes: GpuSizes) -> Row:
    row: Row = {"spots": n_spots, "h2h": "yes" if "h2h" in flows else "no", "way": way}
    _forget_peak(sizes.device)
    try:
        step = training_step(
            n_spots,
            flows,
            checkpoint=False,
            device=sizes.device.type,
            bfloat16=way == "bfloat16",
        )
        with _deterministic():
            torch.backends.cuda.enable_mem_efficient_sdp(enabled=False)  # as `train` has it
            times = [
                seconds(_waited(step, sizes.device), repeats=1)[0] for _ in range(2 + sizes.n_steps)
            ]
    except torch.cuda.OutOfMemoryError:
        return row | {"ms a step": "out of memory", "GiB": "-"}
    return row | {"ms a step": 1000 * median(times[2:]), "GiB": _gibibytes(sizes.device)}


class _Trained:
    """A network after some steps on one batch."""

    def __init__(self, name: str, way: str, sizes: GpuSizes) -> None:
        self.model = deepcopy(_created(name, sizes)).to(sizes.device).train()
        names = self.model.inputs(self.model.config)
        draws = torch.Generator().manual_seed(SEED)
        every = _inputs(sizes, draws)
        self.inputs = {field: every[field].to(sizes.device) for field in names}
        target = torch.rand(sizes.batch, sizes.n_genes, generator=draws)
        labels = Labels(target).to(sizes.device)
        optimiser = make_optimiser(self.model, TrainSettings())

        def step() -> None:
            optimiser.zero_grad()
            with _autocast(sizes.device, way):
                loss = self.model.loss(self.model(**self.inputs).float(), labels)
            loss.backward()
            optimiser.step()

        _forget_peak(sizes.device)
        torch.manual_seed(SEED)  # for dropout
        with _deterministic(), _tf32(way), warned_ops() as self.warned:
            times = [
                seconds(_waited(step, sizes.device), repeats=1)[0] for _ in range(2 + sizes.n_steps)
            ]
        self.seconds = median(times[2:])
        self.gibibytes = _gibibytes(sizes.device)
        if not all(weight.isfinite().all() for weight in self.model.parameters()):
            raise RuntimeError(f"{name} in {way}: weights that are no numbers")


@lru_cache(maxsize=1)
def _created(name: str, sizes: GpuSizes) -> Any:
    """Make a network on the CPU; whoever trains or moves it takes a copy."""
    torch.manual_seed(SEED)
    pretrained = {"weights": "random"} if model_class(name).pretrained else {}  # type: ignore[union-attr]
    facts = Facts(
        feature_mean=np.zeros(sizes.width),
        feature_scale=np.ones(sizes.width),
        target_mean=np.full(sizes.n_genes, 0.5),
        tile_px=sizes.tile_px,
        image_mean=3 * (128.0,),
        image_scale=3 * (74.0,),
    )
    return create_model(name, facts=facts, preset=sizes.preset, **pretrained)


def _inputs(sizes: GpuSizes, draws: torch.Generator) -> dict[str, Tensor]:
    n, n_exemplars = sizes.batch, exemplars_script.N_EXEMPLARS
    return {
        "image": _tiles(n, sizes.tile_px, draws),
        "feature": torch.randn(n, sizes.width, generator=draws),
        "exemplar_feature": torch.randn(n, n_exemplars, sizes.width, generator=draws),
        "exemplar_target": torch.rand(n, n_exemplars, sizes.n_genes, generator=draws),
    }


def _tiles(n: int, side_px: int, draws: torch.Generator) -> Tensor:
    return torch.randint(0, 256, (n, 3, side_px, side_px), dtype=torch.uint8, generator=draws)


def _features(encoder: torch.nn.Module, tiles: Tensor, device: torch.device) -> Tensor:
    """Features in the processor's memory, which waits for the card."""
    return encoder(tiles.to(device)).float().cpu()


def _encoder(name: str, sizes: GpuSizes) -> Iterator[Row]:
    file = find_weights(name, hub=hub_files(name))
    encoder = load_encoder(name, weights=file, random_seed=SEED if file is None else None)
    tiles = _tiles(sizes.batch, sizes.tile_px, torch.Generator().manual_seed(SEED))
    with torch.inference_mode():
        wanted = encoder(tiles[:4])
        encoder.to(sizes.device)
        for way in ("float32", "bfloat16"):  # an encoder's float32 is whole
            _forget_peak(sizes.device)
            with _way(way, sizes.device):
                found = encoder(tiles[:4].to(sizes.device)).cpu()
                for _ in range(3):
                    encoder(tiles.to(sizes.device))
                features = partial(_features, encoder, tiles, sizes.device)
                (taken,) = seconds(features, repeats=2 + sizes.n_steps)
            yield {
                "encoder": name,
                "weights": "random" if file is None else "file",
                "million weights": sum(weight.numel() for weight in encoder.parameters()) / 1e6,
                "way": way,
                "tiles/s": sizes.batch / taken,
                "GiB": _gibibytes(sizes.device),
                "apart": _apart(found, wanted),
                "least cosine": float(torch.cosine_similarity(found, wanted).min()),
            }


def _apart(found: Tensor, wanted: Tensor) -> float:
    """Largest difference over the largest value; a value that is no number is an error."""
    if not found.isfinite().all():
        raise RuntimeError("values that are no numbers")
    return float((found - wanted).abs().max() / wanted.abs().max())


@contextmanager
def _way(way: str, device: torch.device) -> Iterator[None]:
    with _tf32(way), _autocast(device, way):
        yield


@contextmanager
def _tf32(way: str) -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = way != "whole float32"
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


@contextmanager
def _deterministic() -> Iterator[None]:
    """As `train` has torch on a GPU."""
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=False)


def _forget_peak(device: torch.device) -> None:
    gc.collect()  # what was measured before may still lie there
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _gibibytes(device: torch.device) -> float:
    """Most memory that tensors held on the card; 0 on a CPU."""
    return torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else 0.0


def _print(row: Row, *, head: bool) -> None:
    if head:
        print("\n| " + " | ".join(row) + " |\n|" + len(row) * "---|")
    shown = (f"{v:,.4g}" if isinstance(v, float) else str(v) for v in row.values())
    print("| " + " | ".join(shown) + " |", flush=True)


def _bfloat16_ratio(rows: list[Row]) -> float:
    """Median speed under bfloat16 to that of the same in float32."""
    speed = "tiles/s" if rows and "tiles/s" in rows[0] else "training spots/s"
    fast, plain = (
        [float(row[speed]) for row in rows if row["way"] == way] for way in ("bfloat16", "float32")
    )
    return median(a / b for a, b in zip(fast, plain, strict=True)) if fast else float("nan")


if __name__ == "__main__":
    main()

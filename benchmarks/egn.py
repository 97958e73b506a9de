"""Cost of exemplars in the Exemplar Guided Network, and waiting for data in training.

`python benchmarks/egn.py [--device cpu|cuda] [--batch N] [--repeats N] [--steps N]
[--preset NAME]`: the forward pass of both forms at full size (256 px, 9 exemplars, features of
2048, 250 genes) beside timm's bare transformer of the same width, depth, heads and tokens, in one
run, in float32 and under bfloat16 autocast; at most 1.15 times the bare one is asked. Operations
of one spot are counted, too. Then
`--steps` training steps of `egn` (of `--preset`) on tiles from a file, as a run reads them: the
share of a step in which the network does not wait for its batch; at least 0.9 is asked.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch
from _machine import report, seconds
from torch.utils.flop_counter import FlopCounterMode

from histoscribe import torchvision_guard  # noqa: F401 - before timm
from histoscribe.data.images import StackedTiles
from histoscribe.data.items.spots import Exemplars, SpotItems
from histoscribe.models.base import ExpressionModel, Facts, create_model, inputs_of, model_class
from histoscribe.train.batches import Batches, TrainingBatch
from histoscribe.train.optimiser import make_optimiser
from histoscribe.train.settings import TrainSettings
from histoscribe.types import SpotKeys, SpotTable

from timm.models.vision_transformer import VisionTransformer  # isort: skip

FORMS = ("egn", "egn-released")
TILE_PX, PATCH_PX, WIDTH, GENES, NEIGHBOURS = 256, 32, 2048, 250, 9


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="of training")
    parser.add_argument("--preset", choices=["default", "small"], default="default")
    given = parser.parse_args(arguments)
    device = torch.device(given.device)
    torch.manual_seed(0)
    ratios = operation_ratios() | forward_ratios(device, given.batch, given.repeats)
    busy = training_share(device, given.batch, given.steps, given.preset)
    print(f"busy in {busy:.1%} of a training step")
    name = torch.cuda.get_device_name() if given.device == "cuda" else "cpu"
    report("egn", device=name, batch=given.batch, preset=given.preset, **ratios, busy_share=busy)


def operation_ratios() -> dict[str, float]:
    """Operations of each form for one spot over those of the bare transformer; printed."""
    given = _spots(1, torch.device("cpu"))
    bare, pixels = _bare().eval(), given["image"].float()
    n_bare = _operations(lambda: bare(pixels))
    forms = {name: create_model(name, facts=_facts()).eval() for name in FORMS}
    ratios = {name: _operations(_forward(form, given)) / n_bare for name, form in forms.items()}
    shown = ", ".join(f"{name} {ratio:.3f}" for name, ratio in ratios.items())
    print(f"operations of a spot, times those of the bare transformer: {shown}\n")
    return {f"{name}_to_bare_operations_ratio": ratio for name, ratio in ratios.items()}


def _operations(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return counter.get_total_flops()


def forward_ratios(device: torch.device, batch: int, repeats: int) -> dict[str, float]:
    """Time of each form over that of the bare transformer, by precision."""
    given = _spots(batch, device)
    bare = _bare().to(device).eval()
    pixels = given["image"].float()
    forms = [create_model(name, facts=_facts()).to(device).eval() for name in FORMS]
    works = [lambda: bare(pixels), *(_forward(form, given) for form in forms)]
    print("| precision | bare | egn | egn-released | ms an image |\n|---|---|---|---|---|")
    ratios = {}
    for precision in ("float32", "bfloat16"):
        with torch.inference_mode(), _autocast(device, precision):
            for work in works:
                work()  # the first call allocates
            times = seconds(*(_waited(work, device) for work in works), repeats=repeats)
        shown = " | ".join(f"{1000 * taken / batch:.1f}" for taken in times)
        print(f"| {precision} | {shown} |", flush=True)
        for name, taken in zip(FORMS, times[1:], strict=True):
            ratios[f"{name}_to_bare_{precision}_ratio"] = taken / times[0]
    return ratios


def training_share(device: torch.device, batch: int, steps: int, preset: str) -> float:
    """Share of a training step that is not spent waiting."""
    with TemporaryDirectory() as folder:
        facts = _facts()
        model = create_model("egn", facts=facts, preset=preset).to(device).train()
        optimiser = make_optimiser(model, TrainSettings())

        def work(given: TrainingBatch) -> None:
            inputs, labels = given
            seen = {name: value.to(device) for name, value in inputs.items()}
            optimiser.zero_grad()
            model.loss(model(**seen), labels.to(device)).backward()
            optimiser.step()
            _synchronise(device)

        read = _batches(Path(folder), batch, batch * (steps + 1))
        return busy_share((step.batches[0] for step in read), work)


def busy_share(batches: Iterable[TrainingBatch], work: Callable[[TrainingBatch], None]) -> float:
    """Working time over total time, from the second batch on: the first is not read ahead."""
    spent = list(_spent(batches, work))[1:]
    waited, worked = (sum(times) for times in zip(*spent, strict=True))
    return worked / (waited + worked)


def _spent(
    batches: Iterable[TrainingBatch], work: Callable[[TrainingBatch], None]
) -> Iterator[tuple[float, float]]:
    """Seconds of waiting for each batch, and of work on it."""
    asked = perf_counter()
    for batch in batches:
        got = perf_counter()
        work(batch)
        done = perf_counter()
        yield got - asked, done - got
        asked = perf_counter()


def _batches(folder: Path, batch: int, n_spots: int) -> Batches:
    """Batches of tiles in a file, as training reads them."""
    rng = np.random.default_rng(0)
    shape = (n_spots, TILE_PX, TILE_PX, 3)
    np.save(folder / "tiles.npy", rng.integers(0, 256, shape, dtype=np.uint8))
    tiles = np.load(folder / "tiles.npy", mmap_mode="r")
    feature = rng.normal(size=(n_spots, WIDTH)).astype(np.float32)
    target = rng.random((n_spots, GENES), dtype=np.float32)
    rows = rng.integers(n_spots, size=(n_spots, NEIGHBOURS))
    table = SpotTable(
        feature=feature,
        target=target,
        log_total=np.zeros(n_spots),
        keys=SpotKeys.of_section("S", "P", [str(row) for row in range(n_spots)]),
        inner=(),
        encoder="drawn",
        image=StackedTiles([(tiles, np.arange(n_spots))]),
    )
    return Batches(
        items=SpotItems(table, Exemplars(feature, target, rows)),
        names=inputs_of(model_class("egn")),
        rows=np.arange(n_spots),
        batch_size=batch,
        batch_spots=batch,
        seed=0,
        turns=None,
        epoch=lambda: 0,
    )


def _bare() -> torch.nn.Module:
    return VisionTransformer(
        img_size=TILE_PX,
        patch_size=PATCH_PX,
        embed_dim=1024,
        depth=8,
        num_heads=16,
        mlp_ratio=4,
        qkv_bias=False,
        num_classes=GENES,
        class_token=False,
        global_pool="avg",
    )


def _facts() -> Facts:
    return Facts(
        feature_mean=np.zeros(WIDTH),
        feature_scale=np.ones(WIDTH),
        target_mean=np.full(GENES, 0.5),
        tile_px=TILE_PX,
        image_mean=(190.0, 140.0, 180.0),
        image_scale=(50.0, 50.0, 50.0),
    )


def _spots(batch: int, device: torch.device) -> dict[str, torch.Tensor]:
    tiles = torch.randint(0, 256, (batch, 3, TILE_PX, TILE_PX), dtype=torch.uint8)
    return {
        "image": tiles.to(device),
        "feature": torch.randn(batch, WIDTH, device=device),
        "exemplar_feature": torch.randn(batch, NEIGHBOURS, WIDTH, device=device),
        "exemplar_target": torch.rand(batch, NEIGHBOURS, GENES, device=device),
    }


def _forward(model: ExpressionModel, given: dict[str, torch.Tensor]) -> Callable[[], object]:
    return lambda: model(**given)


def _waited(work: Callable[[], object], device: torch.device) -> Callable[[], None]:
    def done() -> None:
        work()
        _synchronise(device)

    return done


def _autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()

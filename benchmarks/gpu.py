"""What a machine does with each encoder and each network, in one table.

`python benchmarks/gpu.py [--device cuda|cpu] [--encoders NAME...] [--networks NAME...]
[--slide FILE] [--out FILE]`. `--small` is whether it runs, in a minute or two on a CPU.

- Encoders: the bare net on tiles that lie on the device, and `predict` with ridge on its features:
  one slide from the H&E to the h5ad in a process of its own, without loading Python and torch.
  Weights are random where no file is on the machine; speed does not depend on them.
- Networks of spots and of sections at their published size: bare steps of training on a batch that
  lies on the device (the spots of one section are one batch), and `fit` on a simulated cohort, with
  reading, validation and checkpoints, twice from the same seed.

On a CPU all seconds are processor time: of one core, whatever else runs. On a card, networks train
with torch's deterministic mode where they are fitted, not in the bare steps.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from os import environ
from pathlib import Path
from statistics import median
from typing import Any

import torch
from _gpu_encoders import encoder_rows
from _gpu_networks import network_rows
from _gpu_row import SEED, GpuRow, GpuSizes, table_head
from _machine import machine, report

from histoscribe.models.base import ExpressionModel, model_class
from histoscribe.models.catalog import list_models

ENCODERS = (
    "colour_texture",
    "torchvision:squeezenet1_0",
    "torchvision:resnet50",
    "torchvision:densenet121",
    "lunit-dino-s16",
    "uni",
    "h-optimus-0",
)
SMALL: dict[str, Any] = {
    "preset": "tiny", "tile_px": 64, "batch": 4, "n_genes": 20, "n_steps": 1, "epochs": 2,
    "spots_per_section": 40, "side_px": 3000, "spacing_um": 200.0,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--encoders", nargs="*", default=ENCODERS)
    parser.add_argument("--networks", nargs="*", help="in place of all but those of bags")
    parser.add_argument("--slide", type=Path, help="in place of a new one")
    parser.add_argument("--side", type=int, help="px of a new slide")
    parser.add_argument("--spacing-um", type=float, help="between places of the slide")
    parser.add_argument("--spots", type=int, help="in each of three sections, to train on")
    parser.add_argument("--steps", type=int, help="of the bare nets, after two")
    parser.add_argument("--small", action="store_true", help="whether it runs, and no more")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args(arguments)
    environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as lightning sets it
    sizes = GpuSizes(
        device=torch.device(given.device),
        encoders=tuple(given.encoders),
        networks=tuple(_networks() if given.networks is None else given.networks),
        slide=given.slide,
        **(SMALL if given.small else {}) | _given_sizes(given),
    )
    about = {**_card(given.device), "torch": torch.__version__, "seed": SEED, "machine": machine()}
    print(json.dumps(about | {"sizes": _plain(sizes)}))
    print(f"\n{table_head()}", flush=True)
    rows: list[GpuRow] = []
    for row in chain(encoder_rows(sizes), network_rows(sizes)):
        rows.append(row)
        print("| " + " | ".join(row.cells()) + " |", flush=True)
        if given.out is not None:
            whole = {**about, "sizes": _plain(sizes), "rows": [asdict(row) for row in rows]}
            given.out.write_text(json.dumps(whole, indent=1) + "\n")
    report("gpu", **_card(given.device), used_to_bare_ratio=median(r.used / r.bare for r in rows))


def _given_sizes(given: argparse.Namespace) -> dict[str, Any]:
    named = {
        "side_px": given.side,
        "spacing_um": given.spacing_um,
        "spots_per_section": given.spots,
        "n_steps": given.steps,
    }
    return {name: value for name, value in named.items() if value is not None}


def _networks() -> list[str]:
    classes = {name: model_class(name) for name in list_models()}
    return [
        name
        for name, cls in classes.items()
        if issubclass(cls, ExpressionModel) and cls.item != "bag"
    ]


def _card(device: str) -> dict[str, str]:
    if device == "cpu":
        return {"card": "none"}
    facts = torch.cuda.get_device_properties(0)
    memory = f"{facts.total_memory / 2**30:.0f} GiB"
    return {"card": f"{facts.name}, {memory}", "cuda": str(torch.version.cuda)}


def _plain(sizes: GpuSizes) -> dict[str, Any]:
    """Sizes of the measurements; encoders and networks name their rows."""
    named = asdict(sizes)
    for name in ("device", "encoders", "networks", "slide" if sizes.slide is None else "side_px"):
        del named[name]
    return {name: value if isinstance(value, int | float) else str(value)
            for name, value in named.items()}  # fmt: skip


if __name__ == "__main__":
    main()

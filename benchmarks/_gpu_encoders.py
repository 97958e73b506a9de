"""Rows of encoders: the bare net, and whole slides from the H&E to the h5ad."""

from collections.abc import Iterator
from os import environ
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from _gpu_row import SEED, GpuRow, GpuSizes, apart, seconds_of, tiles
from _predicting import Predicted, predicted, simulated_slide

from histoscribe.encoders.catalog import hub_files, needs_weights
from histoscribe.encoders.encoder import Encoder, load_encoder
from histoscribe.io.weights import find_weights
from histoscribe.precision import Precision, mixed
from histoscribe.simulate.cohort import simulate
from histoscribe.train.run import train
from histoscribe.train.settings import parse_settings


def encoder_rows(sizes: GpuSizes) -> Iterator[GpuRow]:
    """A row for each encoder and precision."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        cohort = simulate(
            folder / "cohort", n_patients=2, spots_per_section=40, genes_per_family=50, seed=SEED
        )
        slide = sizes.slide or simulated_slide(folder, sizes.side_px)
        for encoder in sizes.encoders:
            for way in sizes.ways if needs_weights(encoder) else sizes.ways[:1]:
                yield _row(encoder, way, cohort, slide, sizes)


def _row(name: str, way: Precision, cohort: Path, slide: Path, sizes: GpuSizes) -> GpuRow:
    encoder, image = _encoder(name), tiles(sizes)
    with torch.inference_mode():
        on_cpu = encoder(image[:4])
        encoder.to(sizes.device)
        there = image.to(sizes.device)
        with mixed(sizes.device, way):
            difference = apart(encoder(there[:4]), on_cpu)
            bare = sizes.batch / seconds_of(lambda: encoder(there), sizes)
    out = cohort.parent / f"{name}-{way}".replace(":", "-")
    done = _predicted(_predictor(name, way, cohort, out, sizes), slide, out / "slide", sizes)
    taken = done.seconds if sizes.device.type == "cuda" else done.processor_seconds
    return GpuRow(
        work=f"{name} ({encoder.weights.partition(':')[0]})",
        precision=way,
        million_weights=sum(weight.numel() for weight in encoder.parameters()) / 1e6,
        bare=bare,
        used=done.n_places / taken,
        apart=difference,
        slides_per_hour=3600 / taken,
        card_gib=done.card_gib,
        host_gib=done.peak_mb * 1e3 / 2**20,
    )


def _encoder(name: str) -> Encoder:
    """The encoder with its weights; random ones where no file is on this machine."""
    if not needs_weights(name):
        return load_encoder(name)
    file = find_weights(name, hub=hub_files(name))
    return load_encoder(name, weights=file, random_seed=SEED if file is None else None)


def _predictor(name: str, way: Precision, cohort: Path, out: Path, sizes: GpuSizes) -> Path:
    """Ridge on features of this encoder, with weights drawn at random: speed is the same."""
    table = {
        "cohort": str(cohort),
        "models": ["ridge"],
        "target": {"n_genes": sizes.n_genes},
        "inputs": {
            "tile_px": sizes.tile_px,
            "mpp": 0.5,
            "encoder": name,
            "weights": "random" if needs_weights(name) else "file",
        },
        "run": {"device": sizes.device.type, "precision": way},
    }
    folder = out / "predictor"
    settings = parse_settings(table, "benchmark settings")
    train(settings=settings, out=folder, cache=out / "cache", weights={})
    return folder


def _predicted(predictor: Path, slide: Path, out: Path, sizes: GpuSizes) -> Predicted:
    """Predict in a process of its own; for a CPU, a card is hidden from it."""
    before = environ.get("CUDA_VISIBLE_DEVICES")
    if sizes.device.type == "cpu":
        environ["CUDA_VISIBLE_DEVICES"] = ""
    try:
        return predicted(predictor, slide, out, sizes.spacing_um)
    finally:
        environ.pop("CUDA_VISIBLE_DEVICES", None)
        environ.update({} if before is None else {"CUDA_VISIBLE_DEVICES": before})

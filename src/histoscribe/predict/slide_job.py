"""Predict one slide into a folder: block by block, resumable, with its files written at the end."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import write_json, write_text
from histoscribe.io.durable_zarr import DurableRows
from histoscribe.io.job_turn import CLAIMS, turn
from histoscribe.io.predictions import prediction_store
from histoscribe.io.predictions.anndata import write_blocks
from histoscribe.io.predictions.geojson import Measured, write_detections
from histoscribe.io.predictions.prediction_store import PredictionStore
from histoscribe.io.predictions.spatialdata import write_spatialdata
from histoscribe.io.predictions.spot_classes import SpotClasses, fifths
from histoscribe.io.scratch import growing_folder
from histoscribe.models.plugins import PluginFile, load_same, loaded_plugins
from histoscribe.predict.blocks import predicted_blocks
from histoscribe.predict.plan import SlidePlan, SlideRequest, make_plan, open_request
from histoscribe.predict.slide import beyond_training, head_of, warnings_of
from histoscribe.predict.whole import blocks_of_whole, feature_blocks
from histoscribe.predictor.facts import spots_hash
from histoscribe.predictor.folder import RECORD, sha256
from histoscribe.predictor.gene_choice import GeneChoice, trusted_choice
from histoscribe.predictor.limits import BeyondTraining
from histoscribe.predictor.predictor import Predictor
from histoscribe.predictor.saving import load_predictor
from histoscribe.threads import fixed_threads
from histoscribe.types import DISTANCE, TRUSTED, Head, Prediction, Slide


@dataclass(frozen=True, kw_only=True)
class SlideJob:
    """One slide to predict into a folder, in this process or another."""

    predictor: Path
    weights: tuple[tuple[str, Path], ...]
    """Encoder weights given by hand."""
    request: SlideRequest
    out: Path
    detections: GeneChoice
    """Genes for the GeoJSON."""
    spatialdata: bool
    keep_unlike: bool = False
    """Keep the values of places beyond the training tissue."""
    plugins: tuple[PluginFile, ...] = field(default_factory=loaded_plugins)
    """Files of users' models, for a process that has not loaded them."""

    @property
    def label(self) -> str:
        """Path of the slide."""
        return str(self.request.path)

    @property
    def name(self) -> str:
        """Slide, as in the names of files."""
        return self.request.name

    @property
    def files(self) -> tuple[Path, ...]:
        """Result files; the summary is written last, so it marks a complete slide."""
        endings = ("h5ad", "geojson", *(["zarr"] if self.spatialdata else []), "json")
        return tuple(self.out / f"{self.request.name}.{ending}" for ending in endings)

    @property
    def record(self) -> Path:
        """Record of the slide and the options of its prediction."""
        return self.out / "data" / f"{self.request.name}.json"

    @property
    def work(self) -> Path:
        """Folder of the finished blocks until all files are written."""
        return growing_folder(self.out / f".work-{self.request.name}")

    def run(self) -> "SlideResult":
        """Predict the slide and write its files; see `write_slide`."""
        load_models(self.plugins)
        claim = self.out / CLAIMS / self.request.name
        with fixed_threads(), turn(claim, self.label, self.out):
            return write_slide(self)


@dataclass(frozen=True)
class SlideResult:
    """Size and speed of one predicted slide, and its warnings."""

    n_places: int
    n_tiles: int
    """Number of tiles read and encoded now; the others were finished before."""
    seconds: float
    """Duration of this work."""
    notes: tuple[str, ...]
    """Facts that explain which pixels were read."""
    warnings: tuple[str, ...]
    beyond: BeyondTraining
    detections: GeneChoice
    """Genes in the GeoJSON: fewer than chosen if the slide is mostly beyond the training."""


def opened(folder: Path, weights: tuple[tuple[str, Path], ...]) -> Predictor:
    """Predictor of a job; a process loads it once, and again after a new training."""
    record = folder / RECORD
    return _opened(folder, weights, sha256(record) if record.is_file() else "")


def write_slide(job: SlideJob) -> SlideResult:
    """Predict a slide and write its files; finished blocks of a stopped run are kept.

    Raises
    ------
    DataContractError
        for an invalid slide, of which nothing is written; and if the folder holds results of
        another slide of this name, or of other options.
    """
    predictor, request = opened(job.predictor, job.weights), job.request
    slide = open_request(request, predictor.encoding.tiles)
    origin = _origin(job, slide)
    _check_same(job.record, origin)
    if job.files[-1].exists():
        summary = json.loads(job.files[-1].read_text(encoding="utf-8"))
        beyond = BeyondTraining(**summary["beyond_training"])
        done = SlideResult(
            n_places=summary["places"],
            n_tiles=0,
            seconds=0.0,
            notes=tuple(summary["notes"]),
            warnings=tuple(summary["warnings"]),
            beyond=beyond,
            detections=trusted_choice(job.detections, beyond),
        )
    else:
        plan = make_plan(request, slide, predictor.encoding.tiles, predictor.most_places)
        write_text(job.record, origin)
        done = _predicted(job, predictor, plan, origin)
    shutil.rmtree(job.work, ignore_errors=True)
    return done


def load_models(plugins: tuple[PluginFile, ...]) -> None:
    """Load users' models of the call; a predictor with those of an earlier call is opened again."""
    if load_same(plugins):
        _opened.cache_clear()


@lru_cache(maxsize=1)
def _opened(folder: Path, weights: tuple[tuple[str, Path], ...], record: str) -> Predictor:
    del record  # a key
    return load_predictor(folder, dict(weights))


def _origin(job: SlideJob, slide: Slide) -> str:
    """Text of everything besides the predictor that decides the results of a slide."""
    request = job.request
    mask = None
    if request.mask is not None and request.mask.is_file():
        mask = hashlib.sha256(request.mask.read_bytes()).hexdigest()
    content = {
        "image": slide.pixel_hash(),
        "mpp": slide.mpp,
        "image_number": request.image_number,
        "damaged_tiles": request.damaged_tiles,
        "spacing_um": request.spacing_um,
        "mask": mask,
        "detections": list(job.detections.genes),
        "spatialdata": job.spatialdata,
        "keep_unlike": job.keep_unlike,
    }
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _check_same(record: Path, origin: str) -> None:
    if record.exists() and record.read_text(encoding="utf-8") != origin:
        raise DataContractError(
            Problem(
                where=str(record),
                found="this folder holds another slide of this name, or other options for it",
                expected="a new folder, or the same slide and options to continue with",
                remedy="choose another --out, or remove this file and the results of the slide",
            )
        )


def _predicted(job: SlideJob, predictor: Predictor, plan: SlidePlan, origin: str) -> SlideResult:
    shape = (len(plan.grid), len(predictor.target.genes))
    key = hashlib.sha256(f"{origin}{predictor.hash}{spots_hash(plan.section)}".encode())
    name = key.hexdigest()[:32]
    store = PredictionStore.open(job.work / "values", name, shape)
    began = perf_counter()
    n_tiles = (
        _fill_by_spot(job, predictor, plan, store)
        if predictor.fitted.item == "spot"
        else _fill_as_whole(job, predictor, plan, store, job.work / "features" / f"{name}.zarr")
    )
    seconds = perf_counter() - began
    known = store.spot_columns()
    beyond = beyond_training(predictor, known, keep_unlike=job.keep_unlike)
    done = SlideResult(
        n_places=shape[0],
        n_tiles=n_tiles,
        seconds=seconds,
        notes=plan.section.slide.notes,
        warnings=warnings_of(predictor, plan.section.slide, plan.mask, beyond),
        beyond=beyond,
        detections=trusted_choice(job.detections, beyond),
    )
    gene_facts = predictor.gene_facts(beyond, store.gene_facts())
    head = replace(head_of(predictor, plan, known, gene_facts), warnings=done.warnings)
    _write(job, plan, head, store, done)
    return done


def _fill_by_spot(
    job: SlideJob, predictor: Predictor, plan: SlidePlan, store: PredictionStore
) -> int:
    """Predict the missing blocks; returns the number of tiles read for them."""
    missing = store.missing
    for block in predicted_blocks(predictor, plan, missing, keep_unlike=job.keep_unlike):
        store.write(block)
    return _n_rows(missing)


def _fill_as_whole(
    job: SlideJob, predictor: Predictor, plan: SlidePlan, store: PredictionStore, folder: Path
) -> int:
    """Encode missing blocks of features, then predict all; returns the number of tiles read."""
    if not (unwritten := store.missing):
        return 0
    shape = (len(plan.grid), predictor.encoder.width)
    features = DurableRows.create(folder, shape, prediction_store.CHUNK_ROWS, {})
    missing = features.missing
    for rows, feature in feature_blocks(predictor, plan, missing):
        features.write(rows, feature)
    feature, keep = features.read_all(), job.keep_unlike
    for block in blocks_of_whole(predictor, plan, feature, unwritten, keep_unlike=keep):
        store.write(block)
    return _n_rows(missing)


def _n_rows(chunks: Sequence[slice]) -> int:
    return sum(rows.stop - rows.start for rows in chunks)


def _write(
    job: SlideJob, plan: SlidePlan, head: Head, store: PredictionStore, done: SlideResult
) -> None:
    slide = plan.section.slide
    h5ad, geojson, *zarr, summary = job.files
    write_blocks(head, store.values(), h5ad, slide, layers=store.layers())
    measured = _measurements(done.detections, head, store)
    write_detections(
        geojson, head.spots, slide.mpp, measured, _classes(done.detections, head, store)
    )
    for path in zarr:
        values = np.concatenate(list(store.values()))
        layers = {name: np.concatenate(list(blocks)) for name, blocks in store.layers().items()}
        write_spatialdata(Prediction.of_layers(head, values, layers, slide=slide), path)
    write_json(summary, _summary(job, plan, head, done))


def _summary(job: SlideJob, plan: SlidePlan, head: Head, done: SlideResult) -> dict[str, Any]:
    """Facts that readers of the results need, as JSON."""
    return {
        "slide": job.request.path.name,
        "predictor": head.predictor,
        "unit": head.unit,
        "places": len(head.spots),
        "genes": len(head.genes),
        "mpp": plan.section.slide.mpp,
        "spacing_um": plan.grid.spacing_um,
        "share_beyond_training": done.beyond.share,
        "beyond_training": asdict(done.beyond),
        "genes_trusted": done.beyond.offers_genes,
        "detections": {"genes": list(done.detections.genes), "why": done.detections.why},
        "damaged_tiles": [str(tile) for tile in plan.damage.tiles],
        "places_left_out": plan.damage.n_left_out,
        "notes": list(done.notes),
        "warnings": list(done.warnings),
    }


def _classes(choice: GeneChoice, head: Head, store: PredictionStore) -> SpotClasses | None:
    """Classes of the spots by the first gene that the user named; None if none was named."""
    if not choice.requested:
        return None
    column = head.genes.index(choice.genes[0])
    values = np.concatenate([block[:, column] for block in store.values()])
    return fifths(choice.labels[0], values)


def _measurements(choice: GeneChoice, head: Head, store: PredictionStore) -> Iterator[Measured]:
    """Values of the chosen genes and the distance of each spot, a chunk at a time."""
    chosen = zip(choice.labels, choice.genes, strict=True)
    columns = {label: head.genes.index(gene) for label, gene in chosen}
    for rows, values in zip(store.chunks, store.values(), strict=True):
        genes = {gene: values[:, column] for gene, column in columns.items()}
        yield {**genes, **{name: head.spot_facts[name][rows] for name in (DISTANCE, TRUSTED)}}

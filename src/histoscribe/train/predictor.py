"""The saved artefact: one folder that predicts a section; nothing pickled, loading is exact."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor

from histoscribe.data.features import features
from histoscribe.data.target import Target
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing, write_json
from histoscribe.models.base import Estimator, ExpressionModel, Facts, create_model, inputs_of
from histoscribe.models.encoder import Encoder
from histoscribe.train.encoding import Encoding, WeightFiles
from histoscribe.train.fit import predict_spots
from histoscribe.train.reference import Reference
from histoscribe.types import Output, Prediction, Section

FORMAT = 2
RECORD = "predictor.json"
_REFERENCE = "reference.safetensors"


@dataclass(eq=False)
class Predictor:
    """A fitted model with all it needs: target state, tiles, encoder by name, protocol card."""

    model: Estimator | ExpressionModel
    target: Target
    encoding: Encoding
    card: Mapping[str, Any]
    """What it was trained on; holds nothing of any test section."""
    reference: Reference
    """Training spots and slides, to know tissue that is unlike them."""
    hash: str = ""
    """Sha256 of predictor.json, which holds the sha256 of every other file."""
    weights: WeightFiles = field(default_factory=dict)
    """Encoder weights given by hand."""
    _encoder: Encoder | None = None

    @property
    def encoder(self) -> Encoder:
        """The encoder, opened on first use."""
        if self._encoder is None:
            self._encoder = self.encoding.open(self.weights)
        return self._encoder

    @property
    def name(self) -> str:
        """Model name and the first letters of the hash."""
        return f"{self.model.name}@{self.hash[:12]}"

    def __call__(self, section: Section, cache: Path) -> Prediction:
        """Predict every spot of a section; counts are not looked at."""
        feature = features(
            section,
            self.encoder,
            self.encoding.tiles,
            precision=self.encoding.precision,
            cache=cache,
        )
        return self.from_features(section, feature)

    def from_features(self, section: Section, feature: Float[np.ndarray, "N D"]) -> Prediction:
        """Predict from features that were already extracted with this predictor's encoding."""
        return Prediction(
            section=section.id,
            spots=section.spots,
            genes=self.target.genes,
            values=predict_spots(self.model, feature).astype(np.float32),
            unit=self.target.transform,
            predictor=self.name,
            spot_facts={"distance_to_training": self.reference.distance(feature)},
            card=json.dumps(dict(self.card), sort_keys=True),
        )

    def from_pixels(self, image: Float[Tensor, "B 3 P P"]) -> Output:
        """Encoder and network as one differentiable graph, from pixels in 0-255.

        Raises
        ------
        TypeError
            for an estimator that is not a network.
        """
        if isinstance(self.model, Estimator):
            raise TypeError(f"{self.model.name} is no network: it has no gradient to its pixels")
        return self.model(**{name: self.encoder(image) for name in inputs_of(type(self.model))})


def save_predictor(predictor: Predictor, folder: Path) -> Predictor:
    """Write the folder; predictor.json comes last, so a folder that has one is complete."""
    model = predictor.model
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model, Estimator):
        file, state = "estimator.safetensors", model.state()
        # np.ascontiguousarray would make an array of one number a row of one
        contiguous = {name: np.asarray(value, order="C") for name, value in state.items()}
        with replacing(folder / file) as temporary:
            safetensors.numpy.save_file(contiguous, temporary)
        shapes = {}
    else:
        file, tensors = "weights.safetensors", model.state_dict()
        with replacing(folder / file) as temporary:
            safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, temporary)
        shapes = {"features": predictor.card["n_features"], "genes": len(predictor.target.genes)}
    with replacing(folder / _REFERENCE) as temporary:
        safetensors.numpy.save_file(predictor.reference.arrays(), temporary)
    record = {
        "format": FORMAT,
        "model": model.name,
        "settings": asdict(model.config),
        "shapes": shapes,
        "chosen": dict(model.choice),
        "target": predictor.target.to_json(),
        "encoding": predictor.encoding.to_json(),
        "card": dict(predictor.card),
        "reference": predictor.reference.to_json(),
        "files": {name: _sha256(folder / name) for name in (file, _REFERENCE)},
    }
    # before the record: once that is there, nobody looks into this folder's work again
    shutil.rmtree(folder / "resume", ignore_errors=True)
    write_json(folder / RECORD, {**record, "sha256": _record_hash(record)})
    predictor.hash = _sha256(folder / RECORD)
    return predictor


def is_predictor(folder: Path) -> bool:
    """Whether a folder holds a finished predictor."""
    return (folder / RECORD).is_file()


def load_predictor(folder: str | Path, weights: WeightFiles | None = None) -> Predictor:
    """Load a predictor folder exactly.

    Raises
    ------
    DataContractError
        listing every file that is missing or whose sha256 is not the recorded one.
    """
    folder = Path(folder)
    if not is_predictor(folder):
        raise DataContractError(
            Problem(
                str(folder), f"no {RECORD}", "a predictor folder", "give one that `train` wrote"
            )
        )
    record = _read_record(folder / RECORD)
    problems = [p for name, sha in record["files"].items() for p in _changed(folder / name, sha)]
    if problems:
        raise DataContractError(problems)
    return Predictor(
        model=_load_model(folder, record),
        target=Target.from_json(record["target"]),
        encoding=Encoding.from_json(record["encoding"]),
        card=record["card"],
        reference=Reference.restored(
            safetensors.numpy.load_file(folder / _REFERENCE), record["reference"]
        ),
        hash=_sha256(folder / RECORD),
        weights=weights or {},
    )


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DataContractError(_damaged(path, f"not readable: {error}")) from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"format {found}",
                expected=f"format {FORMAT}",
                remedy="use the histoscribe version that wrote it",
            )
        )
    recorded = record.pop("sha256", None)
    if recorded != _record_hash(record):
        raise DataContractError(_damaged(path, f"content that is not of sha256 {recorded}"))
    return record


def _load_model(folder: Path, record: Mapping[str, Any]) -> Estimator | ExpressionModel:
    shapes = record["shapes"]
    if not shapes:
        estimator = create_model(record["model"], **record["settings"])
        state = safetensors.numpy.load_file(folder / "estimator.safetensors")
        fitted = estimator.restore(state)
        fitted.choice = record["chosen"]
        return fitted
    facts = Facts(
        feature_mean=np.zeros(shapes["features"]),
        feature_scale=np.ones(shapes["features"]),
        target_mean=np.zeros(shapes["genes"]),
    )
    with torch.random.fork_rng(devices=[]):
        model = create_model(record["model"], facts=facts, **record["settings"])
    model.load_state_dict(safetensors.torch.load_file(folder / "weights.safetensors"), strict=True)
    model.choice = record["chosen"]
    return model.eval()


def _changed(path: Path, sha256: str) -> list[Problem]:
    found = _sha256(path) if path.is_file() else "no such file"
    if found == sha256:
        return []
    return [_damaged(path, found, f"sha256 {sha256}, ")]


def _damaged(path: Path, found: str, expected: str = "the file ") -> Problem:
    return Problem(
        where=str(path),
        found=found,
        expected=f"{expected}as recorded when the predictor was saved",
        remedy="the folder was changed or copied in part: copy or train it again",
    )


def _record_hash(record: Mapping[str, Any]) -> str:
    """Sha256 of a record's values, whatever the layout of the file they are read from."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The saved artefact: one folder that predicts a section; nothing pickled, loading is exact."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor

from histoscribe.data.features import features
from histoscribe.data.images import HeldTiles, SlideTiles
from histoscribe.data.target import Target
from histoscribe.io.atomic import replacing, write_text
from histoscribe.models.base import Estimator, ExpressionModel, Facts, create_model
from histoscribe.models.encoder import Encoder
from histoscribe.models.style_encoder import EXTRACTOR, StyleEncoder, save_extractor
from histoscribe.train.benchmarked import Benchmarked
from histoscribe.train.card import gene_labels
from histoscribe.train.device import choose_device
from histoscribe.train.encoding import Encoding, WeightFiles
from histoscribe.train.fitted import Fitted
from histoscribe.train.folder import (
    RECORD,
    begin,
    is_predictor,
    read_record,
    sha256,
    write_record,
)
from histoscribe.train.lookup import Lookup
from histoscribe.train.model_card import CARD_FILE, CardFacts, model_card
from histoscribe.train.reference import Reference
from histoscribe.train.seen import ToPredict
from histoscribe.train.trust import GENES_FILE, Trust, read_trust, trust_beside, trust_text
from histoscribe.types import Output, Prediction, Section

__all__ = ["Predictor", "is_predictor", "load_predictor", "save_predictor"]

_REFERENCE = "reference.safetensors"
_EXEMPLARS = "exemplars.safetensors"
_EXTRACTOR = "encoder.safetensors"


@dataclass(eq=False)
class Predictor:
    """A fitted model with all it needs: target state, tiles, encoder by name, protocol card."""

    row: str
    """What the tables call it: the model's name, unless its settings gave it another."""
    fitted: Fitted
    target: Target
    encoding: Encoding
    card: Mapping[str, Any]
    """What it was trained on; holds nothing of any test section."""
    reference: Reference
    """Training spots and slides, to know tissue that is unlike them."""
    benchmark: Benchmarked | None = None
    """What a benchmark of the same model said, where one was given in training."""
    hash: str = ""
    """Sha256 of predictor.json, which holds the sha256 of every other file."""
    weights: WeightFiles = field(default_factory=dict)
    """Encoder weights given by hand."""
    folder: Path | None = None
    """Where it was saved or loaded from."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks that look at tiles predict."""
    _encoder: Encoder | None = None

    @property
    def model(self) -> Estimator | ExpressionModel:
        """The fitted model."""
        return self.fitted.model

    @property
    def sees_tiles(self) -> bool:
        """Whether the model looks at pixels itself, beside their features."""
        return "image" in self.inputs

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields of `Inputs` that the model sees."""
        model = self.model
        return ("feature",) if isinstance(model, Estimator) else model.inputs(model.config)

    @property
    def encoder(self) -> Encoder:
        """The encoder, opened on first use."""
        if self._encoder is None:
            self._encoder = self.encoding.open(self.weights)
        return self._encoder

    @property
    def name(self) -> str:
        """Name of the row and the first letters of the hash."""
        return f"{self.row}@{self.hash[:12]}"

    @cached_property
    def trust(self) -> Trust:
        """How far each gene is to be believed; says why where that is unknown.

        From its own benchmark, or from that of the run folder it lies in.

        Raises
        ------
        DataContractError
            The `genes.csv` of the run folder was edited.
        """
        if self.benchmark is not None:
            return self.benchmark.trust
        return trust_beside(self.folder, self.row, self.target.genes)

    @property
    def gene_trust(self) -> Mapping[str, Float[np.ndarray, " G"]]:
        """Name -> values of the genes in order; NaN where unknown; empty without a benchmark."""
        return self.trust.columns

    @property
    def gene_names(self) -> tuple[str, ...]:
        """The symbol of each gene, as the training sections give it; else its id."""
        return tuple(self.card["gene_names"])

    @property
    def gene_labels(self) -> tuple[str, ...]:
        """What each gene is called for people: its symbol, or its id where that would not do."""
        return gene_labels(self.target.genes, self.gene_names)

    def __call__(self, section: Section, cache: Path) -> Prediction:
        """Predict every spot of a section; counts are not looked at."""
        return self.from_queries(section, self.queries(section, cache))

    def queries(self, section: Section, cache: Path) -> ToPredict:
        """Make a section's spots ready to be predicted: features, tiles, whose they are."""
        feature = features(
            section,
            self.encoder,
            self.encoding.tiles,
            precision=self.encoding.precision,
            cache=cache,
        )
        n_spots = len(section.spots)
        return ToPredict(
            feature=feature,
            section=n_spots * (section.id,),
            patient=n_spots * (section.patient,),
            spot=section.spots.ids,
            encoder=self.encoder.identity,
            image=SlideTiles(section, self.encoding.tiles) if self.sees_tiles else None,
        )

    def from_queries(
        self, section: Section, queries: ToPredict, *, with_trust: bool = True
    ) -> Prediction:
        """Predict from features (and tiles) that were made with this predictor's encoding.

        Each spot gets its distance to the training spots; each gene what is known of it, unless
        the caller is the very benchmark that finds that out.
        """
        predicted = self.fitted.predict(queries, torch.device(choose_device(self.device)))
        return Prediction(
            section=section.id,
            spots=section.spots,
            genes=self.target.genes,
            values=predicted.values.astype(np.float32),
            unit=self.target.transform,
            predictor=self.name,
            spot_facts={"distance_to_training": self.reference.distance(queries.feature)},
            gene_facts=self.gene_trust if with_trust else {},
            card=json.dumps(dict(self.card), sort_keys=True),
            gene_names=self.gene_names,
            evidence=predicted.evidence,
        )

    def from_pixels(self, image: Float[Tensor, "B 3 P P"]) -> Output:
        """Encoder and network as one differentiable graph, from pixels in 0-255, on their device.

        Exemplars are looked up by the features and then held fixed. Nothing is known of whose
        pixels these are: of a training patient, its own spots would be among them.

        Raises
        ------
        TypeError
            for an estimator that is not a network.
        """
        if isinstance(self.model, Estimator):
            raise TypeError(f"{self.model.name} is no network: it has no gradient to its pixels")
        self._encoder = self.encoder.to(image.device)
        self.model.to(image.device)
        feature = self._encoder(image)
        shown = {"image": image, "feature": feature}
        if self.fitted.lookup is not None:
            # whole numbers, as tiles of a pool are that are compared with them
            pixels = image.detach().cpu().round().clamp(0, 255).to(torch.uint8)
            known = feature.detach().cpu().numpy()
            wanted = ToPredict.unnamed(known, self.encoder.identity, HeldTiles(pixels))
            seen, _ = self.fitted.seen(wanted)
            looked_up = ("exemplar_feature", "exemplar_target")
            batch = seen.batch(looked_up, np.arange(len(feature)))
            shown |= {name: value.to(feature) for name, value in batch.items()}
        return self.model(**{name: shown[name] for name in self.inputs})


def save_predictor(predictor: Predictor, folder: Path) -> Predictor:
    """Write the folder; predictor.json comes last, so a folder that has one is complete."""
    # before the folder is emptied: it may be the one that has the extractor
    extractor = predictor.encoder.net if predictor.encoding.encoder == EXTRACTOR else None
    begin(folder)
    benchmark = predictor.benchmark
    files = [_save_model(predictor.model, folder), _REFERENCE, CARD_FILE]
    lookup = predictor.fitted.lookup
    if isinstance(extractor, StyleEncoder):  # trained for this very model: nobody else has it
        files.append(_EXTRACTOR)
        save_extractor(extractor, folder / _EXTRACTOR)
    if lookup is not None:
        files.append(_EXEMPLARS)
        lookup.save(folder / _EXEMPLARS)
    with replacing(folder / _REFERENCE) as temporary:
        safetensors.numpy.save_file(predictor.reference.arrays(), temporary)
    write_text(folder / CARD_FILE, model_card(_card_facts(predictor)))
    if benchmark is not None:
        files.append(GENES_FILE)
        genes = predictor.target.genes
        write_text(folder / GENES_FILE, trust_text(benchmark.trust, predictor.row, genes))
    # before the record: once that is there, nobody looks into this folder's work again
    shutil.rmtree(folder / "resume", ignore_errors=True)
    predictor.hash = write_record(folder, _record(predictor), tuple(files))
    predictor.folder = folder
    return predictor


def load_predictor(folder: str | Path, weights: WeightFiles | None = None) -> Predictor:
    """Load a predictor folder exactly; nothing in it is executed.

    Raises
    ------
    DataContractError
        listing every file that is missing, unknown to predictor.json, or whose sha256 is not the
        recorded one.
    """
    folder = Path(folder)
    record = read_record(folder)
    target = Target.from_json(record["target"])
    benchmark = None
    if record["benchmark"] is not None:
        trust = read_trust(folder / GENES_FILE, record["row"], target.genes)
        benchmark = Benchmarked(trust, record["benchmark"])
    arrays = safetensors.numpy.load_file(folder / _REFERENCE)
    exemplars, extractor = folder / _EXEMPLARS, folder / _EXTRACTOR
    known = {EXTRACTOR: extractor} if _EXTRACTOR in record["files"] else {}
    lookup = Lookup.read(exemplars, weights or {}) if _EXEMPLARS in record["files"] else None
    return Predictor(
        row=record["row"],
        fitted=Fitted(_load_model(folder, record), lookup),
        target=target,
        encoding=Encoding.from_json(record["encoding"]),
        card=record["card"],
        reference=Reference.restored(arrays, record["reference"]),
        benchmark=benchmark,
        hash=sha256(folder / RECORD),
        weights={**known, **(weights or {})},
        folder=folder,
    )


def _record(predictor: Predictor) -> dict[str, Any]:
    """What the record says besides the files: all that is no array."""
    model, target, benchmark = predictor.model, predictor.target, predictor.benchmark
    shapes = {
        "features": predictor.card["n_features"],
        "genes": len(target.genes),
        "tile_px": predictor.encoding.tile_px if predictor.sees_tiles else 0,
    }
    return {
        "row": predictor.row,
        "model": model.name,
        "settings": asdict(model.config),
        "shapes": shapes if isinstance(model, ExpressionModel) else {},
        "chosen": dict(model.choice),
        "target": target.to_json(),
        "encoding": predictor.encoding.to_json(),
        "card": dict(predictor.card),
        "reference": predictor.reference.to_json(),
        "benchmark": dict(benchmark.facts) if benchmark is not None else None,
    }


def _save_model(model: Estimator | ExpressionModel, folder: Path) -> str:
    """Write the fitted numbers; gives the name of the file."""
    if isinstance(model, Estimator):
        file, state = "estimator.safetensors", model.state()
        # np.ascontiguousarray would make an array of one number a row of one
        contiguous = {name: np.asarray(value, order="C") for name, value in state.items()}
        with replacing(folder / file) as temporary:
            safetensors.numpy.save_file(contiguous, temporary)
    else:
        file, tensors = "weights.safetensors", model.state_dict()
        with replacing(folder / file) as temporary:
            safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, temporary)
    return file


def _card_facts(predictor: Predictor) -> CardFacts:
    return CardFacts(
        model=predictor.row,
        paper=predictor.model.paper,
        target=predictor.target,
        encoding=predictor.encoding,
        card=predictor.card,
        reference=predictor.reference,
        benchmark=predictor.benchmark,
    )


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
        tile_px=shapes["tile_px"],
    )
    with torch.random.fork_rng(devices=[]):
        model = create_model(record["model"], facts=facts, **record["settings"])
    model.load_state_dict(safetensors.torch.load_file(folder / "weights.safetensors"), strict=True)
    model.choice = record["chosen"]
    return model.eval()

"""The record of a predictor folder: types, ranges, and what must agree between its parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, PositiveInt, StringConstraints, TypeAdapter
from pydantic import ValidationError as _Invalid

from histoscribe.data.target import genes_hash
from histoscribe.data.transform import transform_class
from histoscribe.errors import DataContractError, Problem
from histoscribe.models.base import make_config, wrong_values
from histoscribe.predictor.model_origin import missing_plugin
from histoscribe.types import BenchmarkCard, CountFamily, TrainingCard
from histoscribe.types.card import Card

_Name = Annotated[str, StringConstraints(min_length=1)]
_Sha = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_Weights = Annotated[str, StringConstraints(pattern="^(none|sha256:[0-9a-f]{64}|random:[0-9]+)$")]
_Mpp = Annotated[float, Field(gt=0, le=1000)]
_Side = Annotated[int, Field(ge=1, le=100_000)]
_Colour = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
_Finding = tuple[str, str, str]
"""Place, finding and expectation of a contradiction."""
_REMEDY = "use the histoscribe version that wrote it, or train it again"


@dataclass(frozen=True, kw_only=True)
class ModelShapes(Card):
    """Sizes of a network."""

    features: Annotated[int, Field(ge=0)]
    genes: PositiveInt
    tile_px: Annotated[int, Field(ge=0, le=100_000)]
    """Side of the tiles that it reads; 0 if it reads none."""
    counts: CountFamily | None = None


@dataclass(frozen=True, kw_only=True)
class TargetRecord(Card):
    """State of a target, see `Target.to_json`."""

    genes: Annotated[tuple[_Name, ...], Field(min_length=1)]
    panel: _Name
    transform: _Name
    state: Mapping[str, int | tuple[FiniteFloat, ...]]
    sections: tuple[_Name, ...]
    n_spots: Annotated[int, Field(ge=0)]
    n_filled: Mapping[str, int]
    panel_saw_test: bool
    n_of_each: Annotated[int, Field(ge=0)] = 0
    pathways_first: bool = False
    samples: str = ""


@dataclass(frozen=True, kw_only=True)
class StainRecord(Card):
    """Colour of tissue."""

    mean: _Colour
    deviation: _Colour


@dataclass(frozen=True, kw_only=True)
class EncodingRecord(Card):
    """How pixels become features, see `Encoding`."""

    encoder: _Name
    layer: str | None
    weights: _Weights
    tile_px: _Side
    mpp: _Mpp
    white_off_tissue: bool
    precision: Literal["float32", "bfloat16"]
    stain: StainRecord | None = None


@dataclass(frozen=True, kw_only=True)
class ReferenceRecord(Card):
    """Plain values of a reference, see `Reference.to_json`."""

    unit: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
    unit_of: Literal["patient", "section", "place"]
    mpp: tuple[_Mpp, _Mpp]
    stain: Mapping[str, Mapping[str, FiniteFloat]]


@dataclass(frozen=True, kw_only=True)
class PredictorRecord(Card):
    """Everything that predictor.json says besides its own checksum."""

    format: int
    row: _Name
    model: _Name
    settings: Mapping[str, Any]
    shapes: ModelShapes | dict[str, Any]
    """Empty for a model in closed form."""
    choice: Mapping[str, Any]
    """What training chose on the inner folds, with the loss and score of each epoch."""
    target: TargetRecord
    encoding: EncodingRecord
    card: Mapping[str, Any]
    reference: ReferenceRecord
    benchmark: Mapping[str, Any] | None
    files: Annotated[Mapping[str, _Sha], Field(min_length=1)]
    pathways: tuple[tuple[_Name, tuple[int, ...]], ...] | None = field(default=None)
    other_choices: tuple[Mapping[str, Any], ...] = ()
    """The same as `choice` of the other members of an ensemble."""


def check_record(value: Mapping[str, Any], where: str) -> None:
    """Check the values of predictor.json before anything else of the folder is read.

    Raises
    ------
    DataContractError
        listing every value of another type or range, and all parts that contradict each other.
    """
    record = PredictorRecord.from_json(value, where, _REMEDY)
    card = TrainingCard.from_json(record.card, f"{where}, card", _REMEDY)
    if (missing := missing_plugin(record.model, card.source, where)) is not None:
        raise DataContractError(missing)
    if record.benchmark is not None:
        BenchmarkCard.from_json(record.benchmark, f"{where}, benchmark", _REMEDY)
    problems = [
        Problem(f"{where}, {place}", found, expected, _REMEDY)
        for place, found, expected in _contradictions(record, card)
    ]
    if problems:
        raise DataContractError(problems)


def _contradictions(record: PredictorRecord, card: TrainingCard) -> Iterator[_Finding]:
    yield from _of_genes(record.target, card)
    yield from _of_transform(record.target)
    yield from _of_pixels(record)
    yield from _of_model(record)
    if isinstance(record.shapes, ModelShapes):
        yield from _of_shapes(record, record.shapes, card)
    for name in record.files:
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or "\\" in name or "/".join(parts) != name:
            yield "files", f"the path {name!r}", "paths of files in this folder"


def _of_genes(target: TargetRecord, card: TrainingCard) -> Iterator[_Finding]:
    genes = target.genes
    if len(set(genes)) < len(genes):
        yield "target.genes", "a gene twice", "each gene once"
    for place, n_genes in (
        ("card.gene_names", len(card.gene_names)),
        ("card.target.n_genes", card.target.n_genes),
    ):
        if n_genes != len(genes):
            yield place, f"{n_genes} genes", f"{len(genes)}, as in target.genes"
    if card.target.genes_sha256 != genes_hash(genes):
        yield "target.genes", "other genes", f"genes of sha256 {card.target.genes_sha256}"


def _of_transform(target: TargetRecord) -> Iterator[_Finding]:
    try:
        state = TypeAdapter(transform_class(target.transform)).validate_python(dict(target.state))
    except _Invalid as error:
        yield "target.state", wrong_values(error), f"the state of {target.transform}"
        return
    except ValueError as error:
        yield "target.transform", str(error), "the name of a transform"
        return
    n_genes, names = len(target.genes), sorted(vars(state))
    if names != sorted(target.state):
        yield "target.state", f"{sorted(target.state)}", f"{names}, the state of {target.transform}"
        return
    for name in names:
        values = getattr(state, name)
        if isinstance(values, tuple) and len(values) != n_genes:
            yield f"target.state.{name}", f"{len(values)} values", f"one a gene, {n_genes}"


def _of_pixels(record: PredictorRecord) -> Iterator[_Finding]:
    low, high = record.reference.mpp
    if low > high:
        yield "reference.mpp", f"{low} to {high}", "the smaller value first"
    stain = record.encoding.stain
    if stain is not None and min(stain.deviation) <= 0:
        yield "encoding.stain.deviation", f"{min(stain.deviation)}", "numbers above 0"


def _of_model(record: PredictorRecord) -> Iterator[_Finding]:
    try:
        make_config(record.model, record.settings)
    except ValueError as error:
        yield "model and settings", str(error), "a model and settings of this version"
    if not isinstance(record.shapes, ModelShapes) and record.shapes:
        yield "shapes", f"{sorted(record.shapes)}", "features, genes, tile_px; or nothing"


def _of_shapes(
    record: PredictorRecord, shapes: ModelShapes, card: TrainingCard
) -> Iterator[_Finding]:
    n_genes = len(record.target.genes)
    if shapes.genes != n_genes:
        yield "shapes.genes", str(shapes.genes), f"{n_genes}, as in target.genes"
    if shapes.features != card.n_features:
        yield "shapes.features", str(shapes.features), f"{card.n_features}, as in card.n_features"
    if shapes.tile_px not in (0, record.encoding.tile_px):
        yield "shapes.tile_px", str(shapes.tile_px), f"0 or {record.encoding.tile_px}"
    for name, columns in record.pathways or ():
        if not columns or min(columns) < 0 or max(columns) >= n_genes:
            yield f"pathways, {name}", "members outside the panel", f"columns 0 to {n_genes - 1}"

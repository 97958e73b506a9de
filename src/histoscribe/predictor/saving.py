"""Save and load a predictor folder: nothing is pickled, and loading is exact."""

import shutil
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch

from histoscribe.data.exemplars.lookup import Lookup
from histoscribe.data.target import Target
from histoscribe.encoders.encoder import save_trained
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing, write_text
from histoscribe.io.tensor_file import (
    FLOATS,
    TensorLayout,
    check_layout,
    check_values,
    layouts,
    read_arrays,
    tensor_facts,
)
from histoscribe.models.base import Estimator, ExpressionModel, Facts, create_model
from histoscribe.predictor.encoding import Encoding, WeightFiles
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.folder import (
    RECORD,
    begin,
    card_of_record,
    is_predictor,
    read_record,
    sha256,
    write_record,
)
from histoscribe.predictor.gene_scores import (
    GENES_FILE,
    Benchmarked,
    gene_scores_text,
    read_gene_scores,
)
from histoscribe.predictor.limits import ValueRange
from histoscribe.predictor.model_card import CARD_FILE, CardFacts, model_card
from histoscribe.predictor.model_origin import changed_source
from histoscribe.predictor.predictor import Predictor
from histoscribe.predictor.reference import Reference
from histoscribe.predictor.steering_curve import STEERING_FILE, is_steered, steering_text
from histoscribe.predictor.training_curve import TRAINING_FILE, training_text
from histoscribe.printable import printable_lines
from histoscribe.types import BenchmarkCard, Pathways

__all__ = ["is_predictor", "load_predictor", "save_predictor"]

_REFERENCE = "reference.safetensors"
_RANGE = "value_range.safetensors"
_EXEMPLARS = "exemplars.safetensors"
_ENCODER = "encoder.safetensors"
_WEIGHTS = "weights.safetensors"
_CHANGED = "the network has changed since: train it again, or use the versions of its card"


def save_predictor(predictor: Predictor, folder: Path) -> Predictor:
    """Write the folder; predictor.json comes last, so a folder that has one is complete."""
    # before the folder is emptied: it may contain the encoder's weights
    encoder = predictor.encoder if predictor.encoding.trained else None
    begin(folder)
    benchmark = predictor.benchmark
    files = [_save_model(predictor.model, folder), _REFERENCE, _RANGE, CARD_FILE]
    for number, member in enumerate(predictor.fitted.others, start=2):
        files.append(_member_file(number))
        _save_weights(member, folder / files[-1])
    if predictor.fitted.members:
        files.append(TRAINING_FILE)
        write_text(folder / TRAINING_FILE, training_text(predictor.fitted.members))
    if is_steered(predictor.fitted.members):
        files.append(STEERING_FILE)
        write_text(folder / STEERING_FILE, steering_text(predictor.fitted.members))
    lookup = predictor.fitted.lookup
    if encoder is not None:  # trained for this model only: it exists nowhere else
        files.append(_ENCODER)
        save_trained(encoder, folder / _ENCODER)
    if lookup is not None:
        files.append(_EXEMPLARS)
        lookup.save(folder / _EXEMPLARS)
    for file, of in ((_REFERENCE, predictor.reference), (_RANGE, predictor.value_range)):
        with replacing(folder / file) as temporary:
            safetensors.numpy.save_file(of.arrays(), temporary)
    write_text(folder / CARD_FILE, printable_lines(model_card(_card_facts(predictor))))
    if benchmark is not None:
        files.append(GENES_FILE)
        genes = predictor.target.genes
        write_text(
            folder / GENES_FILE, gene_scores_text(benchmark.gene_scores, predictor.row, genes)
        )
    # before the record: once that is there, nobody looks into this folder's work again
    shutil.rmtree(folder / "resume", ignore_errors=True)
    predictor.hash = write_record(folder, _record(predictor), tuple(files))
    predictor.folder = folder
    return predictor


def load_predictor(folder: str | Path, weights: WeightFiles | None = None) -> Predictor:
    """Load a predictor folder exactly; nothing in it is executed.

    Parameters
    ----------
    folder
        A folder that `train` wrote, or one below `predictors/` in a run folder.
    weights
        Weight files of encoders by name, if they are not in the usual places.

    Raises
    ------
    DataContractError
        listing every file that is missing, unknown to predictor.json, or whose sha256 is not the
        recorded one; for a model of the user's that is not loaded, see `load_plugin`; and for a
        probe, which was trained on made-up labels.

    Warns
    -----
    UserWarning
        if the text of the user's model has changed since training.

    Examples
    --------
    >>> import histoscribe as hs
    >>> predictor = hs.load_predictor("ridge")  # doctest: +SKIP
    """
    folder = Path(folder)
    record = read_record(folder)
    training = card_of_record(record, folder)
    if training.made_up_labels is not None:
        raise DataContractError(_probe(folder, training.made_up_labels))
    if changed := changed_source(record["model"], training.source):
        warnings.warn(f"{folder}: {changed}", stacklevel=2)
    target = Target.from_json(record["target"])
    benchmark = None
    if record["benchmark"] is not None:
        gene_scores = read_gene_scores(folder / GENES_FILE, record["row"], target.genes)
        where, remedy = f"{folder / RECORD}, benchmark", "train it again, with --benchmark RUN"
        card = BenchmarkCard.from_json(record["benchmark"], where, remedy)
        benchmark = Benchmarked(gene_scores, card)
    encoding = Encoding.from_json(record["encoding"])
    known = {encoding.encoder: folder / _ENCODER} if encoding.trained else {}
    exemplars = folder / _EXEMPLARS
    lookup = None
    if _EXEMPLARS in record["files"]:
        n_features = record["card"]["n_features"]
        lookup = Lookup.read(exemplars, weights or {}, len(target.genes), n_features)
    return Predictor(
        row=record["row"],
        fitted=_load_fitted(folder, record, lookup),
        target=target,
        encoding=encoding,
        card=training,
        reference=_load_reference(folder / _REFERENCE, record),
        value_range=_load_range(folder / _RANGE, len(target.genes)),
        benchmark=benchmark,
        hash=sha256(folder / RECORD),
        weights={**known, **(weights or {})},
        folder=folder,
    )


def _probe(folder: Path, labels: str) -> Problem:
    return Problem(
        where=str(folder),
        found=f"a probe of training, made by `explain memory`: {labels}",
        expected="a predictor that was trained on labels as they were measured",
        remedy="give a folder that `train` or `benchmark` wrote; a probe predicts nothing",
    )


def _record(predictor: Predictor) -> dict[str, Any]:
    """What the record says besides the files: all that is no array."""
    model, target, benchmark = predictor.model, predictor.target, predictor.benchmark
    shapes: dict[str, Any] = {
        "features": predictor.card.n_features,
        "genes": len(target.genes),
        "tile_px": predictor.encoding.tile_px if predictor.sees_tiles else 0,
    }
    if predictor.fitted.counts is not None:
        shapes["counts"] = predictor.fitted.counts
    return {
        "row": predictor.row,
        "model": model.name,
        "settings": asdict(model.config),
        **_record_of_pathways(predictor.fitted.pathways),
        "shapes": shapes if isinstance(model, ExpressionModel) else {},
        "choice": dict(model.choice),
        **_record_of_others(predictor.fitted.others),
        "target": target.to_json(),
        "encoding": predictor.encoding.to_json(),
        "card": predictor.card.to_json(),
        "reference": predictor.reference.to_json(),
        "benchmark": benchmark.card.to_json() if benchmark is not None else None,
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
        file = _WEIGHTS
        _save_weights(model, folder / file)
    return file


def _save_weights(model: ExpressionModel, path: Path) -> None:
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    with replacing(path) as temporary:
        safetensors.torch.save_file(tensors, temporary)


def _member_file(number: int) -> str:
    """File of the weights of a further member of an ensemble, numbered from 2."""
    return f"weights-{number}.safetensors"


def _record_of_others(others: tuple[ExpressionModel, ...]) -> dict[str, Any]:
    """Record entry of the further networks of an ensemble; nothing for a single one."""
    return {"other_choices": [dict(member.choice) for member in others]} if others else {}


def _record_of_pathways(pathways: Pathways | None) -> dict[str, Any]:
    """Entry of the record for gene sets: name -> columns of its members; none without sets."""
    if pathways is None:
        return {}
    rows = zip(pathways.names, pathways.members, strict=True)
    # pairs, because the record is written with sorted keys and the order of the scores matters
    return {"pathways": [[name, np.flatnonzero(of).tolist()] for name, of in rows]}


def _pathways_of(record: Mapping[str, Any]) -> Pathways | None:
    """Restore the gene sets of a record; None without an entry."""
    if "pathways" not in record:
        return None
    members = np.zeros((len(record["pathways"]), record["shapes"]["genes"]), dtype=bool)
    for row, (_, columns) in enumerate(record["pathways"]):
        members[row, columns] = True
    return Pathways(tuple(name for name, _ in record["pathways"]), members)


def _card_facts(predictor: Predictor) -> CardFacts:
    return CardFacts(
        model=predictor.row,
        paper=predictor.model.paper,
        target=predictor.target,
        encoding=predictor.encoding,
        card=predictor.card,
        reference=predictor.reference,
        benchmark=predictor.benchmark,
        counts=predictor.fitted.counts,
    )


def _load_reference(path: Path, record: Mapping[str, Any]) -> Reference:
    """Read the arrays of a reference: M points on K axes of D features, and their remainder."""
    axes = tensor_facts(path).get("axes")
    rest = 1 + (axes.shape[0] if axes is not None and axes.shape else 0)
    expected = layouts({"mean": "D", "scale": "D", "axes": "K D", "points": f"M {rest}"})
    arrays = read_arrays(path, expected, D=record["card"]["n_features"])
    return Reference.restored(arrays, record["reference"])


def _load_range(path: Path, n_genes: int) -> ValueRange:
    arrays = read_arrays(path, layouts({"low": "G", "high": "G"}, ("float32",)), G=n_genes)
    try:
        return ValueRange(**arrays)
    except ValueError as error:
        raise DataContractError(
            Problem(
                where=str(path),
                found=str(error),
                expected="the lowest and highest value of each gene in training",
                remedy="the folder was changed or copied in part: copy or train it again",
            )
        ) from None


def _load_fitted(folder: Path, record: Mapping[str, Any], lookup: Lookup | None) -> Fitted:
    if not record["shapes"]:
        return Fitted(_load_estimator(folder, record), lookup)
    files = [_WEIGHTS]
    while _member_file(len(files) + 1) in record["files"]:
        files.append(_member_file(len(files) + 1))
    choices = [record["choice"], *record.get("other_choices", ())]
    first, *others = (
        _load_network(folder / file, record, choice)
        for file, choice in zip(files, choices, strict=True)
    )
    return Fitted(first, lookup, pathways=_pathways_of(record), others=tuple(others))


def _load_estimator(folder: Path, record: Mapping[str, Any]) -> Estimator:
    estimator: Estimator = create_model(record["model"], **record["settings"])
    path = folder / "estimator.safetensors"
    facts, n_features = tensor_facts(path), record["card"]["n_features"]
    if estimator.axes:
        expected = layouts(estimator.axes, (*FLOATS, "int64"))
    else:
        expected = {name: TensorLayout(of.shape, (of.dtype,)) for name, of in facts.items()}
    arrays = read_arrays(path, expected, D=n_features, G=len(record["target"]["genes"]))
    fitted = estimator.restore(arrays)
    fitted.choice = record["choice"]
    return fitted


def _load_network(
    path: Path, record: Mapping[str, Any], choice: Mapping[str, Any]
) -> ExpressionModel:
    shapes = record["shapes"]
    facts = replace(
        Facts.plain(shapes["genes"], shapes["features"], shapes["tile_px"]),
        counts=shapes.get("counts"),
        pathways=_pathways_of(record),
    )
    name, settings = record["model"], record["settings"]
    with torch.device("meta"):  # sizes without memory: they are held against the file first
        sizes = create_model(name, facts=facts, **settings).state_dict()
    check_layout(
        path,
        {
            key: TensorLayout(tuple(of.shape), (str(of.dtype).removeprefix("torch."),))
            for key, of in sizes.items()
        },
        remedy=_CHANGED,
    )
    tensors = safetensors.torch.load_file(path)
    check_values(path, {key: of.numpy() for key, of in tensors.items()})
    with torch.random.fork_rng(devices=[]):
        model: ExpressionModel = create_model(name, facts=facts, **settings)
    model.load_state_dict(tensors, strict=True)
    model.choice = choice
    return model.eval()

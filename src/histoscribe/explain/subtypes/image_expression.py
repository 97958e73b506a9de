"""Expression that images predict, of the patients whose expression was measured."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.request import ExplainRequest
from histoscribe.explain.subtypes.panel import GeneNames
from histoscribe.io.cohorts.bulk_table import read_bulk_table
from histoscribe.io.predictions.bulk_file import read_bulk
from histoscribe.predict.bag_patients import predicts_bags
from histoscribe.predictor.predictor import Predictor

_UNKNOWN_TRAINING = (
    "Tables of predictions do not say on whom the model was trained: give those of held-out "
    "patients, or image-predicted numbers are too high."
)
_LEFT_OUT = "patients that the model was trained on, or without a value"


@dataclass(frozen=True, eq=False)
class ImageExpression:
    """Predicted expression of whole patients."""

    patients: tuple[str, ...]
    ids: tuple[str, ...]
    symbols: tuple[str, ...]
    values: Float[np.ndarray, "M G"]
    source: str
    notes: tuple[str, ...] = ()

    def of(self, patients: Sequence[str], genes: GeneNames) -> Float[np.ndarray, "N A"]:
        """Values of these patients and genes; NaN for a gene that was not predicted."""
        place = {
            name: at
            for names in (self.symbols, self.ids)
            for at, name in enumerate(names)
        }  # fmt: skip
        rows = [self.patients.index(name) for name in patients]
        values = np.full((len(rows), len(genes.ids)), np.nan)
        for column, names in enumerate(zip(genes.ids, genes.symbols, strict=True)):
            at = next((place[name] for name in names if name in place), None)
            if at is not None:
                values[:, column] = self.values[rows, at]
        return values


def image_expression(request: ExplainRequest, files: Sequence[Path]) -> ImageExpression | None:
    """Read predicted expression from files, or predict the cohort; None without either.

    A predictor of spots predicts the sections of patients that it was not trained on; the value of
    a patient is the mean over all its spots.

    Raises
    ------
    DataContractError
        for files that cannot be read or repeat a patient, and a predictor that cannot predict.
    """
    if files and request.predictors:
        raise DataContractError(
            _problem("a predictor and files of predictions", "one of them", "leave one out")
        )
    if len(request.predictors) > 1:
        found = f"{len(request.predictors)} predictors"
        raise DataContractError(_problem(found, "at most one", "ask about one after another"))
    if request.predictors:
        return _predicted_cohort(request)
    return _joined([_read(path) for path in files]) if files else None


def on_measured_scale(
    predicted: Float[np.ndarray, "N A"],
    measured: Float[np.ndarray, "N A"],
    train: Int[np.ndarray, " n"],
) -> Float[np.ndarray, "N A"]:
    """Give predicted genes the mean and deviation of measured ones, both of training patients.

    Models predict with less spread than there is, and spots are not on the scale of bulk.
    """
    mean, spread = predicted[train].mean(axis=0), predicted[train].std(axis=0)
    standard = (predicted - mean) / np.where(spread > 0, spread, 1.0)
    return standard * measured[train].std(axis=0) + measured[train].mean(axis=0)


def _predicted_cohort(request: ExplainRequest) -> ImageExpression:
    predictor, cohort = request.predictor, request.cohort
    if not cohort.ids:
        found = "a predictor and no cohort"
        raise DataContractError(_problem(found, "sections to predict", "give the cohort"))
    if predicts_bags(predictor):
        found = f"{predictor.name}, which was trained on bags"
        remedy = "run `histoscribe predict --per patient`, and give its bulk.h5ad as --predicted"
        raise DataContractError(_problem(found, "a predictor of spots", remedy))
    trained = {*predictor.card.patients}
    names = [id_ for id_, patient in cohort.patients.items() if patient not in trained]
    if not names:
        found = f"{predictor.name} was trained on every patient of the cohort"
        remedy = "train on some patients, and give the others, too"
        raise DataContractError(_problem(found, "patients that it does not know", remedy))
    sums: dict[str, list[Float[np.ndarray, "n G"]]] = {}
    for name in names:
        section = cohort[name]
        values = predictor(section, request.cache, keep_unlike=True).values
        sums.setdefault(str(section.patient), []).append(values)
    patients = tuple(sorted(sums))
    left = sorted({str(patient) for patient in cohort.patients.values() if patient in trained})
    note = f"left out, {len(left)} patients on whom {predictor.name} was trained"
    return ImageExpression(
        patients=patients,
        ids=predictor.target.genes,
        symbols=predictor.gene_labels,
        values=np.array(
            [np.concatenate(sums[name]).mean(axis=0, dtype=np.float64) for name in patients]
        ),
        source=_words(predictor),
        notes=(note,) if left else (),
    )


def _words(predictor: Predictor) -> str:
    return f"{predictor.row}@{predictor.hash}, mean over the spots of a patient"


def _read(path: Path) -> ImageExpression:
    if path.suffix != ".h5ad":
        table, notes = read_bulk_table(path, "log", "unit")
        return ImageExpression(
            patients=table.patients,
            ids=table.genes,
            symbols=table.genes,
            values=table.values,
            source=f"{path.name} sha256:{sha256(path.read_bytes()).hexdigest()}",
            notes=(*notes, _UNKNOWN_TRAINING),
        )
    of = read_bulk(path)
    sections = json.loads(of.card)["sections"].values() if of.card else ()
    trained = {section["patient"] for section in sections}
    values = of.values.astype(np.float64)
    kept = [
        row
        for row, name in enumerate(of.patients)
        if name not in trained and np.isfinite(values[row]).all()
    ]
    left = len(of.patients) - len(kept)
    return ImageExpression(
        patients=tuple(of.patients[row] for row in kept),
        ids=of.genes,
        symbols=of.gene_names or of.genes,
        values=values[kept],
        source=f"{path.name} of {of.predictor}, sha256:{sha256(path.read_bytes()).hexdigest()}",
        notes=(
            *((_UNKNOWN_TRAINING,) if not of.card else ()),
            *((f"{path.name}: left out, {left} {_LEFT_OUT}",) if left else ()),
        ),
    )


def _joined(parts: Sequence[ImageExpression]) -> ImageExpression:
    """Folds of a benchmark as one: each has other patients; genes that all folds predict."""
    twice = [n for n, times in Counter(n for of in parts for n in of.patients).items() if times > 1]
    if twice:
        found = f"{len(twice)} patients in two files: {', '.join(twice[:3])}"
        raise DataContractError(_problem(found, "each patient once", "give one file a fold"))
    first = parts[0]
    shared = set.intersection(*(set(of.ids) for of in parts))
    if not shared or not any(of.patients for of in parts):
        found = "no gene in all files, or no patient"
        raise DataContractError(_problem(found, "predictions of patients", "correct the files"))
    kept = [at for at, gene in enumerate(first.ids) if gene in shared]
    ids = tuple(first.ids[at] for at in kept)
    return ImageExpression(
        patients=tuple(name for of in parts for name in of.patients),
        ids=ids,
        symbols=tuple(first.symbols[at] for at in kept),
        values=np.concatenate([of.values[:, [of.ids.index(gene) for gene in ids]] for of in parts]),
        source=", ".join(of.source for of in parts),
        notes=tuple(dict.fromkeys(note for of in parts for note in of.notes)),
    )


def _problem(found: str, expected: str, remedy: str) -> Problem:
    return Problem("image-predicted expression", found, expected, remedy)

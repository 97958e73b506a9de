"""Benchmark of a predictor's model: its scores on held-out patients."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from histoscribe.data.folds import leaky
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.checksums import changed_files
from histoscribe.io.csv_table import read_csv_rows
from histoscribe.io.run_folder import CARD, read_run_card
from histoscribe.models.base import Estimator
from histoscribe.predictor.encoding import Encoding
from histoscribe.predictor.gene_scores import GENES_FILE, Benchmarked, read_gene_scores
from histoscribe.train.settings import RunSettings, read_settings
from histoscribe.types import BenchmarkCard, RunCard, ScoreCard, SectionCard

_FILES = ("settings.toml", CARD, "summary.csv", GENES_FILE)
_FREE = ("seed", "cohort", "sections", "models", "folds", "settings", "exemplars", "run")
"""Settings that may differ: data are compared by their hashes, models one by one."""
_HEADLINE = ("pcc", "pcc_given_depth")
_SHUFFLED = "shuffled"
_REMEDY = "run `histoscribe benchmark FILE.toml --out DIR`, and give that folder"


def read_benchmark(
    run: Path,
    settings: RunSettings,
    encoding: Encoding,
    sections: Mapping[str, SectionCard],
    genes: tuple[str, ...],
) -> Benchmarked:
    """Read the benchmark for a predictor of `genes`, trained with `settings` on `sections`.

    `sections` holds the card of each section, which has the hashes of its data.

    Raises
    ------
    DataContractError
        listing all differences: a benchmark of another model, settings, encoder or data, or with a
        leaky protocol, does not apply to this predictor.
    """
    (model,) = settings.models
    missing = [_missing(run / name) for name in _FILES if not (run / name).is_file()]
    if wrong := missing or changed_files(run, _FILES.__contains__, _REMEDY):
        raise DataContractError(wrong)
    card = read_run_card(run)
    problems = [
        *_other_settings(run, settings, read_settings(run / "settings.toml")),
        *_other_encoder(run, encoding, card),
        *_other_data(run, sections, card),
    ]
    if problems:
        raise DataContractError(problems)
    scores = _scores(run / "summary.csv", model)
    gene_scores = read_gene_scores(run / GENES_FILE, model, genes)
    benchmark = BenchmarkCard(
        protocol=card.protocol,
        patients=card.patients,
        folds_sha256=card.folds_sha256,
        sections=tuple(sorted(card.sections)),
        scores=scores,
    )
    return Benchmarked(gene_scores, benchmark)


def _other_settings(run: Path, here: RunSettings, there: RunSettings) -> Iterator[Problem]:
    (model,) = here.models
    if model not in there.models:
        yield _other(run, "models", ", ".join(there.models), f"{model} among them")
    why = leaky(there.folds.protocol)
    if why:
        yield _other(run, "folds.protocol", f"{there.folds.protocol}: {why}", "patient")
    ours, theirs = _compared(here, model), _compared(there, model)
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            yield _other(run, key, repr(theirs.get(key)), repr(ours.get(key)))


def _compared(settings: RunSettings, model: str) -> dict[str, Any]:
    """Settings that decide the data and the fitting of a model, by dotted key."""
    row = settings.row(model)
    free = {*_FREE, *(("train", "steer") if issubclass(row.cls, Estimator) else ())}
    table = settings.model_dump(mode="json", exclude=free)
    if "train" in table:
        table["train"] = settings.train.of(row.recipe).model_dump(mode="json")
    exemplars = {} if row.exemplars is None else row.exemplars.model_dump()
    own = {"model": row.model, "encoder": row.encoder, **asdict(row.config)}
    return _flat({**table, "exemplars": exemplars, "settings": {model: own}})


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Dotted key -> value."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{key}.")
        else:
            flat[f"{before}{key}"] = value
    return flat


def _other_encoder(run: Path, here: Encoding, card: RunCard) -> Iterator[Problem]:
    used = [(of.encoder, of.layer, of.weights) for of in card.encoder.used]
    if not any(here.same_encoder(*there) for there in used):
        found = "; ".join(" ".join(map(str, there)) for there in used)
        yield _other(run, "encoder", found, f"{here.encoder} {here.layer} {here.weights}")


def _other_data(run: Path, here: Mapping[str, SectionCard], card: RunCard) -> Iterator[Problem]:
    """Problems of benchmark sections that are not in the predictor's training data.

    Scores of models fitted on more data than the predictor would be too high for it.
    """
    for name, there in sorted(card.sections.items()):
        if name not in here:
            yield _other(run, "sections", f"{name} too", f"sections among {', '.join(here)}")
            continue
        if there.image_sha256 != here[name].image_sha256:
            yield _other(run, f"section {name}", "another image", "the same data")
        if there.counts_sha256 != here[name].counts_sha256:
            yield _other(run, f"section {name}", "another counts", "the same data")


def _scores(path: Path, model: str) -> dict[str, dict[str, ScoreCard]]:
    """Model and shuffled band -> headline metric -> mean and interval."""
    found: dict[str, dict[str, ScoreCard]] = {model: {}, _SHUFFLED: {}}
    for row in read_csv_rows(path)[1]:
        if row["model"] in found and row["metric"] in _HEADLINE:
            mean, low, high = (
                float(row[key]) if row[key] else None for key in ("mean", "low", "high")
            )
            found[row["model"]][row["metric"]] = ScoreCard(mean=mean, low=low, high=high)
    return found


def _missing(path: Path) -> Problem:
    return Problem(
        where=str(path),
        found="no such file",
        expected="the folder of a finished benchmark",
        remedy=_REMEDY,
    )


def _other(run: Path, where: str, found: str, expected: str) -> Problem:
    return Problem(
        where=f"benchmark {run}, {where}",
        found=found,
        expected=f"{expected}, as in the training of this predictor",
        remedy="benchmark with the same settings and sections, or train without --benchmark",
    )

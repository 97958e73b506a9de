"""The settings of a predictor's training, with which its model is trained again."""

from pathlib import Path
from typing import Any

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.cohort import MEMORY
from histoscribe.models.base import Estimator
from histoscribe.predictor.predictor import Predictor
from histoscribe.train.settings import RunSettings, parse_settings, read_settings

_SETTINGS = "settings.toml"
_OF_ITS_COHORT = {"cohort", "sections", "where", "filters", "folds"}
"""Tables that the given cohort and this question take the place of."""


def training_recipe(predictor: Predictor) -> RunSettings:
    """Settings that train the model of a predictor again, on a cohort in memory.

    Cohort, sections, filters and folds are not those of the predictor. The best epoch on inner
    patients is kept.

    Raises
    ------
    DataContractError
        for a model without epochs or without predictions of single spots, settings that nobody
        kept, and training in several processes.
    """
    model = predictor.model
    if isinstance(model, Estimator):
        raise _problem(
            predictor,
            f"{model.name} is no network: it has no epochs, and no spot has a loss after each",
            "a predictor of a network, e.g. `mlp`",
        )
    if model.item == "bag":
        raise _problem(
            predictor,
            f"{model.name} has one label for all spots of a patient",
            "a predictor of a network that was trained on labels of spots",
        )
    path = _settings_file(predictor)
    whole = read_settings(path)
    if whole.run.devices > 1:
        raise _problem(
            predictor,
            f"run.devices = {whole.run.devices}: losses of spots are recorded in one process",
            "a predictor that was trained in one process",
        )
    table: dict[str, Any] = whole.model_dump(
        mode="json", exclude_none=True, exclude=_OF_ITS_COHORT | {"settings", "models"}
    )
    own = whole.settings.get(predictor.row)
    table |= {
        "cohort": MEMORY,
        "models": [predictor.row],
        "settings": {} if own is None else {predictor.row: dict(own)},
        "train": {**table["train"], "keep": "best"},
    }
    return parse_settings(table, str(path))


def _settings_file(predictor: Predictor) -> Path:
    """Settings beside a trained predictor, or those of the run that it lies in."""
    folder = Path() if predictor.folder is None else predictor.folder.resolve()
    if predictor.folder is not None:
        beside = folder / _SETTINGS
        if beside.is_file():
            return beside
        if len(folder.parents) > 2 and folder.parents[1].name == "predictors":
            of_run = folder.parents[2] / _SETTINGS
            if of_run.is_file():
                return of_run
    raise _problem(
        predictor,
        f"no {_SETTINGS} beside it: how to train it again is not known",
        "a folder as `train` or `benchmark` wrote it, with its settings",
    )


def _problem(predictor: Predictor, found: str, expected: str) -> DataContractError:
    remedy = "give such a predictor: its model is trained again"
    return DataContractError(Problem(f"predictor {predictor.name}", found, expected, remedy))

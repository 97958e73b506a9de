"""The settings of a predictor's training, with which its model is trained again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.cohort import MEMORY
from histoscribe.models.base import Estimator
from histoscribe.predictor.predictor import Predictor
from histoscribe.train.settings import RunSettings, parse_settings, read_settings

_SETTINGS = "settings.toml"
_OF_ITS_COHORT = {"cohort", "sections", "where", "filters", "folds"}
"""Tables that the given cohort and the question take the place of."""

_OF_THE_MODEL = {"epochs", "batch_size"}  # in `[train]`, where the settings may leave them open


def training_recipe(predictor: Predictor, *, epochs_needed: bool = False) -> RunSettings:
    """Settings that train the model of a predictor again, on a cohort in memory.

    Cohort, sections, filters and folds are not those of the predictor; epochs and batch are those
    of its card. The model is trained in one process, and computes features in this one.

    Parameters
    ----------
    epochs_needed
        For a question about single epochs: an estimator and a training in several processes are
        refused, and the best epoch on inner patients is kept.

    Raises
    ------
    DataContractError
        for a model without predictions of single spots, and settings that nobody kept.
    """
    _check_model(predictor, epochs_needed=epochs_needed)
    path = _settings_file(predictor)
    whole = read_settings(path)
    if epochs_needed and whole.run.devices > 1:
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
        "run": {**table["run"], "devices": 1},
    }
    # the file leaves them open where the model's own were taken, and those may have changed since
    trained = {key: value for key, value in predictor.card.train.items() if key in _OF_THE_MODEL}
    table["train"] = {**table["train"], **trained}
    if epochs_needed:
        table["train"] = {**table["train"], "keep": "best"}
    return parse_settings(table, str(path))


def with_changes(
    recipe: RunSettings, seed: int | None = None, **tables: Mapping[str, Any]
) -> RunSettings:
    """The recipe with changed settings.

    Raises DataContractError for settings that contradict each other, and for unknown ones.

    Examples
    --------
    >>> with_changes(recipe, train={"epochs": 5}, target={"n_genes": 50})  # doctest: +SKIP
    """
    table: dict[str, Any] = recipe.model_dump(mode="json", exclude_none=True)
    for name, changes in tables.items():
        table[name] = {**table.get(name, {}), **changes}
    if seed is not None:
        table["seed"] = seed
    return parse_settings(table, "settings of another training")


def _check_model(predictor: Predictor, *, epochs_needed: bool) -> None:
    model = predictor.model
    if epochs_needed and isinstance(model, Estimator):
        raise _problem(
            predictor,
            f"{model.name} is no network: it has no epochs, and no spot has a loss after each",
            "a predictor of a network, e.g. `mlp`",
        )
    if predictor.fitted.item == "bag" or predictor.target.samples:
        raise _problem(
            predictor,
            f"{model.name} has one label for all spots of a patient",
            "a predictor that was trained on labels of spots",
        )


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

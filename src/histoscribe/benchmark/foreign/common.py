"""Spots and genes that all foreign models of a run have: every row is scored on these."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np

from histoscribe.benchmark.foreign.model import ForeignModel
from histoscribe.errors import DataContractError, Problem
from histoscribe.types import Cohort, Fold, SpotRows


@dataclass(frozen=True, eq=False)
class ForeignPlan:
    """Foreign models of a run, and what they leave out of it."""

    models: Mapping[str, ForeignModel] = field(default_factory=dict)
    """By name; empty for a benchmark."""
    missing: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Model -> section -> number of test spots that it did not predict."""

    @classmethod
    def of(cls, models: Mapping[str, ForeignModel], folds: Sequence[Fold]) -> "ForeignPlan":
        """Plan of these models for all folds of a cohort."""
        return cls(models, {name: n_missing_spots(of, folds) for name, of in models.items()})

    def files(self) -> dict[str, str]:
        """Files that identify the predictions in the folder of a run, by name."""
        if not self.models:
            return {}
        content = {
            name: {
                "unit": of.unit,
                "training": {key: list(names) for key, names in of.training.names.items()},
                "sections": {section: values.hash for section, values in of.sections.items()},
            }
            for name, of in self.models.items()
        }
        return {"foreign.json": json.dumps(content, indent=1, sort_keys=True) + "\n"}


def common_folds(folds: Sequence[Fold], models: Mapping[str, ForeignModel]) -> tuple[Fold, ...]:
    """Folds with the test spots that all models predicted; training spots stay as they are.

    A fold without such spots is left out: nothing of it could be scored.

    Raises DataContractError if none is left.
    """
    kept = [replace(fold, test=_common_rows(fold.test, models)) for fold in folds]
    kept = [fold for fold in kept if fold.test]
    if not kept:
        listed = "; ".join(f"{name}: {', '.join(of.sections)}" for name, of in models.items())
        raise DataContractError(
            Problem(
                where="predictions",
                found=f"no test spot that all models predicted ({listed})",
                expected="predictions of the same test sections by each model",
                remedy="score these models in separate runs",
            )
        )
    return tuple(kept)


def common_genes(fold: Fold, models: Mapping[str, ForeignModel]) -> set[str]:
    """Genes that every model predicted in every test section of a fold.

    Raises DataContractError if there are none.
    """
    parts = [set(of.sections[section].genes) for of in models.values() for section in fold.test]
    genes = set.intersection(*parts)
    if not genes:
        raise DataContractError(
            Problem(
                where=f"predictions, fold {fold.name}",
                found="no gene that all models predicted in all of its test sections",
                expected="at least one gene in common",
                remedy="score models with other genes in separate runs",
            )
        )
    return genes


def n_missing_spots(model: ForeignModel, folds: Sequence[Fold]) -> dict[str, int]:
    """Number of test spots that a model did not predict, by section; no entry for none."""
    missing: dict[str, int] = {}
    for fold in folds:
        for section, rows in fold.test.items():
            of = model.sections.get(section)
            known = np.empty(0, dtype=int) if of is None else of.rows
            n = len(np.setdiff1d(rows, known))
            if n:
                missing[section] = missing.get(section, 0) + n
    return missing


def leaks_of(
    model: ForeignModel, folds: Sequence[Fold], cohort: Cohort
) -> dict[str, tuple[str, ...]]:
    """Scored section -> training patients and sections that are of its patient."""
    found = {
        section: model.training.overlap(cohort, section, fold.name)
        for fold in folds
        for section in sorted(fold.test)
    }
    return {section: names for section, names in found.items() if names}


def untold_sections(model: ForeignModel, folds: Sequence[Fold], cohort: Cohort) -> tuple[str, ...]:
    """Scored sections of which nobody said what the model was trained on."""
    sections = [(section, fold.name) for fold in folds for section in sorted(fold.test)]
    return tuple(s for s, fold in sections if model.training.of(cohort, s, fold) is None)


def _common_rows(test: SpotRows, models: Mapping[str, ForeignModel]) -> SpotRows:
    found = {}
    for section, rows in test.items():
        parts = [of.sections.get(section) for of in models.values()]
        if any(part is None for part in parts):
            continue
        common = reduce(np.intersect1d, (part.rows for part in parts if part is not None), rows)
        if len(common):
            found[section] = common
    return found

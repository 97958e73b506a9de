"""What a run will do, written down before anything is fitted."""

import json
from dataclasses import dataclass
from pathlib import Path

from histoscribe.data.folds import folds_json, make_folds
from histoscribe.io.cohort import read_cohort
from histoscribe.train.bank import Bank
from histoscribe.train.config import RunSettings, dump_settings
from histoscribe.train.encoding import WeightFiles
from histoscribe.train.run import claim
from histoscribe.types import Fold


@dataclass(frozen=True, eq=False)
class Plan:
    """A run before its first fit."""

    bank: Bank
    folds: tuple[Fold, ...]
    out: Path

    @property
    def settings(self) -> RunSettings:
        """Settings as resolved."""
        return self.bank.settings


def make_plan(settings: RunSettings, out: Path, *, weights: WeightFiles, cache: Path) -> Plan:
    """Read the cohort, make the folds, write settings and folds.

    Raises
    ------
    DataContractError
        for a cohort or weights that do not do, and where `out` holds another run.
    """
    cohort = read_cohort(settings.cohort, sections=settings.sections, filters=settings.filters)
    folds = make_folds(cohort, settings.folds, settings.seed)
    bank = Bank(settings, cohort, weights, cache)
    for encoder in bank.encoders():  # missing weights are said before the long work, not after
        bank.opened(encoder)
    claim(out / "settings.toml", dump_settings(settings))
    claim(out / "folds.json", json.dumps(folds_json(folds), indent=1, sort_keys=True) + "\n")
    return Plan(bank, folds, out)

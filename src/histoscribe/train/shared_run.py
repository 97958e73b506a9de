"""A run that other processes can open, too: its settings and folders travel, its data do not."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from histoscribe.data.folds import make_folds, whole_fold
from histoscribe.data.target import Target
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.cohort import MEMORY
from histoscribe.models.plugins import PluginFile, load_same, loaded_plugins
from histoscribe.parallel import InProcess, Place
from histoscribe.train.arguments import run_cohort
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import dump_settings, parse_settings
from histoscribe.types import Fold


@dataclass(eq=False)
class OpenRun:
    """Data of a run with its folds and their targets, each made on first use."""

    data: RunData
    whole: bool = False
    """Whether the run trains on all sections: it has one fold without test."""
    known: tuple[Fold, ...] = ()
    """Its folds, where they were made before."""
    targets: dict[str, Target] = field(default_factory=dict)
    """Targets that were fitted before, by fold."""

    @cached_property
    def folds(self) -> Mapping[str, Fold]:
        """Folds by name."""
        cohort, settings = self.data.cohort, self.data.settings
        if self.known:
            folds = self.known
        elif self.whole:
            folds = (whole_fold(cohort, settings.seed),)
        else:
            folds = make_folds(cohort, settings.folds, settings.seed)
        return {fold.name: fold for fold in folds}

    def fold(self, name: str | None) -> Fold | None:
        """Fold by name; runs without folds ask for None."""
        return None if name is None else self.folds[name]

    def target(self, fold: Fold) -> Target:
        """Panel and transform of a fold."""
        if fold.name not in self.targets:
            self.targets[fold.name] = self.data.target(fold.train)
        return self.targets[fold.name]


@dataclass(frozen=True, kw_only=True)
class SharedRun:
    """A run by its settings and folders. A process opens it once, whatever the number of jobs."""

    settings: str
    """As TOML."""
    weights: tuple[tuple[str, Path], ...]
    """Encoder weights given by hand."""
    cache: Path
    plugins: tuple[PluginFile, ...]
    """Files of users' models."""
    whole: bool
    """See `OpenRun`."""
    call: str
    """Other in each call, because files may change between two."""
    _opened: OpenRun | None = field(default=None, compare=False, repr=False)
    """The open run in the process of the call; it does not travel."""

    @classmethod
    def of(cls, opened: OpenRun) -> "SharedRun":
        """The open run of this process."""
        data = opened.data
        return cls(
            settings=dump_settings(data.settings),
            weights=tuple((name, path.absolute()) for name, path in sorted(data.weights.items())),
            cache=data.cache.absolute(),
            plugins=loaded_plugins(),
            whole=opened.whole,
            call=uuid4().hex,
            _opened=opened,
        )

    @property
    def run(self) -> OpenRun:
        """The run, opened in this process."""
        return _opened(self) if self._opened is None else self._opened

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what is open."""
        return {**vars(self), "_opened": None}


def check_travels(data: RunData, where: Place) -> None:
    """Check that other processes can open a run.

    Raises
    ------
    DataContractError
        for a cohort in memory, and for fits that start processes of their own.
    """
    if isinstance(where, InProcess):
        return
    problems = []
    if data.settings.cohort == MEMORY:
        problems.append(
            Problem(
                where="cohort",
                found="a cohort in the memory of this process",
                expected="files that other processes can read",
                remedy="write the sections and a manifest, or work in one process",
            )
        )
    if data.settings.run.devices > 1:
        problems.append(
            Problem(
                where="settings, run.devices",
                found=f"{data.settings.run.devices} devices for one fit, in a job of its own",
                expected="one: a job is one process",
                remedy="leave run.devices out, or work without other processes",
            )
        )
    if problems:
        raise DataContractError(problems)


def of_bags(where: str) -> Problem:
    """Problem of runs on bags: their jobs cannot be divided."""
    return Problem(
        where=where,
        found="a run on bags, with [bulk] in its settings",
        expected="a run on spots: only its jobs can be divided",
        remedy="leave the option out, and compute the features before, on this machine",
    )


@lru_cache(maxsize=1)  # a process works for one call at a time
def _opened(shared: SharedRun) -> OpenRun:
    load_same(shared.plugins)
    settings = parse_settings(tomllib.loads(shared.settings), "settings of the run")
    data = RunData(settings, run_cohort(None, settings), dict(shared.weights), shared.cache)
    return OpenRun(data, shared.whole)

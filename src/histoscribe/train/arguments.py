"""Arguments of a run called from Python: cohort, models, and settings by file or by keyword."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict, runtime_checkable

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.cohort import MEMORY, read_cohort, resolved
from histoscribe.io.weights import cache_folder
from histoscribe.near_names import each_meant
from histoscribe.train.settings import (
    RunSettings,
    make_paths_whole,
    parse_settings,
    read_settings,
)
from histoscribe.types import Cohort

AnyCohort = Cohort | str | Path
"""A cohort in memory, the path of a manifest, `catalog:NAME`, `hest:FOLDER` or `stnet:FOLDER`."""
AnyModels = str | Sequence[str] | Mapping[str, Mapping[str, Any]]
"""A name, several names, or a mapping from names to settings."""
_PLACES = ("cache", "weights")


class RunOptions(TypedDict, total=False):
    """Tables of a settings file as keywords, and folders of this machine."""

    seed: int
    sections: Sequence[str]
    where: Mapping[str, str | Sequence[str]]
    filters: Mapping[str, Any]
    bulk: Mapping[str, Any]
    folds: Mapping[str, Any]
    target: Mapping[str, Any]
    pathways: Mapping[str, Any]
    inputs: Mapping[str, Any]
    exemplars: Mapping[str, Any]
    extractor: Mapping[str, Any]
    train: Mapping[str, Any]
    steer: Mapping[str, Any]
    run: Mapping[str, Any]
    cache: str | Path
    weights: Mapping[str, str | Path]


@runtime_checkable
class RunFolder(Protocol):
    """Result with a run folder, e.g. of a benchmark."""

    @property
    def folder(self) -> Path:
        """The folder."""


def run_settings(
    cohort: AnyCohort | None,
    models: AnyModels | None,
    settings: RunSettings | str | Path | None,
    options: RunOptions,
) -> RunSettings:
    """Make the settings of a run from the arguments of a call.

    Raises
    ------
    DataContractError
        listing every unknown key and wrong value; if cohort or models are given twice or not at
        all; if there are both a settings file and single tables.
    """
    tables = {k: v for k, v in options.items() if k not in _PLACES and v is not None}
    if settings is None:
        return _of_tables(cohort, models, tables)
    if problems := [*_both(models, tables)]:
        raise DataContractError(problems)
    if isinstance(settings, RunSettings):
        whole = settings
    else:
        whole = read_settings(settings, cohort=None if cohort is None else cohort_name(cohort))
    if cohort is not None and cohort_name(cohort) != whole.cohort:
        raise DataContractError(_two_cohorts(cohort_name(cohort), whole.cohort))
    return whole


def run_cohort(cohort: AnyCohort | None, settings: RunSettings) -> Cohort:
    """Open the cohort of a run; from a cohort in memory, the sections that the settings select.

    Raises
    ------
    DataContractError
        for an invalid cohort, and if settings filter a cohort in memory.
    """
    if not isinstance(cohort, Cohort):
        return read_cohort(settings.cohort, settings.sections, settings.filters, settings.where)
    problems = [
        Problem(
            where=f"settings, {table}",
            found="a filter, and a cohort in memory, which is already filtered",
            expected="a cohort with only the spots for the run",
            remedy="leave it out; filter when the cohort is made (`hs.read_cohort`), or filter the "
            "AnnData before `hs.cohort_of`",
        )
        for table in ("filters", "where")
        if getattr(settings, table) != RunSettings.model_fields[table].default
    ]
    unknown = sorted(set(settings.sections or ()) - set(cohort.ids))
    if unknown:
        expected = f"some of {', '.join(cohort.ids)}"
        found = f"no section {', '.join(unknown)} in the cohort"
        remedy = each_meant(unknown, cohort.ids, "correct the names")
        problems.append(Problem("settings, sections", found, expected, remedy))
    if problems:
        raise DataContractError(problems)
    return cohort if settings.sections is None else cohort.subset(settings.sections)


def run_path(run: RunFolder | str | Path | None) -> Path | None:
    """Folder of a run given by its result or its path."""
    if run is None or isinstance(run, Path):
        return run
    return Path(run) if isinstance(run, str) else run.folder


def settings_of_run(run: Path, model: str, cohort: AnyCohort | None) -> RunSettings:
    """Settings of a run folder for one of its models, optionally with another cohort path."""
    whole = read_settings(run / "settings.toml")
    table = whole.model_dump(mode="json", exclude_none=True) | {"models": [model]}
    if cohort is not None:
        table["cohort"] = cohort_name(cohort)
    return parse_settings(table, str(run / "settings.toml"))


def no_tables(options: RunOptions) -> bool:
    """Whether a call has no settings."""
    return not [key for key, value in options.items() if value is not None and key not in _PLACES]


def cohort_name(cohort: AnyCohort) -> str:
    """Name of the cohort in the settings of a run; paths become absolute."""
    return MEMORY if isinstance(cohort, Cohort) else resolved(str(cohort), Path.cwd())


def cache_of(options: RunOptions) -> Path:
    """Folder of computed features."""
    return Path(options["cache"]) if options.get("cache") is not None else cache_folder()


def weights_of(options: RunOptions) -> dict[str, Path]:
    """Files of encoder weights by name."""
    return {name: Path(file) for name, file in (options.get("weights") or {}).items()}


def _of_tables(
    cohort: AnyCohort | None, models: AnyModels | None, tables: Mapping[str, Any]
) -> RunSettings:
    problems = [
        Problem(f"argument `{name}`", "none", what, "give it, or a settings file: settings=FILE")
        for name, what, value in (
            ("cohort", "a manifest, catalog:NAME or a cohort in memory", cohort),
            ("models", "names of models; hs.list_models() has them all", models),
        )
        if value is None
    ]
    if problems or cohort is None or models is None:
        raise DataContractError(problems)
    rows = dict(models) if isinstance(models, Mapping) else {}
    names = [models] if isinstance(models, str) else list(models)
    table = {
        "cohort": cohort_name(cohort),
        "models": names,
        "settings": {name: dict(row) for name, row in rows.items() if row},
        **tables,
    }
    make_paths_whole(table, Path.cwd())
    return parse_settings(table, "arguments")


def _both(models: AnyModels | None, tables: Mapping[str, Any]) -> list[Problem]:
    given = ([] if models is None else ["models"]) + sorted(tables)
    return [
        Problem(
            where=f"argument `{name}`",
            found="given together with settings, which also contain it",
            expected="either a settings file or single arguments",
            remedy="put it into the file, or leave settings out",
        )
        for name in given
    ]


def _two_cohorts(argument: str, file: str) -> Problem:
    return Problem(
        where="argument `cohort`",
        found=f"two cohorts: {argument}, and {file} in the settings",
        expected="one",
        remedy="leave one of them out",
    )

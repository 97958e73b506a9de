"""What a foreign model was trained on, as its author says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.delimited import read_frame
from histoscribe.types import Cohort

TrainedOn = str | Path | Sequence[str] | Mapping[str, Sequence[str]]
"""A file, training patients or sections, or these by the patient or section that they predict."""
ALL = "*"
"""Key of what holds for every model, or for everything that is predicted."""
_COLUMNS = ("patient", "section", "fold", "model")
_EXPECTED = (
    "a table with a column `patient` or `section` of training data, and if it differs `fold` (the "
    "patient or section that is predicted) and `model`"
)


@dataclass(frozen=True)
class ForeignTraining:
    """Training patients or sections of a foreign model, by what it then predicted."""

    names: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Patient, section or fold that is predicted (`*`: all) -> training patients and sections."""

    def of(self, cohort: Cohort, section: str, fold: str) -> tuple[str, ...] | None:
        """Training patients and sections behind the prediction of a section; None if unknown."""
        keys = (ALL, fold, str(cohort.patients[section]), section)
        known = [name for key in dict.fromkeys(keys) for name in self.names.get(key, ())]
        return tuple(dict.fromkeys(known)) or None

    def overlap(self, cohort: Cohort, section: str, fold: str) -> tuple[str, ...]:
        """Training patients and sections that are of the patient of a predicted section."""
        patient = cohort.patients[section]
        same = {str(patient), *(id_ for id_, of in cohort.patients.items() if of == patient)}
        return tuple(name for name in self.of(cohort, section, fold) or () if name in same)


@dataclass(frozen=True)
class TrainingTable:
    """Training data of all foreign models; those of the model `*` are of every one."""

    models: Mapping[str, ForeignTraining] = field(default_factory=lambda: MappingProxyType({}))
    where: str = "argument `trained_on`"

    def of(self, model: str) -> ForeignTraining:
        """Training of a model."""
        return self.models.get(model, self.models.get(ALL, ForeignTraining()))

    def problems(
        self, cohort: Cohort, folds: Sequence[str], models: Sequence[str]
    ) -> list[Problem]:
        """Unknown names of models and folds; training patients may be of other cohorts."""
        return [*self._unknown_models(models), *self._unknown_folds(cohort, folds)]

    def _unknown_models(self, models: Sequence[str]) -> Iterator[Problem]:
        for name in self.models:
            if name != ALL and name not in models:
                expected = f"one of {', '.join(models)}"
                yield Problem(
                    self.where, f"no model {name!r} is scored", expected, _near(name, models)
                )

    def _unknown_folds(self, cohort: Cohort, folds: Sequence[str]) -> Iterator[Problem]:
        known = [*folds, *cohort.ids, *(str(patient) for patient in cohort.patients.values())]
        keys = {key for training in self.models.values() for key in training.names}
        for key in sorted(keys - {ALL, *known}):
            expected = "a fold, patient or section of the cohort, or an empty cell for all of them"
            yield Problem(self.where, f"no fold {key!r}", expected, _near(key, known))


def training_table(trained_on: TrainedOn | None) -> TrainingTable:
    """Read what models were trained on.

    Raises DataContractError for a file that is no such table.
    """
    if trained_on is None:
        return TrainingTable()
    if isinstance(trained_on, str | Path):
        return _read(Path(trained_on))
    by_fold = trained_on if isinstance(trained_on, Mapping) else {ALL: trained_on}
    names = {str(key): tuple(str(name) for name in of) for key, of in by_fold.items()}
    return TrainingTable({ALL: ForeignTraining(names)})


def _read(path: Path) -> TrainingTable:
    frame = read_frame(path, words=True)
    frame.columns = [str(name).casefold() for name in frame.columns]
    unknown = [name for name in frame.columns if name not in _COLUMNS]
    if unknown or not {"patient", "section"} & set(frame.columns):
        found = f"columns {', '.join(frame.columns)}"
        raise DataContractError(Problem(str(path), found, _EXPECTED, "correct the header"))
    models: dict[str, ForeignTraining] = {}
    for line in frame.fillna("").to_dict("records"):
        cells = {name: str(cell).strip() for name, cell in line.items()}
        model, fold = cells.get("model") or ALL, cells.get("fold") or ALL
        before = models.get(model, ForeignTraining())
        new = [cells[name] for name in ("patient", "section") if cells.get(name)]
        names = {**before.names, fold: (*before.names.get(fold, ()), *new)}
        models[model] = replace(before, names=names)
    return TrainingTable(models, str(path))


def _near(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, list(dict.fromkeys(known)), n=3)
    return f"did you mean {' or '.join(near)}?" if near else "correct the name"

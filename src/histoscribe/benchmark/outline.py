"""One line about a run before it starts: its work, and the part that is done."""

from collections.abc import Mapping

from histoscribe.benchmark.cell import is_finished
from histoscribe.benchmark.plan import RunPlan
from histoscribe.printable import counted
from histoscribe.train.outline import cached_words, time_words
from histoscribe.types import Fold


def run_outline(plan: RunPlan, files: Mapping[str, str]) -> str:
    """Models, folds, sections, finished and cached work, and the time of the last whole run."""
    models, cohort = plan.settings.models, plan.run_data.cohort
    n_finished = len(finished_cells(plan))
    kept = f" ({n_finished} finished before)" if n_finished else ""
    patients = {section.patient for section in cohort}
    parts = (
        f"{counted(len(models), 'model')} on {counted(len(plan.folds), 'fold')}: "
        f"{counted(len(models) * len(plan.folds), 'fit')}{kept}",
        f"{counted(len(cohort.ids), 'section')} of {counted(len(patients), 'patient')}",
        cached_words(plan.run_data),
        time_words(plan.run_data.cache, files),
    )
    return "; ".join(parts)


def finished_cells(plan: RunPlan) -> list[tuple[Fold, str]]:
    """Fold and model of each cell that is in the run folder already."""
    cells = [(fold, model) for fold in plan.folds for model in plan.settings.models]
    return [(fold, model) for fold, model in cells if is_finished(plan, fold, model)]

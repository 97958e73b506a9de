"""Checks of a run: each finding has a code, a reason and a remedy."""

from collections.abc import Callable, Iterator

from histoscribe.benchmark import (
    checks_of_data,
    checks_of_foreign,
    checks_of_scores,
    checks_of_training,
)
from histoscribe.benchmark.results import Results
from histoscribe.types import Check


def run_checks(results: Results) -> list[Check]:
    """Findings of all checks, in the order of importance."""
    return [check for of in _CHECKS for check in of(results)]


_CHECKS: tuple[Callable[[Results], Iterator[Check]], ...] = (
    checks_of_data.protocol_leaks,
    checks_of_data.panel_leaks,
    checks_of_data.epoch_leaks,
    checks_of_data.twins_leak,
    checks_of_foreign.training_leaks,
    checks_of_data.few_patients,
    checks_of_scores.nothing_found,
    checks_of_scores.depth_is_visible,
    checks_of_scores.depth_explains,
    checks_of_scores.collapsed,
    checks_of_training.side_tasks,
    checks_of_training.not_unlearned,
    checks_of_foreign.training_unknown,
    checks_of_foreign.inside_band,
    checks_of_foreign.unit_unknown,
    checks_of_foreign.unit_doubtful,
    checks_of_foreign.spots_left_out,
    checks_of_foreign.genes_left_out,
    checks_of_foreign.shifted,
    checks_of_data.random_weights,
    checks_of_data.coarse,
    checks_of_data.off_tissue,
    checks_of_data.shifted,
    checks_of_data.twins,
    checks_of_data.weak_validation,
    checks_of_data.no_baselines,
    checks_of_data.shallow,
    checks_of_scores.patients_scored,
    checks_of_scores.undefined,
    checks_of_scores.constant,
)

"""Two members that were trained on a planted region, for the tests of this folder."""

import pytest

from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Cohort
from tests.explain.where.planted_region import planted_cohort, trained


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    """Six patients, the last of which no predictor was trained on."""
    return planted_cohort()


@pytest.fixture(scope="session")
def members(cohort, tmp_path_factory) -> list[Predictor]:
    """Two bag models with another seed each."""
    folder = tmp_path_factory.mktemp("members")
    return [trained(cohort, folder / f"seed-{seed}", seed=seed) for seed in range(2)]

"""A simulated section, and a second slide of it with brown tumour."""

import importlib.util
import sys
from pathlib import Path

import pytest

from histoscribe.io.cohorts.cohort import read_cohort
from tests.benchmark.runs import tiny_cohort

N_SPOTS, SEED = 30, 0  # of the tiny cohort
SCRIPT = Path(__file__).parents[4] / "benchmarks" / "_stained_pair.py"


@pytest.fixture(scope="session")
def pairs():
    """The module that draws the second slide."""
    spec = importlib.util.spec_from_file_location("_stained_pair", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def cohort_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paired")
    tiny_cohort(folder)
    return folder


@pytest.fixture(scope="session")
def section(cohort_folder):
    return read_cohort(cohort_folder / "cohort.csv")["P1S1"]


@pytest.fixture(scope="session")
def pair(pairs, cohort_folder):
    """Turned over, turned by 200 degrees and of another scale; the landmarks are exact."""
    settings = pairs.PairSettings(degrees=200.0, is_mirrored=True, mpp=1.0)
    folder = cohort_folder / "second"
    return pairs.stained_pair(folder, cohort_folder / "P1S1.jpg", "P1S1", N_SPOTS, SEED, settings)

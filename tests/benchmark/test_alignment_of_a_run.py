"""The table of a run says of each section where its own prediction fits."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from histoscribe.benchmark.alignment import COLUMNS, DIRECTIONS, alignment_table, misaligned
from histoscribe.benchmark.cell import cell_prediction
from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.run import benchmark
from histoscribe.benchmark.score import truth_of
from tests.benchmark.runs import tiny_cohort, tiny_settings

MODEL = "ridge"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of one model: its plan and its folder."""
    folder = tmp_path_factory.mktemp("aligned")
    settings = tiny_settings(tiny_cohort(folder / "cohort"), models=[MODEL])
    benchmark(settings=settings, out=folder / "run", cache=folder / "cache")
    return make_plan(settings, folder / "run", weights={}, cache=folder / "cache")


def test_each_section_has_eight_directions_in_the_fold_that_tests_it(run):
    table = pd.read_csv(run.out / "alignment.csv")
    assert tuple(table.columns) == COLUMNS
    assert table.groupby(["fold", "section"]).size().to_dict() == {
        (f"P{i}", f"P{i}S1"): len(DIRECTIONS) for i in (1, 2, 3)
    }


def shifted_truths(plan, section, direction):
    """The truths, but of one section what is predicted one spot away, and noise."""
    truths = []
    for fold in plan.folds:
        for name in sorted(fold.test):
            truth = truth_of(plan, fold, plan.targets[fold.name], name)
            if name == section:
                truth = replace(truth, measured=one_away(plan, fold, name, direction))
            truths.append((fold, truth))
    return truths


def one_away(plan, fold, section, direction):
    opened, predicted = plan.run_data.cohort[section], cell_prediction(plan, fold, MODEL, section)
    step = np.array(DIRECTIONS[direction]) * opened.spots.pitch_um / opened.slide.mpp
    xy = predicted.spots.xy
    _, neighbour = cKDTree(xy).query(xy + step)
    noise = np.random.default_rng(0).normal(size=predicted.values.shape)
    return predicted.values[neighbour] + 0.3 * predicted.values.std(axis=0) * noise


@pytest.mark.parametrize("direction", ["left", "right"])
def test_a_planted_shift_of_a_section_is_found_in_that_section(run, direction):
    table = alignment_table(run, shifted_truths(run, "P2S1", direction), MODEL)
    found = [item for item in misaligned(table) if item.section == "P2S1"]
    assert [(item.fold, item.direction) for item in found] == [("P2", direction)]

"""Items of a fold: a section that is divided is on each side only with its own part."""

import numpy as np
import pytest

from histoscribe.benchmark.plan import make_plan
from histoscribe.data.items.kinds import items_to_predict, training_sides
from histoscribe.data.items.spots import SpotItems
from histoscribe.train.tables import fit_and_val_rows, section_queries, training_table
from tests.benchmark.runs import tiny_cohort, tiny_settings


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return tiny_cohort(tmp_path_factory.mktemp("cohort"))


def spots_of(items, numbers):
    """Section and name of all spots of these items."""
    rows = np.concatenate([items.runs[number] for number in numbers])
    keys = items.keys
    names = (keys.section_names[rows], keys.spot[rows])
    return set(zip(*(map(str, column) for column in names), strict=True))


def named(cohort, rows):
    """Section and name of the spots of one side of a fold."""
    return {(s, str(cohort[s].spots.ids[row])) for s, part in rows.items() for row in part}


@pytest.fixture(scope="module", params=["spot", "block"])
def sides(request, cohort, tmp_path_factory):
    """A fold with a section on two sides: of the test, or of the choice of the epoch."""
    folds = {"protocol": "spot", "k": 3} if request.param == "spot" else {"test": [["P1", "P2"]]}
    settings = tiny_settings(cohort, models=["ridge"], settings={}, folds=folds)
    out = tmp_path_factory.mktemp("run")
    plan = make_plan(settings, out, weights={}, cache=out)
    fold = plan.folds[0]
    target = plan.run_data.target(fold.train)
    table = training_table(plan.run_data, fold, target, None)
    fit, val = fit_and_val_rows(table, "best")
    return plan, fold, training_sides("section", SpotItems(table), fit, val)


def test_each_side_has_its_own_spots_of_a_section_and_no_other(sides):
    plan, fold, made = sides
    inner = fold.inner[0]
    assert set(inner.fit) & (set(inner.val) | set(fold.test)), "a section is on two sides"
    of_fit, of_val = spots_of(made.items, made.fit), spots_of(made.items, made.val)
    assert of_fit == named(plan.run_data.cohort, inner.fit)
    assert of_val == named(plan.run_data.cohort, inner.val)
    assert not (of_fit | of_val) & named(plan.run_data.cohort, fold.test)


def test_the_context_of_a_section_is_made_of_its_own_spots(sides):
    _, _, made = sides
    for side in (made.fit, made.val):
        context = made.items.inputs(("context_feature", "context_um", "present"), side)
        for place, number in enumerate(side):
            rows = made.items.runs[number]
            assert context["present"][place].sum() == len(rows)
            given = context["context_feature"][place, : len(rows)].numpy()
            np.testing.assert_array_equal(given, made.items.table.feature[rows])
            places = context["context_um"][place, : len(rows)].numpy()
            np.testing.assert_allclose(places, made.items.table.xy_um[rows], rtol=1e-6)


def test_test_spots_are_predicted_in_the_company_of_test_spots(sides):
    plan, fold, _ = sides
    for section, rows in fold.test.items():
        row = plan.run_data.settings.rows[0]
        spots = SpotItems(section_queries(plan.run_data, row, section, fold))
        items = items_to_predict("section", spots)
        assert len(items) == 1
        assert spots_of(items, [0]) == named(plan.run_data.cohort, {section: rows})

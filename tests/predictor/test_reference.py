"""What a predictor remembers of its training tissue: exact, balanced, and of training only."""

from dataclasses import replace

import numpy as np
import pytest

from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.predictor import reference as module
from histoscribe.predictor.reference import Reference, fit_reference
from histoscribe.types import SpotKeys, SpotTable
from tests.benchmark.runs import tiny_cohort
from tests.predictor.references import reference_of


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return read_cohort(tiny_cohort(tmp_path_factory.mktemp("cohort"), n_patients=2))


def keys_of(n_spots: dict[str, int], patient: str = "P") -> SpotKeys:
    """So many spots of each section."""
    parts = [
        SpotKeys.of_section(name, patient, [str(row) for row in range(n)])
        for name, n in n_spots.items()
    ]
    return SpotKeys.concatenate(parts)


def table_of(sections: dict[str, tuple[str, np.ndarray]]) -> SpotTable:
    """Spots with these features; section -> patient and features."""
    parts = sorted(sections.items())
    feature = np.concatenate([values for _, (_, values) in parts]).astype(np.float32)
    return SpotTable(
        feature=feature,
        target=np.zeros((len(feature), 1), dtype=np.float32),
        log_total=np.zeros(len(feature)),
        keys=SpotKeys.concatenate(
            [
                SpotKeys.of_section(name, patient, [str(row) for row in range(len(values))])
                for name, (patient, values) in parts
            ]
        ),
        inner=(),
        encoder="drawn",
    )


def drawn(cohort, width=6, shift=0.0):
    """Features of every spot of the cohort, and the rows they belong to."""
    rng = np.random.default_rng(3)
    rows = {name: np.arange(len(cohort[name].spots)) for name in cohort.ids}
    sections = {
        name: (str(cohort.patients[name]), rng.normal(shift, 1 + np.arange(width), (len(r), width)))
        for name, r in rows.items()
    }
    return table_of(sections), rows


def test_distances_are_those_to_the_nearest_point():
    rng = np.random.default_rng(0)
    points, query = rng.normal(size=(40, 5)), rng.normal(size=(30, 5))
    every = np.linalg.norm(query[:, None] - points[None], axis=2).min(axis=1)
    np.testing.assert_allclose(reference_of(points).distance(query), every, rtol=1e-5)


def test_a_distance_does_not_depend_on_how_spots_are_cut_into_chunks(monkeypatch):
    rng = np.random.default_rng(1)
    reference, query = reference_of(rng.normal(size=(50, 8))), rng.normal(size=(23, 8))
    whole = reference.distance(query)
    monkeypatch.setattr(module, "_CHUNK", 5)
    np.testing.assert_array_equal(reference.distance(query), whole)
    assert reference.distance(query[:0]).shape == (0,)


def test_a_kept_training_spot_is_at_distance_zero(cohort):
    table, rows = drawn(cohort)
    distance = fit_reference(table, cohort, rows, seed=0).distance(table.feature)
    assert len(table.feature) < module.N_SPOTS
    np.testing.assert_allclose(distance, 0, atol=1e-5)


def test_one_unit_holds_95_percent_of_the_distances_to_another_patient(cohort):
    table, rows = drawn(cohort)
    reference = fit_reference(table, cohort, rows, seed=0)
    place = reference.place(table.feature)
    patient = table.keys.patient_names
    between = np.linalg.norm(place[:, None] - place[None], axis=2)
    between[patient[:, None] == patient[None]] = np.inf
    share = (between.min(axis=1) <= reference.unit * (1 + 1e-6)).mean()
    assert reference.unit_of == "patient"
    assert 0.93 <= share <= 0.97


def test_the_scale_of_a_feature_does_not_matter(cohort):
    table, rows = drawn(cohort)
    scaled = replace(table, feature=table.feature * np.float32(64.0) + np.float32(16.0))
    one, two = (fit_reference(of, cohort, rows, seed=0) for of in (table, scaled))
    query = np.random.default_rng(9).normal(size=(12, 6)).astype(np.float32)
    np.testing.assert_allclose(
        one.distance(query), two.distance(query * 64 + 16), rtol=1e-3, atol=1e-4
    )


def test_tissue_that_differs_where_training_did_not_vary_is_far(cohort):
    table, rows = drawn(cohort, width=6)
    # five directions of variation in six features: the sixth is the sum of two
    feature = table.feature.copy()
    feature[:, 5] = feature[:, 3] + feature[:, 4]
    reference = fit_reference(replace(table, feature=feature), cohort, rows, seed=0)
    assert len(reference.axes) == 5
    off = feature[:10].copy()
    off[:, 5] += 60
    assert reference.distance(off).min() > 1 > reference.distance(feature[:10]).max()


def test_one_patient_is_measured_by_section_and_one_section_by_place(cohort):
    table, rows = drawn(cohort)
    keys = table.keys
    one_patient = SpotKeys.of_names(keys.section_names, len(keys) * ("P",), keys.spot)
    alone = replace(table, keys=one_patient)
    assert fit_reference(alone, cohort, rows, seed=0).unit_of == "section"
    name = cohort.ids[0]
    own = table.keys.section_names == name
    one = table_of({name: ("P", table.feature[own])})
    reference = fit_reference(one, cohort, {name: rows[name]}, seed=0)
    assert reference.unit_of == "place"
    assert reference.unit > 0


def test_without_any_other_spot_the_distance_is_unknown(cohort):
    name = cohort.ids[0]
    one = table_of({name: ("P", np.array([[1.0, 2.0], [2.0, 1.0]]))})
    near = cohort[name].spots.xy
    closest = np.linalg.norm(near - near[0], axis=1).argsort()[1]
    reference = fit_reference(one, cohort, {name: np.array([0, closest])}, seed=0)
    assert reference.unit is None
    assert np.isnan(reference.distance(one.feature)).all()


def test_sections_are_balanced_and_another_section_changes_no_draw(monkeypatch):
    monkeypatch.setattr(module, "N_SPOTS", 60)
    many = keys_of({"A": 100, "B": 10, "C": 100})
    kept = module._kept_rows(many, 0)
    names = many.section_names[kept].tolist()
    assert {name: names.count(name) for name in "ABC"} == {"A": 25, "B": 10, "C": 25}
    monkeypatch.setattr(module, "N_SPOTS", 50)
    without = module._kept_rows(keys_of({"A": 100, "C": 100}), 0)
    assert [row for row in kept if row < 100] == [row for row in without if row < 100]


def test_stain_and_resolution_are_those_of_the_training_slides(cohort):
    table, rows = drawn(cohort)
    reference = fit_reference(table, cohort, rows, seed=0)
    mpp = [cohort[name].slide.mpp for name in cohort.ids]
    assert reference.mpp == (min(mpp), max(mpp))
    assert set(reference.stain) == set(cohort.ids)
    for stain in reference.stain.values():
        assert stain.haematoxylin > 0.05
        assert stain.haematoxylin_sd > 0
        assert 0 < stain.tissue_share <= 1


def test_a_reference_comes_back_to_the_bit(cohort):
    table, rows = drawn(cohort)
    before = fit_reference(table, cohort, rows, seed=0)
    after = Reference.restored(before.arrays(), before.to_json())
    query = table.feature[:7] + 1
    np.testing.assert_array_equal(before.distance(query), after.distance(query))
    assert after.to_json() == before.to_json()


def test_a_missing_or_extra_array_is_an_error():
    reference = reference_of(np.eye(3))
    arrays = reference.arrays()
    with pytest.raises(TypeError):
        Reference.restored({**arrays, "more": np.zeros(2)}, reference.to_json())
    del arrays["axes"]
    with pytest.raises(TypeError):
        Reference.restored(arrays, reference.to_json())

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from histoscribe.data.folds import (
    FoldSettings,
    fold_cards,
    folds_hash,
    leaky,
    make_folds,
    patient_folds,
    whole_fold,
)
from histoscribe.errors import DataContractError
from histoscribe.types import Cohort, CohortEntry, Section
from tests.data.fakes_for_data import (
    PITCH_PX,
    FakeSlide,
    fake_cohort,
    patients_cohort,
    square_spots,
)

sizes = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    min_size=2,
    max_size=6,
)


def visited(folds):
    return [(id_, row) for fold in folds for id_, rows in fold.test.items() for row in rows]


def all_spots(cohort):
    return sorted((s.id, row) for s in cohort for row in range(len(s.spots)))


def same_rows(left, right):
    assert list(left) == list(right)
    for id_ in left:
        np.testing.assert_array_equal(left[id_], right[id_])


def same_inner(left, right):
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        same_rows(a.fit, b.fit)
        same_rows(a.val, b.val)


@settings(max_examples=30, deadline=None)
@given(sizes, st.integers(0, 5), st.integers(2, 4))
def test_no_patient_is_on_two_sides_and_every_spot_is_tested_once(table, seed, k):
    cohort = patients_cohort(table)
    for folds in (patient_folds(cohort, seed=seed), patient_folds(cohort, min(k, len(table)))):
        assert sorted(visited(folds)) == all_spots(cohort)
        for fold in folds:
            train, test = ({cohort.patients[i] for i in side} for side in (fold.train, fold.test))
            assert train
            assert not train & test
            assert "+".join(sorted(test)) == fold.name


@settings(max_examples=20, deadline=None)
@given(sizes, st.integers(2, 5), st.integers(0, 5))
def test_random_spots_are_tested_once_and_never_trained_on(table, k, seed):
    cohort = patients_cohort({name: [10 + n for n in ns] for name, ns in table.items()})
    folds = make_folds(cohort, FoldSettings(protocol="spot", k=k), seed)
    assert sorted(visited(folds)) == all_spots(cohort)
    for fold in folds:
        train = {(i, row) for i, rows in fold.train.items() for row in rows}
        assert not train & set(visited([fold]))


@settings(max_examples=20, deadline=None)
@given(sizes, st.integers(0, 3), st.integers(5, 60))
def test_the_training_side_ignores_what_the_test_patient_holds(table, seed, limit):
    chosen = FoldSettings(test=(("zz",),), max_train_spots=limit)
    (one,), (other,) = (
        make_folds(patients_cohort({**table, "zz": held}), chosen, seed)
        for held in ([3], [30, 7, 12])
    )
    same_rows(one.train, other.train)
    same_inner(one.inner, other.inner)
    assert one.validation == other.validation


@settings(max_examples=20, deadline=None)
@given(sizes)
def test_training_does_not_change_when_the_test_sections_are_taken_out(table):
    cohort = patients_cohort(table)
    for fold in patient_folds(cohort):
        alone = whole_fold(cohort.subset(list(fold.train)))
        same_rows(fold.train, alone.train)
        same_inner(fold.inner, alone.inner)
        assert fold.validation == alone.validation


@settings(max_examples=20, deadline=None)
@given(sizes, st.integers(0, 3))
def test_the_order_of_the_manifest_does_not_matter(table, seed):
    cohort = patients_cohort(table)
    mixed = patients_cohort(dict(reversed(table.items())))
    for chosen in (FoldSettings(k=2), FoldSettings(protocol="spot", k=3, max_train_spots=20)):
        try:
            folds = make_folds(cohort, chosen, seed)
        except DataContractError:  # a section of one spot leaves a side of a part empty
            continue
        assert folds_hash(folds) == folds_hash(make_folds(mixed, chosen, seed))


@settings(max_examples=25, deadline=None)
@given(st.integers(25, 150), st.floats(0, 20), st.integers(0, 100))
def test_blocks_keep_a_gap_of_one_spot_and_validate_every_spot_once(n_spots, jitter, seed):
    spots = square_spots(n_spots, jitter_px=jitter, seed=seed)
    (section,) = patients_cohort({"a": [n_spots]})
    cohort = fake_cohort([Section("a0", "a", section.slide, spots, section.counts)])
    fold = whole_fold(cohort)
    assert fold.validation == "block"
    assert len(fold.inner) == 5
    validated = np.concatenate([inner.val["a0"] for inner in fold.inner])
    assert sorted(validated) == list(range(n_spots))
    for inner in fold.inner:
        apart = cdist(spots.xy[inner.fit["a0"]], spots.xy[inner.val["a0"]])
        assert apart.min() > 1.01 * PITCH_PX


@pytest.mark.parametrize(
    ("table", "validation", "n_inner"),
    [
        ({"a": [9], "b": [9], "c": [9, 9]}, "patient", 2),
        ({"a": [9, 9, 9], "b": [9]}, "section", 3),
        ({"a": [30], "b": [9]}, "block", 5),
        ({"a": [24], "b": [9]}, "none", 0),
    ],
)
def test_inner_splits_are_by_patient_else_section_else_block(table, validation, n_inner):
    fold = {f.name: f for f in patient_folds(patients_cohort(table))}["b"]
    assert (fold.validation, len(fold.inner)) == (validation, n_inner)


@given(sizes, st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_inner_splits_part_the_training_spots_by_group(table, seed):
    cohort = patients_cohort(table)
    for fold in patient_folds(cohort, seed=seed):
        for inner in fold.inner if fold.validation in ("patient", "section") else ():
            assert set(inner.fit).isdisjoint(inner.val)
            same_rows(dict(sorted({**inner.fit, **inner.val}.items())), fold.train)
            if fold.validation == "patient":
                fit, val = ({cohort.patients[i] for i in s} for s in (inner.fit, inner.val))
                assert not fit & val


def test_section_folds_leave_each_section_out_of_its_own_patient():
    folds = make_folds(patients_cohort({"c": [5, 5, 5]}), FoldSettings(protocol="section"), 0)
    assert [fold.name for fold in folds] == ["c0", "c1", "c2"]
    assert all(fold.protocol == "section" for fold in folds)


def test_fixed_folds_test_what_they_name():
    cohort = patients_cohort({"a": [5], "b": [5], "c": [5]})
    (fold,) = make_folds(cohort, FoldSettings(test=(("c", "a"),)), 0)
    assert (fold.name, list(fold.train), list(fold.test)) == ("a+c", ["b0"], ["a0", "c0"])


def test_a_limit_draws_in_proportion_and_by_name():
    cohort = patients_cohort({"a": [60], "b": [30], "c": [30]})
    folds = {f.name: f for f in make_folds(cohort, FoldSettings(max_train_spots=45), 0)}
    assert {i: len(rows) for i, rows in folds["c"].train.items()} == {"a0": 30, "b0": 15}
    assert sum(map(len, folds["a"].train.values())) == 45
    assert len(folds["c"].test["c0"]) == 30
    np.testing.assert_array_equal(folds["c"].train["a0"], folds["b"].train["a0"])
    assert all((np.diff(rows) > 0).all() for rows in folds["a"].train.values())


def test_assignment_draws_of_a_patient_do_not_depend_on_the_others():
    few = patients_cohort({name: [2] for name in "abcdef"})
    assert patient_folds(few, 3, seed=1)[0].name != patient_folds(few, 3, seed=2)[0].name
    assert [f.name for f in patient_folds(few, 3)] == [f.name for f in patient_folds(few, 3)]


def test_whole_fold_trains_on_everything():
    fold = whole_fold(patients_cohort({"a": [5], "b": [5]}))
    assert (list(fold.train), dict(fold.test), fold.validation) == (["a0", "b0"], {}, "patient")


def test_the_manifest_names_the_leak():
    cohort = patients_cohort({"a": [9, 9], "b": [9]})
    manifest = fold_cards(patient_folds(cohort))
    assert manifest[0].test == {"a0": 9, "a1": 9}
    assert manifest[0].leaky is None
    leak = fold_cards(make_folds(cohort, FoldSettings(protocol="section"), 0))
    assert leak[0].leaky == leaky("section")
    assert leaky("patient") is None
    assert "spots" in leaky("spot")


def test_the_hash_sees_a_moved_spot():
    cohort = patients_cohort({"a": [30], "b": [30]})
    spot = [make_folds(cohort, FoldSettings(protocol="spot", k=3), seed) for seed in (0, 0, 1)]
    hashes = [folds_hash(folds) for folds in spot]
    assert hashes[0] == hashes[1] != hashes[2]


def problems_of(cohort, chosen=None):
    with pytest.raises(DataContractError) as error:
        make_folds(cohort, chosen or FoldSettings(), 0)
    return [f"{p.where}: {p.found} {p.expected} {p.remedy}" for p in error.value.problems]


def bare(id_, patient, *, picture=None, n_spots=4, counts=True):
    (section,) = patients_cohort({patient or "x": [4]})
    spots = square_spots(n_spots)
    matrix = section.counts if counts else None
    if n_spots != 4:
        matrix = None
    return Section(id_, patient, FakeSlide(picture or id_), spots, matrix)


def test_all_problems_of_a_cohort_are_told_at_once():
    def fails():
        return patients_cohort({"": [0]})["nothing"]

    broken = [
        CohortEntry("missing", None, fails),
        CohortEntry("blank", " ", fails),
        CohortEntry("bare", "a", lambda: bare("bare", "a", counts=False)),
        CohortEntry("empty", "b", lambda: bare("empty", "b", n_spots=0)),
        CohortEntry("other", "c", lambda: bare("other", "d")),
        CohortEntry("t1", "e", lambda: bare("t1", "e", picture="same")),
        CohortEntry("t2", "f", lambda: bare("t2", "f", picture="same")),
    ]
    text = "\n".join(problems_of(Cohort(broken)))
    for part in (
        "section missing: no patient",
        "section blank: no patient",
        "section bare: no counts",
        "section empty: no spots left",
        "section other: patient 'd' and 'c'",
        "t1 (patient e), t2 (patient f): equal pixels",
    ):
        assert part in text


def test_twins_of_one_patient_stay_together_and_may_not_be_split_by_section():
    twins = [bare("t1", "a", picture="same"), bare("t2", "a", picture="same"), bare("u", "b")]
    assert len(patient_folds(fake_cohort(twins))) == 2
    found = problems_of(fake_cohort(twins), FoldSettings(protocol="section"))
    assert any("t1, t2 have equal pixels" in text for text in found)
    together = FoldSettings(protocol="section", test=(("t1", "t2"),))
    assert len(make_folds(fake_cohort(twins), together, 0)) == 1


def test_one_patient_cannot_be_divided_by_patient():
    (text,) = problems_of(patients_cohort({"a": [5, 5]}))
    assert "1 patient: a" in text
    assert "'section'" in text


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (FoldSettings(k=3), "at least 3 patients"),
        (FoldSettings(test=(("alicia",),)), "try alice"),
        (FoldSettings(test=(("alice",), ("alice",))), "tested twice"),
        (FoldSettings(test=(("alice", "bob"),)), "tests every patient"),
        (FoldSettings(test=((),)), "without test"),
    ],
)
def test_settings_that_do_not_fit_the_cohort_say_so(chosen, words):
    cohort = patients_cohort({"alice": [5], "bob": [5]})
    assert any(words in text for text in problems_of(cohort, chosen))


@pytest.mark.parametrize(
    "wrong",
    [
        {"protocol": "spot"},
        {"protocol": "spot", "k": 5, "test": (("a",),)},
        {"k": 1},
        {"k": 3, "test": (("a",),)},
        {"max_train_spots": 0},
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong):
    with pytest.raises(ValueError, match=r"k|max_train_spots"):
        FoldSettings(**wrong)

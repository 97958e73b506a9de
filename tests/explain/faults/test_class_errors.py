"""Errors by class, and facts read off a representation: known answers and chance."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from histoscribe.explain.faults.class_errors import class_errors
from histoscribe.explain.faults.held_out import FEATURES, HeldOutSpots
from histoscribe.explain.faults.knowledge import Units, known_facts, read_off
from histoscribe.explain.faults.spot_classes import SpotDivision
from histoscribe.progress import told_to
from histoscribe.types import SpotKeys

SIDE, N_PATIENTS = 9, 6


def spots_with(error, values=None):
    """Patients with a square section each."""
    patient = np.repeat([f"P{number}" for number in range(N_PATIENTS)], SIDE**2)
    y, x = np.mgrid[:SIDE, :SIDE]
    um = np.tile(100.0 * np.stack([x.ravel(), y.ravel()], axis=1), (N_PATIENTS, 1))
    n_spots = len(patient)
    return HeldOutSpots(
        keys=SpotKeys.of_names(
            [f"{name}S" for name in patient], patient, [f"s{row}" for row in range(n_spots)]
        ),
        um=um,
        error=error,
        of_mean=np.ones(n_spots),
        pcc={},
        total=np.ones(n_spots),
        distance=np.full(n_spots, np.nan),
        label=n_spots * (None,),
        readings={FEATURES: np.zeros((n_spots, 1)) if values is None else values},
    )


def smooth(rng):
    """A smooth map of each section, one after the other."""
    maps = [gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.0) for _ in range(N_PATIENTS)]
    return np.concatenate([one.ravel() / one.std() for one in maps])


def errors_of(spots, division):
    (errors,) = class_errors(spots, [division])
    return errors


def division_of(names, training=None, *, of_patients=False):
    return SpotDivision.of_names("kind", list(names), training, of_patients=of_patients)


def test_a_class_is_the_mean_over_its_patients_and_few_spots_do_not_count():
    error = np.repeat(np.arange(1.0, N_PATIENTS + 1), SIDE**2)
    names = np.array(["a"] * len(error), dtype=object)
    names[:4] = "b"  # four spots of the first patient
    names[SIDE**2 : SIDE**2 + 20] = "b"
    found = errors_of(spots_with(error), division_of(names))
    assert found.n_patients == (6, 1)
    np.testing.assert_allclose(found.error, [3.5, 2.0])


def test_smooth_errors_and_unrelated_smooth_labels_are_within_chance():
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labels = np.where(smooth(rng) > 0, "a", "b")
        found = errors_of(spots_with(3 + smooth(rng)), division_of(labels))
        (gap, *_), (chance, *_) = found.numbers()
        alarms += not chance.low <= gap.value <= chance.high
    assert alarms <= 7


def test_a_label_with_larger_errors_is_found_and_named_where_training_lacks_it():
    rng = np.random.default_rng(0)
    field = smooth(rng)
    labels = np.where(field > 0.5, "rare", "usual")
    spots = spots_with(3 + smooth(rng) + 2 * (labels == "rare"))
    share = (labels == "rare").mean()
    for n_rare, named in ((0, ("rare",)), (int(1000 * share), ())):
        training = {"usual": 1000 - n_rare, "rare": n_rare}
        found = errors_of(spots, division_of(labels, training))
        assert found.is_above.tolist() == [True, False]
        assert found.under_represented == named
    assert errors_of(spots, division_of(labels)).under_represented == ()  # unknown


def test_a_class_of_a_few_spots_takes_no_other_class_out_of_the_comparison():
    rng = np.random.default_rng(0)
    labels = np.where(smooth(rng) > 0.5, "rare", "usual").astype(object)
    spots = spots_with(3 + smooth(rng) + 2 * (labels == "rare"))
    labels[:3] = "few"
    found = errors_of(spots, division_of(labels, {"usual": 1000, "rare": 0}))
    assert np.isnan(found.draws[:, 0]).all()
    assert found.is_above.tolist() == [False, True, False]
    assert found.under_represented == ("rare",)
    rare_only = division_of(np.where(labels == "few", labels, None))
    assert not errors_of(spots, rare_only).is_above.any()


def test_facts_of_patients_are_read_off_only_where_patients_share_them():
    rng = np.random.default_rng(0)
    sites = dict(zip([f"P{n}" for n in range(N_PATIENTS)], "ababab", strict=True))
    patient = spots_with(np.ones(N_PATIENTS * SIDE**2)).keys.patient_names.tolist()
    tint = np.array([sites[name] == "a" for name in patient], dtype=float)
    noise = rng.normal(size=(len(tint), 3))
    units = Units.of("site", "patient", patient, sites)
    known = read_off(noise + 3 * tint[:, None], units, FEATURES)
    assert known.accuracy > 0.95
    assert known.accuracy > np.percentile(known.draws, 90)
    unknown = read_off(noise, units, FEATURES)
    low, high = np.percentile(unknown.draws, [2.5, 97.5])
    assert low <= unknown.accuracy <= high
    assert Units.of("site", "patient", patient, dict.fromkeys(sites, "a")) is None


def test_the_time_of_all_classifiers_is_told_once(monkeypatch):
    monkeypatch.setattr("histoscribe.explain.estimate.WORTH_TELLING_S", 0.0)
    sites = dict(zip([f"P{n}" for n in range(N_PATIENTS)], "ababab", strict=True))
    lines = []
    with told_to(lines.append):
        known = list(known_facts(spots_with(np.ones(N_PATIENTS * SIDE**2)), {"site": sites}))
    assert [of.units.fact for of in known] == ["patient", "site"]
    assert len(lines) == 1
    assert lines[0].startswith("2 times 199 classifiers of facts: about ")


def test_a_constant_representation_knows_nothing():
    patient = spots_with(np.ones(N_PATIENTS * SIDE**2)).keys.patient_names.tolist()
    sites = dict(zip([f"P{n}" for n in range(N_PATIENTS)], "ababab", strict=True))
    units = Units.of("site", "patient", patient, sites)
    known = read_off(np.ones((len(patient), 4)), units, FEATURES)
    assert known.accuracy == pytest.approx(0.5)

"""Gains of the stain: what they follow, that the picture shows them, and what stays as it was."""

import csv
import json
from hashlib import sha256

import numpy as np
import pytest

from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.simulate import read_truth, simulate
from histoscribe.simulate.config import SimulationConfig
from histoscribe.simulate.stain_gains import gains_of_patient

SMALL = {"spots_per_section": 40, "genes_per_family": 2, "families": ("compartment",), "seed": 3}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    out = tmp_path_factory.mktemp("gains")
    for gains in ("none", "independent", "tied"):
        simulate(out / gains, 3, stain_gains=gains, **SMALL)
    return out


def test_without_gains_the_settings_have_the_hash_of_a_cohort_from_before():
    assert SimulationConfig().digest == "7cf100eb7ae1731a"
    assert SimulationConfig(stain_gains="tied").digest != SimulationConfig().digest


def test_without_gains_nothing_of_them_is_written(drawn):
    assert (read_truth(drawn / "none", "P1S1").stain_gain == 1).all()
    assert "stain_gain" not in (drawn / "none" / "cohort.csv").read_text()
    assert "stain_gains" not in json.loads((drawn / "none" / "truth" / "P1.json").read_text())
    assert b"stain_gain" not in (drawn / "none" / "truth" / "P1S1.safetensors").read_bytes()


def test_gains_change_the_picture_and_nothing_else(drawn):
    for name in ("P1S1", "P3S1"):
        plain, stained = (read_truth(drawn / gains, name) for gains in ("none", "tied"))
        np.testing.assert_array_equal(plain.rates, stained.rates)
        matrix = f"{name}/filtered_feature_bc_matrix.h5"
        assert _hash(drawn / "none" / matrix) == _hash(drawn / "tied" / matrix)
        assert _hash(drawn / "none" / f"{name}.jpg") != _hash(drawn / "tied" / f"{name}.jpg")


def test_tied_gains_follow_the_tumour_in_training_patients_only(drawn):
    rows = list(csv.DictReader((drawn / "tied" / "cohort.csv").read_text().splitlines()))
    assert [row["stain_gains"] for row in rows] == ["tied", "tied", "free"]
    for row in rows:
        truth = read_truth(drawn / "tied", row["section"])
        found = _correlations(truth)
        facts = json.loads((drawn / "tied" / "truth" / f"{row['patient']}.json").read_text())
        assert facts["stain_gains"] == row["stain_gains"]
        assert (found > 0.5).all() if row["stain_gains"] == "tied" else (abs(found) < 0.3).all()


def test_independent_gains_follow_nothing_in_any_patient(drawn):
    found = [_correlations(read_truth(drawn / "independent", f"P{n}S1")) for n in (1, 2, 3)]
    assert np.abs(np.mean(found, axis=0)).max() < 0.2


def test_the_picture_shows_the_gains(drawn):
    """Density of the tile with gains, relative to that without, follows the gain of its spot."""
    truth = read_truth(drawn / "independent", "P1S1")
    density = [_tile_density(drawn / gains / "cohort.csv") for gains in ("none", "independent")]
    # red light shows haematoxylin, green light both stains
    ratio = density[1] / density[0]
    assert np.corrcoef(np.log(ratio[:, 0]), np.log(truth.stain_gain[:, 0]))[0, 1] > 0.8
    assert np.corrcoef(np.log(ratio[:, 1]), np.log(truth.stain_gain).mean(axis=1))[0, 1] > 0.7


def test_a_cohort_of_tied_gains_needs_a_patient_to_test(tmp_path):
    for n_patients, n_free in ((2, 1), (3, 1), (6, 2), (9, 3)):
        gains = [gains_of_patient("tied", number, n_patients) for number in range(n_patients)]
        assert gains == (n_patients - n_free) * ["tied"] + n_free * ["free"]
    with pytest.raises(ValueError, match="at least 2 patients"):
        simulate(tmp_path / "none", 1, stain_gains="tied")
    with pytest.raises(ValueError, match="independent"):
        simulate(tmp_path / "none", 2, stain_gains="free")
    assert not (tmp_path / "none").exists()


def _correlations(truth):
    """Of the logarithm of both gains with the tumour share."""
    tumour = truth.fraction[:, 0]
    return np.array([np.corrcoef(of, tumour)[0, 1] for of in np.log(truth.stain_gain).T])


def _tile_density(manifest):
    """Mean optical density of the middle of each tile in red and in green."""
    section = read_cohort(manifest)["P1S1"]
    tiles = [section.slide.read((x, y), 100, 0.5)[..., :2] for x, y in section.spots.xy]
    return np.array([-np.log10((tile + 1.0) / 256).mean(axis=(0, 1)) for tile in tiles])


def _hash(path):
    return sha256(path.read_bytes()).hexdigest()

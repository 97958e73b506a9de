"""Classes of spots by a gene: fifths of the values, a colour each, and none for a constant."""

import json

import numpy as np

from histoscribe.io.predictions.geojson import write_detections
from histoscribe.io.predictions.spot_classes import fifths
from histoscribe.types import Spots


def test_fifths_have_equal_sizes_and_rise_with_the_value():
    values = np.random.default_rng(0).permutation(np.arange(100.0))
    classes = fifths("ERBB2", values)
    assert np.bincount(classes.of_spot, minlength=6).tolist() == [20] * 5 + [0]
    assert (np.diff(classes.of_spot[np.argsort(values)]) >= 0).all()
    assert len({*classes.colours}) == len(classes.names) == 6


def test_a_constant_gene_is_said_to_be_constant():
    classes = fifths("ERBB2", np.array([3.0, 3.0, np.nan]))
    named = [classes.names[of] for of in classes.of_spot]
    assert named == ["ERBB2 constant", "ERBB2 constant", "ERBB2 not trusted"]


def test_without_any_value_no_spot_has_a_level():
    classes = fifths("ERBB2", np.full(3, np.nan))
    assert {classes.names[of] for of in classes.of_spot} == {"ERBB2 not trusted"}


def test_most_values_equal_leaves_them_in_one_class():
    of_spot = fifths("ERBB2", np.array([0.0] * 9 + [1.0])).of_spot
    assert of_spot.tolist() == [0] * 9 + [4]


def test_qupath_gets_the_class_of_each_spot_with_its_colour(tmp_path):
    spots = Spots(("a", "b"), np.array([[50.0, 60.0], [150.0, 60.0]]), 50.0, 50.0, "squares")
    gene = np.array([0.0, 1.0])
    blocks = [{"ERBB2": gene[:1]}, {"ERBB2": gene[1:]}]
    write_detections(tmp_path / "x.geojson", spots, 0.5, blocks, fifths("ERBB2", gene))
    features = json.loads((tmp_path / "x.geojson").read_text())["features"]
    assert [feature["properties"]["classification"] for feature in features] == [
        {"name": "ERBB2 1 of 5 (lowest)", "color": [68, 1, 84]},
        {"name": "ERBB2 5 of 5 (highest)", "color": [253, 231, 37]},
    ]

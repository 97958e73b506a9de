"""Tables of what spots are."""

import gzip

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.sections.labels import read_labels
from histoscribe.types import Spots

SPOTS = Spots(("9x21", "9x14", "9x27"), np.zeros((3, 2)), 100.0, 200.0)


@pytest.mark.parametrize(
    "text",
    [
        "spot,label\n9x14,tumour\n9x21,fat\n1x1,fat\n",
        "spot\tlabel\n9x14\ttumour\n9x21\tfat\n9x27\t\n",
        "spot;label\n9x21-1;fat\n9x14-1;tumour\n9x27-1;NA\n",
        "Row.names\tx\ty\tlabel\na\t9.02\t20.994\tfat\nb\t9.018\t13.999\ttumour\n",
    ],
)
def test_labels_are_those_of_the_spots_in_order(tmp_path, text):
    path = tmp_path / "labels.tsv"
    path.write_text(text)
    assert read_labels(path, SPOTS) == ("fat", "tumour", None)
    path.write_bytes(gzip.compress(text.encode()))
    assert read_labels(path, SPOTS) == ("fat", "tumour", None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "fewer than two lines"),
        ("spot,kind\n9x21,fat\n", "columns spot, kind"),
        ("x,y,label\nnine,21,fat\n", "gaps or words"),
        ("spot,label\n9x21,fat\n9x21,tumour\n", "1 spots under two labels: 9x21"),
        ("spot,label\n1x1,fat\n", "none of them of this section"),
    ],
)
def test_a_table_that_does_not_do_says_why(tmp_path, text, says):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(DataContractError, match=says):
        read_labels(path, SPOTS)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataContractError, match="no such file"):
        read_labels(tmp_path / "lost.csv", SPOTS)


@pytest.mark.data
def test_every_spot_of_her2st_a1_has_the_label_of_its_pathologist(real_data):
    section = read_cohort("catalog:her2st", ["A1"])["A1"]
    path = real_data / "her2st" / "ST-pat" / "lbl" / "A1_labeled_coordinates.tsv"
    labels = read_labels(path, section.spots)
    assert None not in labels
    assert "invasive cancer" in labels

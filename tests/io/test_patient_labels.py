"""Tables of labels of patients."""

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.catalog_bulk import read_catalog_bulk
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.cohorts.patient_labels import read_patient_labels

TEXT = "patient,CMS,days,death\nP1,CMS1,10,1\nTCGA-AA-3516-01A,NA,,0\nP3,CMS2,7.5,0\n"


def table(folder, text=TEXT):
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_labels_and_survival_are_read_by_patient(tmp_path):
    labels = read_patient_labels(table(tmp_path))
    assert labels.names == ("CMS",)
    patients = ("P3", "TCGA-AA-3516", "P1", "P9")
    assert labels.of("CMS", patients[:3]) == ("CMS2", "", "CMS1")
    assert labels.of("CMS", patients[3:]) == ("",)
    expected = [[7.5, 0], [np.nan, np.nan], [10, 1], [np.nan, np.nan]]
    np.testing.assert_array_equal(labels.survival(patients), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace("patient", "name"), "columns name, CMS"),
        (TEXT + "P1,CMS2,3,0\n", "1 patients in several lines: P1"),
    ],
)
def test_tables_that_name_no_patient_or_one_twice_are_told(tmp_path, text, message):
    with pytest.raises(DataContractError, match=message):
        read_patient_labels(table(tmp_path, text))


def test_bulk_of_the_catalog_says_what_it_is_and_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
    with pytest.raises(DataContractError, match="give it as `explain subtypes --bulk"):
        read_cohort("catalog:tcga-crc")
    with pytest.raises(DataContractError) as error:
        read_catalog_bulk("catalog:tcga-crc")
    assert len(error.value.problems) == 4
    assert "github.com/Lothelab/CMScaller" in error.value.problems[0].remedy
    with pytest.raises(DataContractError, match=r"e\.g\. catalog:tcga-crc"):
        read_catalog_bulk("catalog:hallmark")

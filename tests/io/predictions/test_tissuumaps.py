"""The project for TissUUmaps names the slide, the prediction, and what its file holds."""

import json

import h5py
import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.predictions.tissuumaps import write_tissuumaps
from tests.viewer.toys import toy_prediction, write_toy


def test_every_menu_entry_is_a_column_of_the_prediction(tmp_path):
    (tmp_path / "values").mkdir()
    slide, file = write_toy(tmp_path)
    file = file.rename(tmp_path / "values" / file.name)
    prediction = toy_prediction(slide)
    write_tissuumaps(tmp_path / "S1.tmap", slide, file, prediction.head, 110.0)
    project = json.loads((tmp_path / "S1.tmap").read_text())
    assert project["layers"] == [{"name": "S1", "tileSource": "he.png.dzi"}]
    genes, facts = project["markerFiles"]
    assert {of["path"] for of in (genes, facts)} == {"values/S1.h5ad"}
    assert [of["optionName"] for of in genes["dropdownOptions"]] == ["ERBB2", "ENSG2", "ENSG3"]
    with h5py.File(file) as stored:

        def column(name: str) -> np.ndarray:
            path, _, number = name.partition(";")
            return stored[path][:, int(number)] if number else stored[path][:]

        x = column(genes["expectedHeader"]["X"]) * genes["expectedHeader"]["coord_factor"]
        np.testing.assert_allclose(x, prediction.spots.xy[:, 0])
        for row, of in enumerate(genes["dropdownOptions"]):
            values = column(of["expectedHeader.cb_col"])
            np.testing.assert_array_equal(values, prediction.values[:, row])
        for of in facts["dropdownOptions"]:
            values = column(of["expectedHeader.cb_col"])
            np.testing.assert_array_equal(values, prediction.head.spot_facts[of["name"]])


def test_files_that_tissuumaps_would_not_serve_are_refused_together(tmp_path):
    slide, file = write_toy(tmp_path)
    head = toy_prediction(slide).head
    with pytest.raises(DataContractError) as error:
        write_tissuumaps(tmp_path / "a" / "S1.json", slide, file.with_suffix(".zarr"), head, 110.0)
    told = str(error.value)
    assert "ends in .tmap" in told
    assert "ends in .h5ad" in told
    assert told.count("outside") == 2
    assert not (tmp_path / "a").exists()

"""Spot tables of ST arrays: every spelling gives the same spots, what is no number is told."""

import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section

WAYS = {
    "semicolon and decimal commas": lambda t: t.to_csv(sep=";", decimal=",", index=False),
    "numbered lines": lambda t: t.to_csv(),
    "write.table of R": lambda t: t.to_csv(sep=" ", quoting=2).removeprefix('"" '),
    "capitals": lambda t: t.rename(columns=str.upper).to_csv(sep="\t", index=False),
    "words for flags": lambda t: t.assign(selected="TRUE").to_csv(sep="\t", index=False),
    "no flags": lambda t: t.drop(columns="selected").to_csv(sep="\t", index=False),
    "rescaled image": lambda t: t.rename(columns={"pixel_x": "app_px", "pixel_y": "app_py"}).to_csv(
        sep="\t", index=False
    ),
}


def rewritten(writer, change):
    source = writer.st()
    table = pd.read_csv(source.spots, sep="\t")
    source.spots.write_text(change(table))
    return source


@pytest.mark.parametrize("way", WAYS)
def test_spots_are_the_same_however_they_are_written(writer, way):
    section = read_section(rewritten(writer, WAYS[way]), Filters())
    np.testing.assert_allclose(section.spots.xy, writer.truth.xy)
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts)


def put(column, value):
    def change(table):
        table[column] = table[column].astype(object)
        table.loc[3, column] = value
        return table.to_csv(sep="\t", index=False)

    return change


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("selected", "maybe", "selected is 'maybe' at a spot"),
        ("selected", 2, "selected is '2' at a spot"),
        ("new_x", "4,01,2", "gaps or words in x, y, pixel_x, pixel_y, new_x"),
        ("new_y", None, "gaps or words"),
        ("pixel_x", "1.234,5", "gaps or words"),
    ],
)
def test_one_bad_cell_is_told(writer, column, value, message):
    with pytest.raises(DataContractError, match=message):
        read_section(rewritten(writer, put(column, value)), Filters())


def test_numbers_that_may_be_thousands_are_asked_for(writer):
    def change(table):
        table[["pixel_x", "pixel_y"]] = (table[["pixel_x", "pixel_y"]] / 10).map("{:.3f}".format)
        return table.to_csv(sep="\t", index=False).replace(".", ",")

    with pytest.raises(DataContractError, match="may be a decimal sign or part thousands"):
        read_section(rewritten(writer, change), Filters())

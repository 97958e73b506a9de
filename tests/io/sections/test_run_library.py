"""A run that `aggr` made of several libraries is no section; each of its libraries is."""

import dataclasses
import json

import h5py
import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section

BASES = ["".join("ACGT"[(spot >> 2 * place) & 3] for place in range(12)) for spot in range(12)]


@pytest.fixture
def source(writer, monkeypatch):
    """One matrix and one table of positions; images and scale factors by library."""
    monkeypatch.setattr(type(writer), "barcodes", [f"{bases}-1" for bases in BASES])
    source = writer.spaceranger()
    outs = writer.folder / "outs"
    for number, name in enumerate(("left", "right"), start=1):
        folder = outs / "spatial" / name
        folder.mkdir()
        factors = json.loads((outs / "spatial" / "scalefactors_json.json").read_text())
        (folder / "scalefactors_json.json").write_text(json.dumps(factors | {"gem_id": number}))
        writer.save(folder / "tissue_hires_image.png", writer.truth.image() + np.uint8(number))
    (outs / "spatial" / "tissue_hires_image.png").unlink()
    (outs / "spatial" / "scalefactors_json.json").unlink()
    one = pd.read_csv(outs / "spatial" / "tissue_positions.csv")
    two = one.assign(barcode=[f"{bases}-2" for bases in BASES])
    (outs / "spatial" / "tissue_positions.csv").unlink()
    pd.concat([one, two]).to_csv(outs / "aggr_tissue_positions.csv", index=False)
    both = [*one["barcode"], *two["barcode"]]
    monkeypatch.setattr(type(writer), "barcodes", both)
    path = outs / "sample_filtered_feature_bc_matrix.h5"
    with h5py.File(path, "r+") as file:
        group, antibody = file["matrix"], np.full((24, 1), 5)
        for name in ("data", "indices", "indptr", "shape", "barcodes"):
            del group[name]
        counts = np.vstack([writer.truth.counts, 2 * writer.truth.counts])
        writer._fill(group, np.hstack([counts, antibody]))
    return source


def read(source, library=None):
    facts = {} if library is None else {"library": library}
    return read_section(dataclasses.replace(source, facts=facts), Filters())


def test_its_libraries_are_named_and_none_is_guessed(source):
    with pytest.raises(DataContractError) as caught:
        read(source)
    assert "left (12 spots), right (12 spots) by the barcodes" in str(caught.value)
    assert "column `library` of the manifest" in str(caught.value)
    with pytest.raises(DataContractError, match="no spot is marked as of library 'middle'"):
        read(source, "middle")


@pytest.mark.parametrize(("number", "name"), [(1, "left"), (2, "right")])
def test_a_library_has_its_counts_and_its_image(number, name, source, writer):
    section = read(source, name)
    np.testing.assert_array_equal(section.measured.matrix.toarray(), number * writer.truth.counts)
    image = writer.truth.image() + np.uint8(number)
    np.testing.assert_array_equal(section.slide.overview(section.slide.mpp), image)
    assert f"library {name} of the run" in section.notes


def test_counts_of_a_run_fit_the_positions_of_one_library(source, writer):
    path = writer.folder / "outs" / "aggr_tissue_positions.csv"
    pd.read_csv(path).iloc[:12].to_csv(path, index=False)
    section = read(source, "right")
    np.testing.assert_array_equal(section.measured.matrix.toarray(), 2 * writer.truth.counts)
    assert section.spots.ids[0].endswith("-1")


def test_without_folders_the_names_are_those_of_the_table(source, writer):
    outs = writer.folder / "outs"
    for name in ("left", "right"):
        (outs / "spatial" / name / "scalefactors_json.json").unlink()
    (outs / "aggregation.csv").write_text("library_id,molecule_h5\nA,a.h5\nB,b.h5\n")
    whole = writer.truth.image().repeat(4, axis=0).repeat(4, axis=1)
    given = dataclasses.replace(source, image=writer.save(outs / "whole.png", whole))
    section = read(given, "B")
    np.testing.assert_array_equal(section.measured.matrix.toarray(), 2 * writer.truth.counts)

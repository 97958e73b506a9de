"""Predictions of patients go to bulk.h5ad and back unchanged."""

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.predictions.bulk_file import FILE, bulk_to_anndata, read_bulk, write_bulk
from histoscribe.types import BulkPrediction, Spots, TileEvidence


def prediction(**changes):
    spots = Spots(("r0c0", "r0c1"), np.array([[5.0, 6.0], [7.0, 8.0]]), 100.0, 100.0, "squares")
    maps = {"tile": np.array([[1.0, 2.0], [3.0, 4.0]]), "attention": np.array([[0.25], [0.75]])}
    fields = {
        "patients": ("P1", "P2", "P3"),
        "genes": ("TP53", "APC"),
        "values": np.arange(6.0).reshape(3, 2),
        "unit": "cp10k-log1p of counts",
        "predictor": "he2rna@12ab",
        "deviation": np.full((3, 2), 0.5),
        "gene_names": ("TP53", "APC"),
        "evidence": {"slide-a": TileEvidence(patient="P1", spots=spots, values=maps)},
        "card": "{}",
        **changes,
    }
    return BulkPrediction(**fields)


@pytest.mark.parametrize(
    "changes", [{}, {"deviation": None, "evidence": {}, "gene_names": (), "card": ""}]
)
def test_a_prediction_comes_back_as_it_was(tmp_path, changes):
    given = prediction(**changes)
    write_bulk(given, tmp_path / FILE)
    back = read_bulk(tmp_path / FILE)
    for name in ("patients", "genes", "unit", "predictor", "gene_names", "card"):
        assert getattr(back, name) == getattr(given, name)
    np.testing.assert_array_equal(back.values, given.values)
    assert (back.deviation is None) == (given.deviation is None)
    assert set(back.evidence) == set(given.evidence)
    for section, of in given.evidence.items():
        found = back.evidence[section]
        assert (found.patient, found.spots.ids) == (of.patient, of.spots.ids)
        np.testing.assert_array_equal(found.spots.xy, of.spots.xy)
        assert found.spots.pitch_um == of.spots.pitch_um
        for name, values in of.values.items():
            np.testing.assert_array_equal(found.values[name], values)
    write_bulk(back, tmp_path / "again.h5ad")
    assert (tmp_path / "again.h5ad").read_bytes() == (tmp_path / FILE).read_bytes()


def test_a_file_of_an_older_version_is_read(tmp_path):
    given = prediction(gene_names=("p53", "APC"), card='{"protocol": "patient"}')
    data = bulk_to_anndata(given)
    assert list(data.var_names) == ["p53", "APC"]
    data.var_names = data.var["gene_ids"].to_numpy()
    del data.var["gene_ids"]
    data.uns["histoscribe"]["card"] = given.card
    data.write_h5ad(tmp_path / FILE)
    back = read_bulk(tmp_path / FILE)
    assert (back.genes, back.gene_names, back.card) == (given.genes, given.gene_names, given.card)


def test_another_file_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"no h5ad")
    with pytest.raises(DataContractError, match="truncated or damaged"):
        read_bulk(tmp_path / FILE)

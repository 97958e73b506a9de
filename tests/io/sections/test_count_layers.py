"""Raw counts are found where tools keep them; of two that differ, none is guessed."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from histoscribe.errors import DataContractError
from histoscribe.io.sections.count_layers import raw_counts_of

IDS = [f"ENSG{number:011d}" for number in range(6)]
SYMBOLS = [f"SYM{number}" for number in range(6)]


def counts(seed=0):
    return np.random.default_rng(seed).poisson(4, (9, 6)) + 1


def normalised() -> ad.AnnData:
    """Values of `X` are logarithms; nothing else is there."""
    var = pd.DataFrame(index=pd.Index(IDS, dtype=object))
    return ad.AnnData(X=np.log1p(counts()).astype(np.float32), var=var)


def with_raw(values=None, genes=slice(None)) -> ad.AnnData:
    """`X` with some of the genes that `raw` has, as scanpy keeps all of them."""
    whole = normalised()
    whole.X = sp.csr_matrix((counts() if values is None else values).astype(np.float32))
    data = normalised()[:, genes].copy()
    data.raw = whole
    return data


def read(data, layer=None):
    return raw_counts_of(Path("a.h5ad"), data, None, layer)


def refused(data, layer=None) -> str:
    with pytest.raises(DataContractError) as caught:
        read(data, layer)
    return str(caught.value)


def test_counts_of_raw_are_read_where_x_is_normalised_and_told():
    found, notes = read(with_raw(genes=slice(0, 4)))
    np.testing.assert_array_equal(found.matrix.toarray(), counts())
    assert found.gene_ids == tuple(IDS)
    assert any("raw.X" in note for note in notes)


@pytest.mark.parametrize("name", ["raw_counts", "umi", "spliced"])
def test_whole_numbers_of_a_layer_of_any_name_are_read_and_told(name):
    data = normalised()
    data.layers[name] = sp.csc_matrix(counts())
    data.layers["scaled"] = counts() - 0.5
    found, notes = read(data)
    np.testing.assert_array_equal(found.matrix.toarray(), counts())
    assert any(name in note for note in notes)


def test_several_that_differ_are_asked_about_and_chosen_by_name():
    data = with_raw()
    data.layers["spliced"], data.layers["unspliced"] = counts(1), counts(2)
    said = refused(data)
    assert "raw.X" in said
    assert "column `layer` of the manifest: raw or spliced or unspliced" in said
    np.testing.assert_array_equal(read(data, "unspliced")[0].matrix.toarray(), counts(2))
    np.testing.assert_array_equal(read(data, "raw")[0].matrix.toarray(), counts())
    assert "one of X, raw, spliced, unspliced" in refused(data, "umi")
    assert "normalised values" in refused(data, "X")


def test_several_that_are_equal_are_one():
    data = with_raw(genes=slice(2, 6))
    data.layers["umi"] = counts()[:, 2:]
    assert read(data)[0].gene_ids == tuple(IDS)


def test_x_of_counts_goes_on_to_be_read_and_a_raw_that_differs_is_asked_about():
    data = with_raw()
    data.X = counts().astype(np.float32)
    assert read(data)[1] == ()
    data.layers["spliced"] = counts(1)
    np.testing.assert_array_equal(read(data)[0].matrix.toarray(), counts())
    data.X = (counts() > 3).astype(np.float32)
    assert "X (sum" in (said := refused(data))
    assert "X or raw" in said


def test_genes_that_only_raw_has_are_told():
    data = with_raw(genes=slice(0, 4))
    data.X = counts()[:, :4].astype(np.float32)
    found, notes = read(data)
    assert len(found.gene_ids) == 4
    assert "2 more genes" in notes[0]


def test_without_any_counts_x_is_named():
    assert "a.h5ad, X: fractions" in refused(normalised())
    assert "a.h5ad, X: fractions" in refused(with_raw(values=counts() / 3))


def test_the_layer_counts_goes_before_all_others():
    data = with_raw()
    data.layers["counts"] = counts(3)
    np.testing.assert_array_equal(read(data)[0].matrix.toarray(), counts(3))


@pytest.mark.parametrize("column", ["feature_name", "gene_symbols"])
def test_symbols_beside_ids_of_ensembl_are_names(column):
    data = with_raw()
    data.var[column] = pd.Categorical(SYMBOLS)  # the table of `raw` has none
    found, _ = read(data)
    assert (found.gene_ids, found.gene_names) == (tuple(IDS), tuple(SYMBOLS))
    data.var_names = SYMBOLS
    data.raw.var.index = SYMBOLS
    assert read(data)[0].gene_ids == tuple(SYMBOLS)


def test_a_gene_without_a_symbol_keeps_its_id():
    data = with_raw()
    data.raw.var["feature_name"] = [np.nan, *SYMBOLS[1:]]
    assert read(data)[0].gene_names == (IDS[0], *SYMBOLS[1:])


def test_a_gene_without_an_id_keeps_its_symbol_and_no_other_loses_its_id():
    data = ad.AnnData(X=counts().astype(np.float32))
    data.var_names = ["TWICE", "TWICE", *SYMBOLS[2:]]
    data.var["gene_ids"] = [*IDS[:4], np.nan, None]
    assert read(data)[0].gene_ids == (*IDS[:4], *SYMBOLS[4:])

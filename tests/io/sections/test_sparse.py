"""Sparse counts: three files of one section, and no other way round."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section


def refused(source) -> str:
    with pytest.raises(DataContractError) as caught:
        read_section(source, Filters())
    return str(caught.value)


def test_a_turned_matrix_is_told(writer):
    source = writer.sparse()
    sp.save_npz(source.counts, sp.csc_matrix(writer.truth.counts))
    assert "transpose it" in refused(source)


def test_another_number_of_genes_is_told(writer):
    source = writer.sparse()
    source.path.write_text("ONE\nTWO\n")
    assert "2 genes x 12 spots" in refused(source)


def test_normalised_values_are_refused(writer):
    source = writer.sparse()
    sp.save_npz(source.counts, sp.csc_matrix(np.log1p(writer.truth.counts.T)))
    assert "raw counts" in refused(source)


def test_a_pickle_is_never_opened(writer):
    source = writer.sparse()
    np.savez(source.counts, format=np.array({"a": 1}, dtype=object))
    assert "no sparse matrix" in refused(source)


def test_without_a_pitch_the_um_per_px_must_come_from_elsewhere(writer):
    source = replace(writer.sparse(), facts={})
    assert "um/px is unknown" in refused(source)
    spots = read_section(replace(source, mpp=2.0), Filters()).spots
    assert spots.pitch_um == pytest.approx(40)


def test_a_pitch_that_is_no_length_is_told(writer):
    source = replace(writer.sparse(), facts={"pitch_um": "wide"})
    assert "pitch_um 'wide'" in refused(source)

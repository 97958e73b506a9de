"""A damaged sparse array is told by every reader; none reaches SciPy's routines in C."""

import gzip
import os
import sys
from contextlib import suppress
from dataclasses import replace

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.errors import DataContractError
from histoscribe.io import hdf5_probe
from histoscribe.io.cohorts.cohort import check_cohort
from histoscribe.io.hdf5_probe import crash_of
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import READERS, read_section
from histoscribe.io.sections.sparse_arrays import check_sparse, sound_matrix

INDICES = {"h5ad": "layers/counts/indices", "spaceranger": "matrix/indices"}
STARTS = {"h5ad": "layers/counts/indptr", "spaceranger": "matrix/indptr"}


def refused(source) -> str:
    with pytest.raises(DataContractError) as caught:
        read_section(source, Filters())
    return str(caught.value)


def hdf5_of(writer, kind):
    source = writer.write(kind)
    path = source.path
    return source, path if path.is_file() else next(path.rglob("*matrix.h5"))


@pytest.mark.parametrize("kind", ["h5ad", "spaceranger"])
@pytest.mark.parametrize("index", [10**8, -1, -(2**31)])
def test_an_index_outside_the_matrix_is_refused(writer, kind, index):
    source, path = hdf5_of(writer, kind)
    with h5py.File(path, "r+") as file:
        file[INDICES[kind]][5] = index
    assert "damaged matrix" in refused(source)


@pytest.mark.parametrize("kind", ["h5ad", "spaceranger"])
@pytest.mark.parametrize("row", [0, 3, -1])
def test_starts_that_fall_are_refused(writer, kind, row):
    source, path = hdf5_of(writer, kind)
    with h5py.File(path, "r+") as file:
        starts = file[STARTS[kind]][:]
        starts[row] = 10**6
        file[STARTS[kind]][:] = starts
    assert str(path) in refused(source)


@pytest.mark.parametrize("kind", ["h5ad", "spaceranger"])
def test_indices_that_are_no_whole_numbers_are_refused(writer, kind):
    source, path = hdf5_of(writer, kind)
    with h5py.File(path, "r+") as file:
        indices = file[INDICES[kind]][:]
        del file[INDICES[kind]]
        file[INDICES[kind]] = indices + 0.25
    assert str(path) in refused(source)


@pytest.mark.parametrize("kind", ["h5ad", "spaceranger"])
def test_a_link_to_another_file_is_refused(writer, kind):
    source, path = hdf5_of(writer, kind)
    group = INDICES[kind].rpartition("/")[0]
    with h5py.File(path, "r+") as file:
        del file[f"{group}/data"]
        file[f"{group}/data"] = h5py.ExternalLink("elsewhere.h5", "/data")
    assert "link to another file" in refused(source)


def test_a_shape_that_no_file_can_hold_takes_no_memory(writer):
    source, path = hdf5_of(writer, "h5ad")
    with h5py.File(path, "r+") as file:
        del file["layers/counts/data"]
        file.create_dataset("layers/counts/data", shape=(10**13,), dtype="f4", chunks=(1024,))
    assert "40,000.0 GB of memory" in refused(source)


@pytest.mark.parametrize("index", [10**8, -1])
def test_an_index_outside_an_npz_matrix_is_refused(writer, index):
    source = writer.sparse()
    with np.load(source.counts) as stored:
        parts = dict(stored)
    parts["indices"][5] = index
    np.savez(source.counts, **parts)
    assert str(source.counts) in refused(source)


def test_an_npz_member_that_states_too_much_takes_no_memory(writer):
    source = writer.sparse()
    with np.load(source.counts) as stored:
        parts = dict(stored)
    np.savez(source.counts, **parts)
    raw = source.counts.read_bytes()
    shape = f"({len(parts['data'])},)".encode()
    huge = b"(10000000000000,)"
    place = raw.index(shape)
    pad = len(huge) - len(shape)
    assert raw[place + len(shape) :].startswith(b", }" + b" " * pad)
    at = place + len(shape)
    source.counts.write_bytes(raw[:place] + huge + b", }" + raw[at + 3 + pad :])
    assert str(source.counts) in refused(source)


def test_a_matrix_market_header_that_states_too_much_takes_no_memory(writer):
    source = writer.spaceranger(counts="mtx")
    path = next(source.path.rglob("matrix.mtx.gz"))
    text = gzip.decompress(path.read_bytes()).decode()
    lines = text.splitlines()
    sizes = next(n for n, line in enumerate(lines) if not line.startswith("%"))
    rows, columns, _ = lines[sizes].split()
    lines[sizes] = f"{rows} {columns} 100000000000"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert "100000000000 in its header" in refused(source)


def test_places_stored_twice_are_summed_beyond_the_type_of_the_file():
    matrix = sp.csr_matrix(
        (np.array([200, 100, 7], np.uint8), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2)
    )
    assert sound_matrix("x", matrix).toarray().tolist() == [[0, 300], [7, 0]]
    assert matrix.nnz == 3  # what was handed over is unchanged


def test_a_sound_matrix_is_not_copied():
    matrix = sp.random(5, 7, 0.4, format="csr", random_state=0)
    matrix.sort_indices()
    assert np.shares_memory(sound_matrix("x", matrix).data, matrix.data)


@pytest.mark.parametrize("form", ["csr", "csc", "bsr", "coo"])
def test_every_form_is_checked(form):
    matrix = sp.random(6, 6, 0.5, format=form, random_state=0)
    check_sparse("x", matrix)
    places = matrix.coords[1] if form == "coo" else matrix.indices
    places[0] = 99
    with pytest.raises(DataContractError, match="damaged matrix"):
        check_sparse("x", matrix)


def test_a_heap_that_runs_in_a_circle_does_not_run_for_ever(writer, monkeypatch):
    """Zeroed words of variable length: the library follows them without end."""
    source = writer.h5ad()
    raw = bytearray(source.path.read_bytes())
    monkeypatch.setattr("histoscribe.io.hdf5.crash_of", lambda path: "its index runs in a circle")
    source.path.write_bytes(raw)
    assert "runs in a circle" in refused(source)


@pytest.mark.skipif(sys.platform == "win32", reason="the helper needs forks")
def test_a_sound_file_is_walked_in_a_helper_that_stays(writer):
    path = writer.h5ad().path
    assert crash_of(path) is None
    helper = hdf5_probe._helpers[os.getpid()]
    path.write_bytes(path.read_bytes()[:3000])
    assert crash_of(path) is None  # an ordinary error, which the reader tells
    assert hdf5_probe._helpers[os.getpid()] is helper
    assert helper.poll() is None


@pytest.mark.skipif(sys.platform == "win32", reason="the helper needs forks")
def test_a_file_is_walked_again_only_where_it_changed(writer, monkeypatch):
    path, walked = writer.h5ad().path, []
    monkeypatch.setattr(hdf5_probe, "_told", walked.append)
    crash_of(path)
    crash_of(path)
    assert walked == [str(path)]
    os.utime(path, ns=(0, 1))
    crash_of(path)
    assert walked == [str(path)] * 2
    monkeypatch.setattr(hdf5_probe, "_told", lambda path: "SIGSEGV")
    os.utime(path, ns=(0, 2))
    assert (crash_of(path), crash_of(path)) == ("SIGSEGV", "SIGSEGV"), "a crash is never forgotten"


@pytest.mark.skipif(sys.platform == "win32", reason="the helper needs forks")
def test_a_helper_that_was_killed_is_told_and_replaced(writer):
    source = writer.h5ad()
    crash_of(source.path)
    helper = hdf5_probe._helpers[os.getpid()]
    helper.kill()
    helper.wait()  # a helper that is still ending would answer once more
    os.utime(source.path)  # a file that did not change is not walked again
    with suppress(DataContractError):  # unless its end was seen first
        read_section(source, Filters())
    assert len(read_section(source, Filters()).spots) == 12


def test_one_section_that_cannot_be_read_hides_no_other(writer, monkeypatch):
    source = writer.sparse()
    lines = ["section,patient,kind,path,image,counts,spots,mpp"]
    lines += [f"S{n},P{n},sparse,genes.txt,he.png,counts.npz,coords.csv,5" for n in (1, 2)]
    lines.append("S3,P3,sparse,genes.txt,he.png,lost.npz,coords.csv,5")
    manifest = writer.folder / "cohort.csv"
    manifest.write_text("\n".join(lines))

    def read(_):
        raise MemoryError

    broken = replace(READERS[source.kind], read=read)
    monkeypatch.setitem(READERS, source.kind, broken)
    problems = check_cohort(manifest)
    assert [problem.where.split()[-1] for problem in problems[:1]] == ["S3"]
    assert sum("MemoryError" in problem.found for problem in problems) == 2
    for section in ("S1", "S2"):
        assert sum(f"section {section} " in problem.where for problem in problems) == 1

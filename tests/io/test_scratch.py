"""A scratch folder: what is not whole lies there, and results are those without one."""

import os
import subprocess
import sys

import numpy as np
import pytest

from histoscribe.io.atomic import replacing, replacing_folder, write_text
from histoscribe.io.feature_store import FeatureStore
from tests.io.test_feature_store import ORIGIN, VALUES, begin, files, fill

KILLED = """
import os, signal, sys
from pathlib import Path
from histoscribe.io.atomic import replacing
with replacing(Path(sys.argv[1])) as half:
    half.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    folder = tmp_path / "scratch" / "of the node"
    monkeypatch.setenv("HISTOSCRIBE_SCRATCH", str(folder))
    return folder


def test_a_file_is_begun_in_the_scratch_and_put_in_place_whole(scratch, tmp_path):
    with replacing(tmp_path / "out" / "a.csv") as temporary:
        assert temporary.parent == scratch
        assert temporary.suffix == ".csv"
        temporary.write_text("whole")
        assert files(tmp_path / "out") == {}
    assert files(tmp_path / "out") == {"a.csv": b"whole"}
    assert files(scratch) == {}


def test_an_error_leaves_nothing_in_either_place(scratch, tmp_path):
    with pytest.raises(RuntimeError), replacing(tmp_path / "out" / "a.csv"):
        raise RuntimeError
    assert files(tmp_path) == {}


def test_a_file_has_the_rights_of_any_new_file(scratch, tmp_path):
    write_text(tmp_path / "a.txt", "text")
    (tmp_path / "b.txt").touch()
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_a_folder_is_begun_in_the_scratch_and_replaces_the_older_one(scratch, tmp_path):
    for text in ("old", "new"):
        with replacing_folder(tmp_path / "out" / "A.zarr", "zarr.json") as new:
            assert new.is_relative_to(scratch)
            new.mkdir()
            (new / "zarr.json").write_text(text)
    assert files(tmp_path) == {"out/A.zarr/zarr.json": b"new"}


def test_a_full_scratch_is_named(scratch, tmp_path):
    with (
        pytest.raises(OSError, match="No space left") as error,
        replacing(tmp_path / "out" / "a.csv"),
    ):
        raise OSError(28, "No space left on device")
    assert str(scratch) in error.value.filename


def test_the_shared_store_gets_one_whole_file(scratch, tmp_path, monkeypatch):
    store = begin(tmp_path / "cache")
    store.write(store.chunks[0], VALUES[store.chunks[0]])
    assert not (tmp_path / "cache").exists()
    again = FeatureStore.find(tmp_path / "cache", ORIGIN)
    assert again.missing == store.chunks[1:]  # a stopped run goes on
    fill(again)
    assert files(scratch) == {}
    monkeypatch.delenv("HISTOSCRIBE_SCRATCH")
    fill(begin(tmp_path / "without"))
    assert files(tmp_path / "cache") == files(tmp_path / "without")
    whole = FeatureStore.find(tmp_path / "cache", ORIGIN)
    assert np.array_equal(np.concatenate([values for _, values in whole.blocks()]), VALUES)


def test_what_a_killed_process_left_goes_with_the_next_one(scratch, tmp_path):
    out = tmp_path / "out" / "a.csv"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False, env=os.environ)
        assert len(files(scratch)) == 1
    with replacing(out):
        assert len(files(scratch)) == 1  # that of this process
    assert files(scratch) == {}


def test_chunks_of_a_run_without_scratch_are_used_and_go(tmp_path, monkeypatch):
    store = begin(tmp_path / "cache")
    store.write(store.chunks[0], VALUES[store.chunks[0]])
    monkeypatch.setenv("HISTOSCRIBE_SCRATCH", str(tmp_path / "scratch"))
    again = FeatureStore.find(tmp_path / "cache", ORIGIN)
    assert again.missing == store.chunks[1:]
    fill(again)
    assert list(files(tmp_path)) == [f"cache/features/{store.path.name}"]

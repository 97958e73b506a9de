"""The feature cache keeps what is finished, and trusts nothing that is not."""

import errno
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io import durable_zarr
from histoscribe.io.feature_store import CHUNK_ROWS, FeatureOrigin, FeatureStore

ORIGIN = FeatureOrigin(
    slide="pixels", spots="xy", encoder="net", tiles="64px", precision="float32", device="cpu"
)
SHAPE = (2 * CHUNK_ROWS + 44, 5)
VALUES = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


def begin(cache):
    return FeatureStore.create(cache, ORIGIN, SHAPE, "float32")


def fill(store):
    for rows in store.chunks:
        if store.read(rows) is None:
            store.write(rows, VALUES[rows])
    store.tidy()


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_is_written_is_read(tmp_path):
    fill(begin(tmp_path))
    store = FeatureStore.find(tmp_path, ORIGIN)
    assert store.precision == "float32"
    assert np.array_equal(np.concatenate([store.read(rows) for rows in store.chunks]), VALUES)


def test_nothing_is_found_where_nobody_began(tmp_path):
    assert FeatureStore.find(tmp_path, ORIGIN) is None


@pytest.mark.parametrize("name", [field.name for field in fields(FeatureOrigin)])
def test_every_part_of_the_origin_is_part_of_the_key(name):
    assert replace(ORIGIN, **{name: "other"}).key != ORIGIN.key


def test_chunks_that_are_not_written_are_missing(tmp_path):
    store = begin(tmp_path)
    store.write(store.chunks[1], VALUES[store.chunks[1]])
    assert [store.read(rows) is None for rows in store.chunks] == [True, False, True]


def test_zeros_and_full_chunks_of_one_value_are_done_too(tmp_path):
    store = begin(tmp_path)
    store.write(store.chunks[0], np.zeros((CHUNK_ROWS, 5), dtype=np.float32))
    assert not store.read(store.chunks[0]).any()


@pytest.mark.parametrize("damage", ["cut", "empty", "flip", "longer"])
def test_a_damaged_chunk_is_missing_and_heals_to_the_same_bytes(tmp_path, damage):
    store = begin(tmp_path)
    fill(store)
    whole = files(tmp_path)
    path = store.folder / "c/2/0"
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[:100],
            "empty": b"",
            "flip": content[:50] + bytes([content[50] ^ 1]) + content[51:],
            "longer": content + b"1234",
        }[damage]
    )
    assert store.read(store.chunks[2]) is None
    fill(store)
    assert files(tmp_path) == whole


def test_order_and_interruption_leave_the_same_bytes(tmp_path):
    fill(begin(tmp_path / "straight"))
    store = begin(tmp_path / "broken")
    store.write(store.chunks[2], VALUES[store.chunks[2]])
    (store.folder / "c" / "0").mkdir()
    (store.folder / "c" / "0" / ".half-written").write_bytes(b"123")  # a kill leaves these
    fill(FeatureStore.find(tmp_path / "broken", ORIGIN))
    assert files(tmp_path / "broken") == files(tmp_path / "straight")


def test_half_written_files_stay_while_others_may_be_writing(tmp_path):
    store = begin(tmp_path)
    (store.folder / ".half-written").write_bytes(b"123")
    store.tidy()
    assert (store.folder / ".half-written").exists()


def test_two_writers_at_once_leave_what_one_would(tmp_path):
    fill(begin(tmp_path / "one"))
    with ThreadPoolExecutor(4) as writers:
        done = [writers.submit(lambda: fill(begin(tmp_path / "two"))) for _ in range(4)]
    assert [writer.result() for writer in done] == [None] * 4
    assert files(tmp_path / "two") == files(tmp_path / "one")


def test_a_writer_whose_file_another_tidied_away_is_content(tmp_path, monkeypatch):
    store = begin(tmp_path)
    fill(store)
    whole = files(tmp_path)
    real = durable_zarr.replacing

    def tidied(path):
        class Gone:
            def __enter__(self):
                self.context = real(path)
                self.temporary = self.context.__enter__()
                return self.temporary

            def __exit__(self, *error):
                self.temporary.unlink()
                return self.context.__exit__(*error)

        return Gone()

    monkeypatch.setattr(durable_zarr, "replacing", tidied)
    store.write(store.chunks[0], VALUES[store.chunks[0]])
    assert files(tmp_path) == whole


def test_a_full_disk_keeps_what_is_finished_and_says_what_is_needed(tmp_path, monkeypatch):
    store = begin(tmp_path)
    store.write(store.chunks[0], VALUES[store.chunks[0]])
    kept = files(tmp_path)

    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable_zarr, "replacing", full)
        with pytest.raises(DataContractError, match=r"disk is full[\s\S]*0\.1 MB more[\s\S]*kept"):
            store.write(store.chunks[1], VALUES[store.chunks[1]])
    assert files(tmp_path) == kept
    fill(store)
    assert len(files(tmp_path)) == 4


def test_a_full_disk_at_the_start_says_so(tmp_path, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable_zarr, "replacing", full)
    with pytest.raises(DataContractError, match="disk is full"):
        begin(tmp_path)


def test_other_errors_of_the_disk_are_not_hidden(tmp_path, monkeypatch):
    def broken(path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(durable_zarr, "replacing", broken)
    with pytest.raises(OSError, match="Input/output"):
        begin(tmp_path)

"""The feature cache keeps what is finished, and trusts nothing that is not."""

import errno
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io import durable_zarr, packed_zarr
from histoscribe.io.feature_store import CHUNK_ROWS, FeatureOrigin, FeatureStore

ORIGIN = FeatureOrigin(
    slide="pixels", spots="xy", encoder="net", tiles="64px", precision="float32", device="cpu"
)
SHAPE = (2 * CHUNK_ROWS + 44, 5)
VALUES = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


def begin(cache):
    return FeatureStore.create(cache, ORIGIN, SHAPE, "float32")


def fill(store):
    for rows in store.missing:
        store.write(rows, VALUES[rows])
    store.finish()


def fill_in(cache):
    fill(begin(cache))


def folder(store):
    """Folder of an unfinished array."""
    return store.path.with_suffix("")


def read(store):
    return np.concatenate([values for _, values in store.blocks()])


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
    assert np.array_equal(read(store), VALUES)


def test_nothing_is_found_where_nobody_began(tmp_path):
    assert FeatureStore.find(tmp_path, ORIGIN) is None


@pytest.mark.parametrize("name", [field.name for field in fields(FeatureOrigin)])
def test_every_part_of_the_origin_is_part_of_the_key(name):
    assert replace(ORIGIN, **{name: "other"}).key != ORIGIN.key


def test_chunks_that_are_not_written_are_missing(tmp_path):
    store = begin(tmp_path)
    store.write(store.chunks[1], VALUES[store.chunks[1]])
    assert store.missing == (store.chunks[0], store.chunks[2])
    assert not store.is_complete
    with pytest.raises(FileNotFoundError):
        read(store)


def test_zeros_and_full_chunks_of_one_value_are_done_too(tmp_path):
    store = begin(tmp_path)
    store.write(store.chunks[0], np.zeros((CHUNK_ROWS, 5), dtype=np.float32))
    assert store.chunks[0] not in store.missing


def test_a_finished_section_is_one_file(tmp_path):
    store = begin(tmp_path)
    fill(store)
    assert list(files(tmp_path)) == [f"features/{store.path.name}"]
    assert [path.name for path in (tmp_path / "features").iterdir()] == [store.path.name]
    assert store.is_complete
    assert np.array_equal(read(store), VALUES)


DAMAGES = {
    "cut": lambda content: content[:100],
    "empty": lambda content: b"",
    "flip": lambda content: content[:50] + bytes([content[50] ^ 1]) + content[51:],
    "longer": lambda content: content + b"1234",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_chunk_is_missing_and_heals_to_the_same_bytes(tmp_path, damage):
    fill(begin(tmp_path / "whole"))
    store = begin(tmp_path / "damaged")
    for rows in store.chunks:
        store.write(rows, VALUES[rows])
    path = folder(store) / "c/2/0"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert store.missing == (store.chunks[2],)
    fill(store)
    assert files(tmp_path / "damaged") == files(tmp_path / "whole")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_heals_to_the_same_bytes(tmp_path, damage):
    store = begin(tmp_path)
    fill(store)
    whole = files(tmp_path)
    store.path.write_bytes(DAMAGES[damage](store.path.read_bytes()))
    again = FeatureStore.find(tmp_path, ORIGIN) or begin(tmp_path)
    fill(again)
    assert np.array_equal(read(again), VALUES)
    assert damage == "longer" or files(tmp_path) == whole  # a zip may be longer than its content


def test_only_the_damaged_chunk_of_a_file_is_made_again(tmp_path):
    store = begin(tmp_path)
    fill(store)
    whole = store.path.read_bytes()
    place = whole.index(VALUES[CHUNK_ROWS].tobytes())
    store.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    store = FeatureStore.find(tmp_path, ORIGIN)
    assert store.missing == (store.chunks[1],)
    with pytest.raises(FileNotFoundError, match="damaged"):
        read(store)
    fill(store)
    assert store.path.read_bytes() == whole
    assert len(files(tmp_path)) == 1


def test_every_damaged_byte_of_a_file_is_noticed_or_harmless(tmp_path):
    store = begin(tmp_path)
    fill(store)
    whole = store.path.read_bytes()
    values = {whole.index(VALUES[rows][0].tobytes()): rows for rows in store.chunks}
    within = [p for at in values for p in range(at + 20, at + 4 * 5 * 44)]
    for place in sorted(set(range(len(whole))) - set(within))[:: 1 + len(whole) // 15]:
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        store.path.write_bytes(damaged)
        again = FeatureStore.find(tmp_path, ORIGIN) or begin(tmp_path)
        fill(again)
        assert np.array_equal(read(again), VALUES), place


def test_order_and_interruption_leave_the_same_bytes(tmp_path):
    fill(begin(tmp_path / "straight"))
    store = begin(tmp_path / "broken")
    store.write(store.chunks[2], VALUES[store.chunks[2]])
    (folder(store) / "c" / "0").mkdir()
    (folder(store) / "c" / "0" / ".half-written").write_bytes(b"123")  # a kill leaves these
    fill(FeatureStore.find(tmp_path / "broken", ORIGIN))
    assert files(tmp_path / "broken") == files(tmp_path / "straight")


def test_chunks_of_an_older_version_become_one_file(tmp_path):
    store = begin(tmp_path)
    for rows in store.chunks:
        store.write(rows, VALUES[rows])
    store = FeatureStore.find(tmp_path, ORIGIN)
    assert store.is_complete
    store.finish()
    assert np.array_equal(read(store), VALUES)
    assert len(files(tmp_path)) == 1


def test_a_kill_between_the_file_and_the_end_of_its_chunks_leaves_the_file(tmp_path):
    store = begin(tmp_path)
    fill(store)
    left = folder(store) / "c" / "1"
    left.mkdir(parents=True)
    (left / "0").write_bytes(b"123")
    fill(FeatureStore.find(tmp_path, ORIGIN))
    assert len(files(tmp_path)) == 1


def test_writers_at_once_leave_what_one_would(tmp_path):
    fill(begin(tmp_path / "one"))
    for turn in range(5):
        with ThreadPoolExecutor(4) as writers:
            done = [writers.submit(fill_in, tmp_path / f"{turn}") for _ in range(4)]
        assert [writer.result() for writer in done] == [None] * 4
        assert files(tmp_path / f"{turn}") == files(tmp_path / "one")


def test_a_writer_whose_file_another_tidied_away_is_content(tmp_path, monkeypatch):
    store = begin(tmp_path)
    for rows in store.chunks:
        store.write(rows, VALUES[rows])
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
    assert len(files(tmp_path)) == 1


def test_a_full_disk_at_the_end_keeps_what_is_finished(tmp_path, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    store = begin(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(packed_zarr, "replacing", full)
        with pytest.raises(DataContractError, match="disk is full"):
            fill(store)
    again = FeatureStore.find(tmp_path, ORIGIN)
    assert again.missing == ()
    fill(again)
    assert len(files(tmp_path)) == 1


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

"""Folders take their place whole; what killed writers left goes."""

from pathlib import Path

import pytest

from histoscribe.io import atomic
from histoscribe.io.atomic import remove_leftovers, replacing_folder


def test_leftover_folders_of_killed_writers_go(tmp_path):
    (tmp_path / "out" / ".histoscribe-abc" / "A.zarr").mkdir(parents=True)
    (tmp_path / "out" / ".histoscribe-abc" / "A.zarr" / "zarr.json").write_text("{}")
    (tmp_path / "out" / "kept.txt").write_text("kept")
    remove_leftovers(tmp_path)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["kept.txt"]


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    with replacing_folder(tmp_path / "A.zarr", "zarr.json") as new:
        new.mkdir()
        (new / "zarr.json").write_text("{}")
        assert not (tmp_path / "A.zarr").exists()
    assert (tmp_path / "A.zarr" / "zarr.json").is_file()


def test_a_folder_replaced_by_a_killed_writer_is_finished_and_never_lost(tmp_path, monkeypatch):
    """Replacing takes two renames; between them nothing stands at the path."""
    target = tmp_path / "A.zarr"
    with replacing_folder(target, "zarr.json") as first:
        first.mkdir()
        (first / "zarr.json").write_text("old")
    killed_between_the_renames(target, monkeypatch)
    assert not target.exists()
    remove_leftovers(tmp_path)
    assert (target / "zarr.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["A.zarr"]


def test_what_was_written_since_a_killed_writer_stays(tmp_path, monkeypatch):
    target = tmp_path / "A.zarr"
    target.mkdir()
    (target / "zarr.json").write_text("old")
    killed_between_the_renames(target, monkeypatch)
    with replacing_folder(target, "zarr.json") as later:
        later.mkdir()
        (later / "zarr.json").write_text("newer")
    remove_leftovers(tmp_path)
    assert (target / "zarr.json").read_text() == "newer"
    assert [path.name for path in tmp_path.iterdir()] == ["A.zarr"]


def killed_between_the_renames(target: Path, monkeypatch) -> None:
    """What is on the disk when a process ends right after it moved the older folder away."""

    class Killed(BaseException):
        pass

    rename = Path.rename

    def last(self, to):
        rename(self, to)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_remove_folder", lambda folder: None)
        patch.setattr(Path, "rename", last)
        with pytest.raises(Killed):
            write_new(target)


def write_new(target: Path) -> None:
    with replacing_folder(target, "zarr.json") as new:
        new.mkdir()
        (new / "zarr.json").write_text("new")

"""Folders take their place whole; what killed writers left goes."""

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

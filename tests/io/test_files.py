"""Only regular files are opened, and none takes more memory than it can credibly hold."""

import gzip
import os

import pytest

from histoscribe.errors import DataContractError, Problem, errors_told
from histoscribe.io import budget
from histoscribe.io.budget import check_size, free_bytes
from histoscribe.io.files import check_tree, exists, no_file, read_bytes, read_json, read_text

REMEDY = "leave out what is not needed"


def test_a_pipe_is_never_opened(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for read in (read_bytes, read_text, read_json):
        with pytest.raises(DataContractError, match="a pipe"):
            read(path)
    with pytest.raises(DataContractError, match="a pipe"):
        check_tree(tmp_path)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "/"])
def test_devices_and_folders_are_told(path, tmp_path):
    with pytest.raises(DataContractError, match=r"a device|a pipe|a folder|no such"):
        read_bytes(type(tmp_path)(path))


def test_names_that_no_file_can_have_are_told(tmp_path):
    for name in ("x" * 5000, "nul\0character", "line\nend"):
        assert no_file(tmp_path / name)
        assert not exists(tmp_path / name)


def test_links_in_a_circle_are_told(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to(two)
    two.symlink_to(one)
    assert "cannot be opened" in (no_file(one) or "")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "", "{", "\x00", "nul"])
def test_json_that_cannot_be_read_is_one_message(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataContractError, match="no JSON"):
        read_json(path)


def test_a_gzip_bomb_stops_at_the_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "MOST_TEXT_BYTES", 1 << 20)
    monkeypatch.setattr("histoscribe.io.files.MOST_TEXT_BYTES", 1 << 20)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(1 << 23)))
    with pytest.raises(DataContractError, match="in a file of 8"):
        read_bytes(path)


@pytest.mark.parametrize("cut", [3, 12, 30, -4])
def test_a_cut_gzip_file_is_told(tmp_path, cut):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"some words, " * 40)[:cut])
    with pytest.raises(DataContractError, match="truncated or broken"):
        read_bytes(path)


def test_gzip_files_one_after_the_other_are_one_text(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"one, ") + gzip.compress(b"two") + bytes(20))
    assert read_bytes(path) == b"one, two"


def test_a_size_that_the_file_cannot_hold_is_refused_with_both_sizes():
    with pytest.raises(
        DataContractError, match=r"3\.2 GB of memory for a tile, in a file of 3\.0 MB"
    ) as caught:
        check_size("x.tif", "a tile", 3 << 30, stored=3_000_000, remedy=REMEDY)
    assert REMEDY in str(caught.value)


def test_a_size_that_the_file_can_hold_needs_free_memory(monkeypatch):
    monkeypatch.setattr(budget, "free_bytes", lambda: 4 << 30)
    check_size("x.png", "a picture", 2 << 30, stored=1 << 30, remedy=REMEDY)
    with pytest.raises(DataContractError, match="GB free"):
        check_size("x.png", "a picture", 3 << 30, stored=1 << 30, remedy=REMEDY)


def test_the_free_memory_is_that_of_this_machine():
    assert 1 << 24 < free_bytes() < 1 << 50


def test_the_kind_of_an_unforeseen_error_is_told_and_its_traceback_logged(caplog):
    with (
        caplog.at_level("DEBUG", logger="histoscribe"),
        pytest.raises(DataContractError, match=r"section S \(a\.h5ad\): ZeroDivisionError"),
        errors_told("section S (a.h5ad)"),
    ):
        raise ZeroDivisionError("division by zero")
    assert "Traceback" in caplog.text


def test_a_problem_that_was_told_stays_as_it_is():
    problem = Problem("a", "b", "c", "d")
    with pytest.raises(DataContractError) as caught, errors_told("elsewhere"):
        raise DataContractError(problem)
    assert caught.value.problems == (problem,)

"""A run's folder belongs to one run, and to one process at a time."""

import threading

import pytest

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing
from histoscribe.io.run_folder import claimed

FILES = {"settings.toml": "seed = 0\n"}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_claimed_folder_says_which_run_it_is(tmp_path):
    with claimed(tmp_path / "a" / "run", FILES):
        pass
    assert (tmp_path / "a" / "run" / "settings.toml").read_text() == "seed = 0\n"


def test_the_same_run_may_go_on_and_another_may_not(tmp_path):
    with claimed(tmp_path, FILES):
        pass
    with claimed(tmp_path, FILES):
        pass
    with (
        pytest.raises(DataContractError, match="other settings"),
        claimed(tmp_path, {"settings.toml": "seed = 1\n", "folds.json": "{}"}),
    ):
        pass
    assert names(tmp_path) == ["settings.toml"]


def test_a_folder_with_other_peoples_files_is_refused_and_left_as_it_is(tmp_path):
    for name in ("a.svs", "b.svs", "c.svs", "d.svs", ".hidden"):
        (tmp_path / name).write_text("theirs")
    before = names(tmp_path)
    found = r"a folder with other files: a\.svs, b\.svs, c\.svs and 1 more"
    with pytest.raises(DataContractError, match=found), claimed(tmp_path, FILES):
        pass
    assert names(tmp_path) == before
    with claimed(tmp_path / "run", FILES):
        pass


def test_two_at_a_time_are_one_too_many(tmp_path):
    with claimed(tmp_path, FILES):
        found = []

        def second():
            try:
                with claimed(tmp_path, FILES):
                    pass
            except DataContractError as error:
                found.append(str(error))

        other = threading.Thread(target=second)
        other.start()
        other.join()
        assert "another histoscribe is writing here" in found[0]
    with claimed(tmp_path, FILES):
        pass


def test_what_a_killed_run_left_half_written_goes_and_a_users_hidden_file_stays(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / ".notes").write_text("mine")
    (tmp_path / "settings.toml").write_text(FILES["settings.toml"])
    with replacing(tmp_path / "figures" / "map.png") as temporary:
        temporary.write_bytes(b"half")
        left = temporary.read_bytes()
        copy = temporary.with_name(temporary.name.replace(temporary.suffix, "x.png"))
        copy.write_bytes(left)  # as if the writer had been killed here
    with claimed(tmp_path, FILES):
        assert names(tmp_path / "figures") == ["map.png"]
    assert names(tmp_path) == [".notes", "figures", "settings.toml"]


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    file = tmp_path / "out"
    file.write_text("")
    for folder in (file, file / "run"):
        with pytest.raises(DataContractError, match="this is a file"), claimed(folder, FILES):
            pass


def test_a_file_system_without_locks_is_written_to_but_not_tidied(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def no_locks(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    (tmp_path / ".histoscribe-x.csv").write_text("")
    with claimed(tmp_path, FILES):
        pass
    assert names(tmp_path) == [".histoscribe-x.csv", "settings.toml"]


NESTED = {**FILES, "data/S1.json": "{}", "resume/encoders.json": "[]"}


def fail(folder, error, work):
    """A run that claims the folder, works, and ends with an error."""
    with claimed(folder, NESTED):
        work()
        raise error


PROBLEM = DataContractError(Problem("a", "b", "c", "d"))


@pytest.mark.parametrize("error", [PROBLEM, KeyboardInterrupt(), RuntimeError()], ids=repr)
def test_a_run_that_fails_before_its_first_result_leaves_no_claim(tmp_path, error):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".notes").write_text("mine")
    for folder in (tmp_path / "mine", tmp_path / "new"):
        with pytest.raises(type(error)):
            fail(folder, error, lambda at=folder: (at / "predictors" / "ridge").mkdir(parents=True))
        with claimed(folder, {"settings.toml": "seed = 1\n"}):
            pass
    assert names(tmp_path / "mine") == [".notes", "settings.toml"]
    assert names(tmp_path / "new") == ["settings.toml"]


def test_a_folder_that_was_made_for_a_failed_run_goes(tmp_path):
    with pytest.raises(RuntimeError):
        fail(tmp_path / "out", RuntimeError(), lambda: None)
    assert names(tmp_path) == []


def test_a_run_that_fails_after_a_result_keeps_its_claim(tmp_path):
    result = tmp_path / "prediction.h5ad"
    for work in (lambda: result.write_text("a result"), lambda: None):
        with pytest.raises(RuntimeError):
            fail(tmp_path, RuntimeError(), work)
        assert names(tmp_path) == ["data", "prediction.h5ad", "resume", "settings.toml"]

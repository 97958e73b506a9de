"""Models from a user's file or cell."""

import hashlib
import linecache

import pytest

import histoscribe
from histoscribe.errors import DataContractError
from histoscribe.models.base import create_model
from histoscribe.models.catalog import list_models, model_source
from histoscribe.models.plugins import load_plugin, load_same, loaded_plugins
from histoscribe.types import ModelSource
from tests.plugin_files import MIDDLE, no_plugins

__all__ = ["no_plugins"]
pytestmark = pytest.mark.usefixtures("no_plugins")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "middle_model.py"
    path.write_text(MIDDLE)
    return path


def problem_of(path):
    with pytest.raises(DataContractError) as told:
        load_plugin(path)
    (problem,) = told.value.problems
    return problem


def test_a_file_adds_its_models_and_its_hash_is_known(file):
    assert histoscribe.load_plugin(str(file)) == ("middle",)
    assert list_models()[-1] == "middle"
    assert create_model("middle").name == "middle"
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert model_source("middle") == ModelSource(kind="file", name=file.name, sha256=sha256)
    assert [of.path for of in loaded_plugins()] == [file]
    assert not list(file.parent.glob("__pycache__")), "nothing is written beside it"


def test_a_file_loaded_again_replaces_its_models(file):
    load_plugin(file)
    assert load_plugin(file) == ("middle",)
    file.write_text(MIDDLE.replace('"middle"', '"centre"'))
    assert load_plugin(file) == ("centre",)
    assert "middle" not in list_models()


def test_a_file_that_changed_between_two_calls_is_loaded_again_and_within_one_refused(file):
    load_plugin(file)
    first = loaded_plugins()
    assert not load_same(first), "it is loaded as it was"
    file.write_text(MIDDLE.replace('"middle"', '"centre"'))
    load_plugin(file)
    second = loaded_plugins()
    file.write_text(MIDDLE)
    load_plugin(file)  # what a process has that served another call
    file.write_text(MIDDLE.replace('"middle"', '"centre"'))
    assert load_same(second)
    assert "centre" in list_models()
    with pytest.raises(DataContractError, match="it has changed since the call began"):
        load_same(first)


def test_a_file_may_import_another_one_beside_it(file):
    (file.parent / "beside_it.py").write_text("NAME = 'helped'\n")
    text = MIDDLE.replace("import numpy", "from beside_it import NAME\nimport numpy")
    file.write_text(text.replace('register("middle")', "register(NAME)"))
    assert load_plugin(file) == ("helped",)


def test_a_file_that_fails_is_told_with_its_line(file):
    file.write_text("x = 1\ny = x / 0\n")
    problem = problem_of(file)
    assert problem.where == f"plug-in {file}, line 2"
    assert problem.found == "ZeroDivisionError: division by zero"
    file.write_text(MIDDLE.replace('"middle"', '"ridge"'))
    assert "another model needs another name" in problem_of(file).found


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("nothing.py", "x = 1\n", "registers no model"),
        ("random.py", MIDDLE, "random is another module"),
        ("my.model.py", MIDDLE, "a dot in its name"),
        ("middle.txt", MIDDLE, "ends in .py"),
    ],
)
def test_a_file_that_is_no_plug_in_is_refused(tmp_path, name, text, found):
    (tmp_path / name).write_text(text)
    assert found in problem_of(tmp_path / name).found
    assert problem_of(tmp_path / "absent.py").found == "no such file"


def run_cell(text, number):
    """Run a cell as a notebook does: in `__main__`, with its text kept for tracebacks."""
    name = f"<cell {number}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), {"__name__": "__main__"})


def test_a_cell_can_be_run_twice_and_changed(monkeypatch):
    monkeypatch.delattr("__main__.__file__", raising=False)
    run_cell(MIDDLE, 1)
    run_cell(MIDDLE, 2)
    first = model_source("middle")
    sha256 = hashlib.sha256(MIDDLE.encode()).hexdigest()
    assert first == ModelSource(kind="cell", sha256=sha256)
    run_cell(MIDDLE.replace("median", "quantile"), 3)
    assert model_source("middle").sha256 != sha256
    with pytest.raises(ValueError, match="is registered: __main__:Middle; choose another name"):
        run_cell(MIDDLE.replace("class Middle", "class Other"), 4)

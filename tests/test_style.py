"""The parts of the house style that a linter cannot see."""

import ast
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parent.parent / "src" / "histoscribe"
TREES = {
    path.relative_to(SRC): ast.parse(path.read_text("utf-8")) for path in sorted(SRC.rglob("*.py"))
}
FORMATS = {"anndata", "h5py", "zarr", "tifffile", "PIL", "openslide", "imagecodecs"}
UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def imported(tree: ast.AST) -> Iterator[str]:
    """Top-level names of everything a file imports, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def offenders(names: set[str], rooms: set[str]) -> list[str]:
    """Files outside the rooms that import one of the names."""
    return [
        f"{path}: {', '.join(sorted(found))}"
        for path, tree in TREES.items()
        if path.parts[0] not in rooms and (found := names & set(imported(tree)))
    ]


def _docstring_lines(node):
    first = node.body[0]
    return (first.end_lineno - first.lineno + 1) if ast.get_docstring(node) else 0


def test_files_and_functions_stay_small():
    long = [str(path) for path in TREES if len((SRC / path).read_text("utf-8").splitlines()) > 350]
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                # a public function's description of its arguments is as long as it must be
                lines = (node.end_lineno or 0) - node.lineno + 1 - _docstring_lines(node)
                if lines > 40:
                    long.append(f"{path}: {node.name} has {lines} lines")
    assert long == []


def test_every_setting_is_read_somewhere():
    read, unread = Counter(), []
    for tree in TREES.values():
        read.update(attributes_read(tree))
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name.endswith(("Config", "Settings")):
                inside = attributes_read(node)
                names = [name for name in fields_of(node) if read[name] == inside[name]]
                unread += [f"{path}: {node.name}.{name}" for name in names]
    assert unread == []


def fields_of(node: ast.ClassDef) -> list[str]:
    """Annotated fields of a settings class, without its class variables."""
    return [
        item.target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and "ClassVar" not in ast.unparse(item.annotation)
        and item.target.id != "model_config"
    ]


def attributes_read(tree: ast.AST) -> Counter[str]:
    """How often each attribute is read in a file or a class."""
    return Counter(
        part.attr
        for part in ast.walk(tree)
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Load)
    )


def test_only_io_touches_file_formats():
    # the simulated cohort plays scanner and sequencer: it makes the files that io reads
    assert offenders(FORMATS, rooms={"io", "simulate"}) == []


def test_tables_stay_in_the_rooms_that_report():
    rooms = {"io", "benchmark", "explain", "report", "cli"}
    assert offenders({"pandas"}, rooms) == []


def test_nothing_is_pickled():
    assert offenders(UNSAFE, rooms=set()) == []
    loads = [
        f"{path}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"torch.load", "np.load", "numpy.load"}
        and not safe(node)
    ]
    assert loads == []


def safe(call: ast.Call) -> bool:
    """NumPy refuses pickles by itself; torch must be told, and neither may be told otherwise."""
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if ast.unparse(call.func) == "torch.load":
        return given.get("weights_only") == "True"
    return given.get("allow_pickle", "False") == "False"


def test_only_the_command_line_prints_or_configures_logging():
    found = [
        f"{path}:{node.lineno}"
        for path, tree in TREES.items()
        if path.parts[0] != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"print", "logging.basicConfig", "sys.stdout.write"}
    ]
    assert found == []


def test_importing_the_package_writes_and_says_nothing(tmp_path):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "HISTOSCRIBE", "MPL"))
    }
    done = subprocess.run(
        [sys.executable, "-c", "import histoscribe"],
        cwd=tmp_path,
        env=environment | {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.rglob("*")) == []

"""Models from a user's file."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

from histoscribe.errors import DataContractError, Problem, unforeseen
from histoscribe.models.catalog import added_models, drop_models

_MARK = "__histoscribe_plugin__"
_EXPECTED = "a Python file that registers a model"


def load_plugin(path: str | Path) -> tuple[str, ...]:
    """Run a Python file that registers models, so that they can be used by name.

    The file runs with all your rights, as any Python program: load only what you trust. It is
    imported under its own name, and finds modules beside it. Loading it again runs it again, so
    that a changed file replaces its models.

    Parameters
    ----------
    path
        The file; its classes have `@register("name")`.

    Returns
    -------
    Names of the models that the file registers.

    Raises
    ------
    DataContractError
        for a file that is missing, fails, registers nothing, or has the name of another module.

    Examples
    --------
    >>> import histoscribe as hs
    >>> hs.load_plugin("median.py")  # doctest: +SKIP
    ('median',)
    """
    path = Path(path).resolve()
    if not path.is_file() or path.suffix != ".py":
        found = "no file whose name ends in .py" if path.is_file() else "no such file"
        raise DataContractError(Problem(f"plug-in {path}", found, _EXPECTED, "correct the path"))
    _check_free(path)
    drop_models(path.stem)
    _run(path)
    names = added_models(path.stem)
    if not names:
        remedy = 'put @register("NAME") above the class, see "Add a model" in the documentation'
        raise DataContractError(
            Problem(f"plug-in {path}", "it registers no model", _EXPECTED, remedy)
        )
    return names


@dataclass(frozen=True, order=True)
class PluginFile:
    """A loaded file of models, with its content by hash, for other processes."""

    path: Path
    sha256: str
    """Hash of its content."""


def loaded_plugins() -> tuple[PluginFile, ...]:
    """Files that were loaded."""
    modules = [module for module in tuple(sys.modules.values()) if _is_plugin(module)]
    return tuple(PluginFile(Path(str(of.__file__)), vars(of)[_MARK]) for of in modules)


def load_same(files: Iterable[PluginFile]) -> bool:
    """Load files that this process has not loaded with this content; says whether there were any.

    A process that serves several calls would else go on with the models of an earlier one.

    Raises
    ------
    DataContractError
        as `load_plugin`; and for a file that has changed since the other process loaded it.
    """
    missing = sorted(set(files) - set(loaded_plugins()))
    for file in missing:
        load_plugin(file.path)
    changed = sorted(set(missing) - set(loaded_plugins()))
    if changed:
        raise DataContractError(
            Problem(
                where=f"plug-in {file.path}",
                found="it has changed since the call began",
                expected="one file for the whole call",
                remedy="start the command again",
            )
            for file in changed
        )
    return bool(missing)


def _is_plugin(module: object) -> bool:
    return _MARK in getattr(module, "__dict__", {})  # some libraries put other objects there


def _check_free(path: Path) -> None:
    """Check that a file takes the name of no other module: other code would import the wrong one.

    Raises
    ------
    DataContractError
        for such a name, and for one that cannot be imported.
    """
    if "." in path.stem:
        found = "a dot in its name, so Python cannot import it"
    elif path.stem in sys.modules:
        place = getattr(sys.modules[path.stem], "__file__", None)
        found = _other_place(path, place)
    else:
        spec = find_spec(path.stem)
        found = "" if spec is None else _other_place(path, spec.origin)
    if found:
        expected, remedy = "a name of its own", "give the file another name"
        raise DataContractError(Problem(f"plug-in {path}", found, expected, remedy))


def _other_place(path: Path, place: str | None) -> str:
    """Say which other module has the name of the file; empty if it is the file itself."""
    if place is not None and Path(place).resolve() == path:
        return ""
    return f"{path.stem} is another module: {place or 'one of Python'}"


def _run(path: Path) -> None:
    """Run the file as a module, which processes that are started later can import."""
    spec = spec_from_file_location(path.stem, path)
    if spec is None:
        raise ValueError(f"{path} is no Python file")
    before = sys.modules.get(path.stem)
    module = module_from_spec(spec)
    source = path.read_bytes()
    vars(module)[_MARK] = sha256(source).hexdigest()
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)
    sys.modules[path.stem] = module
    try:
        # not by the loader: it would keep compiled code beside the file, and take it for a file
        # that was changed within the same second
        exec(compile(source, str(path), "exec"), vars(module))
    except Exception as error:
        if before is None:
            del sys.modules[path.stem]
        else:
            sys.modules[path.stem] = before
        raise DataContractError(_failed(path, error)) from error


def _failed(path: Path, error: Exception) -> Problem:
    found = unforeseen(str(path), error).found
    frame, line = error.__traceback__, None
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == str(path):
            line = frame.tb_lineno
        frame = frame.tb_next
    place = f"plug-in {path}" + (f", line {line}" if line else "")
    return Problem(place, found, "a Python file that runs", "correct the file")

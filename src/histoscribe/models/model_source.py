"""Where the class of a user's model came from, and the hash of its text; never the text itself."""

import hashlib
import linecache
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from histoscribe.types import ModelSource


def source_of(cls: type[Any]) -> ModelSource:
    """Find the origin of a class: its file or module, or the cell with its methods."""
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if file is not None and Path(file).is_file():
        sha256 = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        if cls.__module__ == "__main__" or hasattr(module, "__histoscribe_plugin__"):
            return ModelSource(kind="file", name=Path(file).name, sha256=sha256)
        return ModelSource(kind="module", name=cls.__module__, sha256=sha256)
    if cls.__module__ != "__main__":
        return ModelSource(kind="module", name=cls.__module__, sha256=None)
    return ModelSource(kind="cell", name="", sha256=_cell_hash(vars(cls)))


def _cell_hash(members: Mapping[str, Any]) -> str | None:
    """Hash of the cell in which a method was written; notebooks keep its text for tracebacks."""
    for member in members.values():
        code = getattr(member, "__code__", None)
        if code is not None and (lines := linecache.getlines(code.co_filename)):
            return hashlib.sha256("".join(lines).encode()).hexdigest()
    return None

"""Temporary folders for results without `out`."""

import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import final
from weakref import finalize


@final
class TemporaryFolder:
    """A new empty folder; it is removed when this object is no longer used.

    A result in such a folder keeps this object in a field.
    """

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="histoscribe-"))
        finalize(self, shutil.rmtree, self.path, ignore_errors=True)

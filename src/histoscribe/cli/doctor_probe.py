"""Findings of `doctor`, and a probe that turns errors into findings."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from histoscribe.errors import DataContractError

State = Literal["ok", "note", "not here", "BROKEN"]
"""`note`: works, with a remark; `not here`: optional part; `BROKEN`: basic use fails."""
FAILURES = (
    DataContractError,
    ImportError,
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
)
"""Errors of a broken install or machine: libraries that do not fit each other."""
_LONGEST = 300
"""Length of a library's message that is printed; some contain whole tables."""


@dataclass(frozen=True)
class Diagnosis:
    """Finding about one part."""

    what: str
    state: State
    finding: str
    remedy: str = ""
    """Command to run or setting to change; empty if nothing is needed."""


def probe(what: str, work: Callable[[], str], remedy: str) -> Diagnosis:
    """Do the work and time it; a failure becomes a finding with this remedy."""
    start = time.perf_counter()
    try:
        found = work()
    except FAILURES as error:
        message = " ".join(f"{type(error).__name__}: {error}".split())
        short = message if len(message) <= _LONGEST else f"{message[:_LONGEST]} ..."
        return Diagnosis(what, "BROKEN", short, remedy)
    return Diagnosis(what, "ok", f"{found} ({time.perf_counter() - start:.2f} s)")

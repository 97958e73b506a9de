"""What `doctor` finds: one record a thing examined, and a probe that turns errors into one."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from histoscribe.errors import DataContractError

State = Literal["ok", "note", "not here", "BROKEN"]
"""`note`: works, and there is something to know; `not here`: optional; `BROKEN`: base use fails."""
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
"""What a broken install or machine may raise anywhere: libraries that do not fit one another."""
_LONGEST = 300
"""Signs of a library's message that are shown; some print whole tables."""


@dataclass(frozen=True)
class Diagnosis:
    """One thing examined."""

    what: str
    state: State
    found: str
    remedy: str = ""
    """What to run or to set; empty where nothing needs doing."""


def probe(what: str, work: Callable[[], str], remedy: str) -> Diagnosis:
    """Do the work and time it; a failure becomes the message with this remedy."""
    start = time.perf_counter()
    try:
        found = work()
    except FAILURES as error:
        message = " ".join(f"{type(error).__name__}: {error}".split())
        short = message if len(message) <= _LONGEST else f"{message[:_LONGEST]} ..."
        return Diagnosis(what, "BROKEN", short, remedy)
    return Diagnosis(what, "ok", f"{found} ({time.perf_counter() - start:.2f} s)")

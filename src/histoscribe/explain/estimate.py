"""How long the work will take, said before it starts."""

from histoscribe.progress import tell

WORTH_TELLING_S = 10.0
"""Work that takes longer says its estimate first."""


def tell_estimate(what: str, seconds: float) -> None:
    """Tell how long some work will take, if it is more than ten seconds.

    Measure one part of the work, such as one tile, and multiply.

    Parameters
    ----------
    what
        The work in words, e.g. `integrated gradients of 32 tiles`.
    """
    if seconds > WORTH_TELLING_S:
        tell(f"{what}: about {_duration(seconds)}")


def _duration(seconds: float) -> str:
    """In words; an estimate has no more than two digits.

    >>> _duration(42.3), _duration(200.0), _duration(9000.0)
    ('42 s', '3.3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.2g} min" if seconds < 6000 else f"{seconds / 3600:.2g} h"

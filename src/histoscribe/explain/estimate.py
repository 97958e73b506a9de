"""How long the work will take, said before it starts."""

from histoscribe.progress import duration, tell

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
        tell(f"{what}: about {duration(seconds)}")

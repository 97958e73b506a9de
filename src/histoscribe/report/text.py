"""Numbers formatted for readers."""

import math


def number(value: float) -> str:
    """Three decimals with a true minus sign; an em dash if undefined.

    >>> number(-0.04), number(float("nan"))
    ('−0.040', '—')
    """
    if not math.isfinite(value):
        return "—"
    return f"{value:.3f}".replace("-", "−")


def span(low: float, high: float) -> str:
    """Text `low to high`; empty if either is undefined."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{number(low)} to {number(high)}"


def counted(n: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "patient"), counted(1200, "spot")
    ('1 patient', '1,200 spots')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def sentence(words: str) -> str:
    """Words with a capital letter and one full stop; empty words stay empty.

    A word with a sign, such as a name of a column, keeps its first letter.

    >>> sentence("too few patients."), sentence("pcc_given_depth is low"), sentence("")
    ('Too few patients.', 'pcc_given_depth is low.', '')
    """
    if not words:
        return ""
    first = words.split(maxsplit=1)[0]
    start = words[0].upper() if first.strip(",:;.").isalpha() else words[0]
    return f"{start}{words[1:].rstrip('.')}."

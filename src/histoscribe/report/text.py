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

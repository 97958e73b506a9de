"""Pictures: maps and overlays."""

from histoscribe.plot.maps import expression_map
from histoscribe.plot.overlay import spot_overlay

__all__ = ["expression_map", "spot_overlay"]

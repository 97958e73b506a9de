"""Pictures: maps, overlays and thumbnails."""

from histoscribe.plot.maps import expression_map
from histoscribe.plot.overlay import spot_overlay
from histoscribe.plot.thumbnail import tissue_thumbnail

__all__ = ["expression_map", "spot_overlay", "tissue_thumbnail"]

"""How many tiles of a bag a network reads."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TileLimit:
    """Tiles of a bag that a network reads for the value of the bag; all by default."""

    most: int | None = None
    """Largest number of tiles: of a larger bag, this number is read."""
    super_tiles: int | None = None
    """Number of means of similar tiles that are read for each slide instead of its tiles."""

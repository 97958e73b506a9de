"""Mean optical density of the tissue of a tile: of each stain, and of all light."""

from histoscribe.data.tile_measures.stained_tile import StainedTile


def haematoxylin_density(tile: StainedTile) -> float:
    """Mean optical density of haematoxylin over the tissue."""
    return float(tile.stain[tile.tissue, 0].mean())


def eosin_density(tile: StainedTile) -> float:
    """Mean optical density of eosin over the tissue."""
    return float(tile.stain[tile.tissue, 1].mean())


def darkness(tile: StainedTile) -> float:
    """Mean optical density of the tissue in grey, without any unmixing."""
    return float(tile.darkness[tile.tissue].mean())

"""Frozen networks and measures that turn a tile into a feature."""

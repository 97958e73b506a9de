"""Layers of a network: similarity, attention, units."""

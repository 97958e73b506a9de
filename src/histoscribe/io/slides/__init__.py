"""Pixels: whole slides and flat images."""

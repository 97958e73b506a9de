"""Measures of a tile that a pathologist has words for: nuclei, stain, texture, pale spaces."""

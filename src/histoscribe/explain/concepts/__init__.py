"""Concepts that a pathologist has words for: measures of tiles."""

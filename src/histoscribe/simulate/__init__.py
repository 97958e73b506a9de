"""The embedded cohort: simulated tissue, stain and counts, written as real files."""

from histoscribe.simulate.cohort import simulate
from histoscribe.simulate.families import FAMILIES
from histoscribe.simulate.truth import Truth, read_truth

__all__ = ["FAMILIES", "Truth", "read_truth", "simulate"]

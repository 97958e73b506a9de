"""The embedded cohort: simulated tissue, stain and counts, written as real files."""

from histoscribe.rooms import answers_for
from histoscribe.simulate.cohort import simulate
from histoscribe.simulate.families import FAMILIES
from histoscribe.simulate.slide import simulate_slide
from histoscribe.simulate.truth import SimulatedTruth, read_truth
from histoscribe.simulate.visibility import VISIBLE

__all__ = ["FAMILIES", "VISIBLE", "SimulatedTruth", "read_truth", "simulate", "simulate_slide"]

answers_for(__name__, "histoscribe.simulate.cohort")

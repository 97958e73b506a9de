"""Predictions of other tools, scored as models of a run are."""

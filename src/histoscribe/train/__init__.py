"""Fit a model and write its predictor folder."""

from histoscribe.rooms import answers_for

answers_for(__name__, "histoscribe.train.run")

"""Fitting a model and the predictor folder it ends in."""

from histoscribe.rooms import answers_for

answers_for(__name__, "histoscribe.train.run")

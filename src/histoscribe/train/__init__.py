"""Fitting a model and the predictor folder it ends in."""

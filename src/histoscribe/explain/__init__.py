"""Questions that can be put to a predictor, one a file; the answer is a `Finding`."""

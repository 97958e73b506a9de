"""The predictor: a fitted model with everything that prediction needs, as one folder."""

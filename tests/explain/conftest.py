"""One trained predictor, for every test of this folder."""

from tests.explain.planted import explained

__all__ = ["explained"]

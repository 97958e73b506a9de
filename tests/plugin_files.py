"""Files with models of a user's own, and a test room that forgets them."""

import sys
from pathlib import Path

import pytest

from histoscribe.models import catalog

MIDDLE = '''\
"""The median of the training spots."""

import numpy as np

from histoscribe.models.base import Estimator, register


@register("middle")
class Middle(Estimator):
    """Predicts the median."""

    paper = "baseline"

    def fit(self, table):
        self._value = np.median(table.target, axis=0).astype(np.float32)
        return self

    def predict(self, feature):
        return np.tile(self._value, (len(feature), 1))

    def state(self):
        return {"value": self._value}

    def restore(self, state):
        self._value = state["value"]
        return self
'''


@pytest.fixture
def no_plugins(monkeypatch):
    """Forget the models and modules of users' files after the test."""
    monkeypatch.setattr(catalog, "_ADDED", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if hasattr(sys.modules[name], "__histoscribe_plugin__"):
            del sys.modules[name]


def forget(path: Path) -> None:
    """Make this process one that has not loaded the file."""
    catalog.drop_models(path.stem)
    del sys.modules[path.stem]

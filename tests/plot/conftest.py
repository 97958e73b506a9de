"""Figures of the size that users get: tests of this folder look at their pixels."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _small_figures():
    """Leave the size as it is."""

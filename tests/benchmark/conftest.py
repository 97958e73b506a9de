"""Small figures: a full-size one takes half a second, and no test here looks at its pixels."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _small_figures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histoscribe.plot.canvas._DPI", 20)
        patch.setattr("histoscribe.plot.canvas._PANEL_PX", 100)
        yield

"""A folder for the runs of a file, and small figures, whose pixels no test here looks at."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _small_figures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histoscribe.plot.canvas._DPI", 20)  # a full-size one takes half a second
        patch.setattr("histoscribe.plot.canvas._PANEL_PX", 100)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("place")

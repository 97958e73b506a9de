"""Shared by all tests: one thread, small figures, and where the real sections lie."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real sections beside the repository, named by HISTOSCRIBE_DATA."""
    folder = os.environ.get("HISTOSCRIBE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HISTOSCRIBE_DATA does not name a folder of real sections")
    return Path(folder)


@pytest.fixture(scope="session")
def layout_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small simulated section as each instrument writes it: the folder of each layout."""
    from histoscribe.simulate import simulate
    from histoscribe.simulate.layouts import LAYOUTS

    folder = tmp_path_factory.mktemp("layouts")
    small = {"spots_per_section": 20, "genes_per_family": 2, "seed": 3}
    return {
        layout: simulate(folder / layout, 1, layout=layout, **small).parent for layout in LAYOUTS
    }


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where nobody named a cache folder, none of the user's own is read or written."""
    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get("HISTOSCRIBE_CACHE"):
            patch.setenv("HISTOSCRIBE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", autouse=True)
def _small_figures() -> Iterator[None]:
    """Figures are small, for a full-size one takes half a second; `tests/plot` draws real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histoscribe.plot.canvas._DPI", 20)
        patch.setattr("histoscribe.plot.canvas._PANEL_PX", 100)
        yield

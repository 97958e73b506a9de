"""Shared by all tests: one thread, no network, and where the real sections lie."""

import os
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

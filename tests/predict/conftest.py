"""A predictor trained on a simulated cohort, and a small slide with tissue on white glass."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histoscribe.train.run import train
from tests.benchmark.runs import tiny_cohort, tiny_settings

MPP = 1.0
"""um/px of the slide, and of the tiles."""
SIDE = (900, 700)
"""Width and height of the slide, px."""
SPACING_UM = 60.0


@pytest.fixture(scope="session")
def predictor_folder(tmp_path_factory) -> Path:
    """A ridge on colour and texture; 12 genes."""
    folder = tmp_path_factory.mktemp("predictor")
    settings = tiny_settings(tiny_cohort(folder / "cohort", n_patients=2), models=["ridge"])
    train(settings=settings, out=folder / "ridge", cache=folder / "cache")
    return folder / "ridge"


def draw_slide(path: Path, *, seed=0, side=SIDE, centre=(500, 350), radius=240) -> Path:
    """One rough disc of tissue on white glass."""
    rng = np.random.default_rng(seed)
    width, height = side
    y, x = np.mgrid[:height, :width]
    inside = np.hypot(x - centre[0], y - centre[1]) < radius
    grain = rng.random((-(-height // 4), -(-width // 4))).repeat(4, 0).repeat(4, 1)
    tissue = np.array([215, 150, 195]) - grain[:height, :width, None] * np.array([120, 90, 60])
    image = np.where(inside[..., None], tissue, 250) + rng.normal(0, 1, (height, width, 3))
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def slide_file(tmp_path) -> Path:
    """A slide without um/px in its metadata."""
    return draw_slide(tmp_path / "slide.png")

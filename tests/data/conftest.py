"""A small section on disk: a patch of tissue on a chosen ground."""

import numpy as np
import pytest
from PIL import Image

from histoscribe.io.slides.slide import open_slide
from histoscribe.types import Section, Spots

MPP = 2.0
GROUNDS = {"white": (250, 249, 251), "pink": (226, 205, 224), "black": (0, 0, 0)}


@pytest.fixture
def draw_tissue():
    """Give a function that draws a rough disc of tissue, 600 px across, and where it is."""
    return _draw


def _draw(ground="white", *, side_px=1000, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side_px, :side_px] - side_px / 2
    inside = np.hypot(x, y) < 300
    grain = rng.random((side_px // 4, side_px // 4)).repeat(4, 0).repeat(4, 1)[..., None]
    tissue = np.array([215, 150, 195]) - grain * np.array([120, 90, 60])
    image = np.where(inside[..., None], tissue, np.array(GROUNDS[ground]))
    image = image + rng.normal(0, 1, image.shape)
    return image.clip(0, 255).astype(np.uint8), inside


@pytest.fixture
def make_section(tmp_path):
    """Give a function that writes an image and gives a section with spots on a grid."""

    def make(image, *, mpp=MPP, n_across=13, name="one"):
        path = tmp_path / f"{name}.png"
        Image.fromarray(image).save(path)
        side_px = image.shape[0]
        line = (np.arange(n_across) + 0.5) * side_px / n_across
        xy = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        xy = np.random.default_rng(1).permutation(xy)
        spots = Spots(
            ids=tuple(f"s{i}" for i in range(len(xy))),
            xy=xy,
            diameter_um=55.0,
            pitch_um=side_px / n_across * mpp,
        )
        return Section(name, "P1", open_slide(path, mpp), spots, None)

    return make

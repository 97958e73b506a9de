"""A strip of tiles with its text."""

import numpy as np
import pytest

from histoscribe.plot.strips import Picture, Strip, StripText, draw_strips


@pytest.mark.parametrize("n_neighbours", [1, 9])
def test_the_text_below_fits_into_the_picture(n_neighbours, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(
        "histoscribe.plot.strips.save_png", lambda figure, _: figures.append(figure)
    )
    tile = np.full((8, 8, 3), 200, dtype=np.uint8)
    picture = Picture(tile, "", ("spot", "distance 2.5"), 1.0)
    text = StripText("Gene", 12 * "the frame has the colour of the expression; ", "unit")
    draw_strips([Strip(picture, n_neighbours * (picture,))], text, tmp_path / "strips.png")
    (figure,) = figures
    figure.canvas.draw()
    place = figure._supxlabel.get_window_extent()
    assert 0 <= place.x0 < place.x1 <= figure.bbox.width

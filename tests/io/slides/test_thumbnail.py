from io import BytesIO

import numpy as np
from PIL import Image

from histoscribe.io.slides.thumbnail import thumbnail_jpegs


def test_a_picture_shrinks_to_the_asked_side_and_is_never_enlarged(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.full((50, 100, 4), 200, dtype=np.uint8)).save(path)
    sizes = [Image.open(BytesIO(data)).size for data in thumbnail_jpegs(path, (400, 40, 10))]
    assert sizes == [(100, 50), (40, 20), (10, 5)]

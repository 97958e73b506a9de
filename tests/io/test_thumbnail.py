from io import BytesIO

import numpy as np
from PIL import Image

from histoscribe.io.thumbnail import thumbnail_jpeg


def test_a_picture_shrinks_to_the_asked_side_and_is_never_enlarged(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.full((50, 100, 4), 200, dtype=np.uint8)).save(path)
    assert Image.open(BytesIO(thumbnail_jpeg(path, 40))).size == (40, 20)
    assert Image.open(BytesIO(thumbnail_jpeg(path, 400))).size == (100, 50)

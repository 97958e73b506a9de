"""Draws outlines of the nuclei of a slide: `nuclei_overlay.py SLIDE X Y --out FILE`.

X and Y are the centre of a square of 448 px, in px of the slide. docs/images/
nuclei-cmu-1.jpg is `CMU-1-Small-Region.svs 1000 1900` (OpenSlide test data, CC0).
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.segmentation import find_boundaries

from histoscribe.data.stain_density import stain_density
from histoscribe.data.tile_measures.nuclei import segment_nuclei
from histoscribe.io.slides.slide import open_slide

SIDE_PX, ENLARGED = 448, 2
GREEN = (0, 230, 0)


def main() -> None:
    """Read the square, find nuclei and save the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", type=Path)
    parser.add_argument("x", type=float)
    parser.add_argument("y", type=float)
    parser.add_argument("--mpp", type=float, default=0.5, help="um/px of the slide and the square")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    pixels = open_slide(options.slide, options.mpp).read(
        (options.x, options.y), SIDE_PX, options.mpp
    )
    nuclei = segment_nuclei(stain_density(pixels)[..., 0], options.mpp)
    size = (SIDE_PX * ENLARGED, SIDE_PX * ENLARGED)
    picture = np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    label = nuclei.label.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
    picture[find_boundaries(label, mode="inner")] = GREEN
    Image.fromarray(picture).save(options.out, quality=82)


if __name__ == "__main__":
    main()

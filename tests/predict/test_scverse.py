"""What predict writes opens in scanpy, and squidpy draws a gene over the tissue."""

import subprocess
import sys

import pytest
from PIL import Image

from histoscribe.predict.order import Order, predict
from tests.predict.conftest import MPP, SPACING_UM

SCRIPT = """
import sys
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import scanpy as sc
import squidpy as sq

data = sc.read_h5ad(sys.argv[1])
(library,) = data.uns["spatial"]
assert library == "slide" and data.X.dtype == "float32"
gene = data.var_names[0]
sq.pl.spatial_scatter(data, color=gene, img_cmap=None)
figure = plt.gcf()
axes = figure.axes[0]
(picture,) = axes.images
height, width = picture.get_array().shape[:2]
assert len(axes.collections) > 0, "the spots"
figure.savefig(sys.argv[2])
plt.close("all")
sc.pl.embedding(data, "spatial", color=gene, show=False)
print(width, height, data.n_obs)
"""


@pytest.mark.slow
def test_scanpy_reads_and_squidpy_draws_a_prediction(predictor_folder, slide_file, tmp_path):
    asked = Order(
        predictor=predictor_folder,
        targets=(str(slide_file),),
        out=tmp_path / "out",
        spacing_um=SPACING_UM,
        mpp=MPP,
    )
    ((_, done),) = predict(asked)
    picture = tmp_path / "gene.png"
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "out" / "slide.h5ad", picture],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split()[-3:] == ["900", "700", str(done.n_places)]
    with Image.open(picture) as image:
        assert len(image.convert("RGB").getcolors(1 << 24)) > 100, "tissue below coloured spots"

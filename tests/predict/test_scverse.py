"""The how-to draws a gene on the tissue, right way up, in scanpy, squidpy and spatialdata-plot."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import histoscribe as hs
from histoscribe.io.predictions.anndata import write_prediction
from histoscribe.io.predictions.spatialdata import write_spatialdata
from tests.docs.test_examples import ROOT, examples
from tests.predict.conftest import MPP, SPACING_UM

GENE = "ERBB2"
CENTRE = (500, 350)
"""Centre of the tissue of the slide, in px."""
VIRIDIS = ((68, 1, 84), (253, 231, 37))
"""Its first and its last colour."""
SCRIPT = """
import sys, warnings
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt

names = {}
for number, block in enumerate(sys.argv[1:]):
    exec(open(block).read(), names)
for number in plt.get_fignums():
    figure = plt.figure(number)
    panel = figure.axes[0]
    panel.set_axis_off()
    for other in figure.axes[1:]:
        other.remove()
    figure.savefig(f"figure-{number}.png", bbox_inches=panel.get_window_extent().transformed(
        figure.dpi_scale_trans.inverted()))
print(names["maps"].n_obs, *names["trusted"].index)
"""


def places_of(colour, pixels):
    """x and y of the pixels of this colour, [n, 2]."""
    return np.argwhere(np.abs(pixels - colour).sum(axis=2) < 30)[:, ::-1]


def corner_of(low, high):
    """Where the high places lie among all, from their centre, in standard deviations."""
    both = np.concatenate([low, high])
    return (high.mean(axis=0) - both.mean(axis=0)) / both.std(axis=0)


def planted(predictor_folder, slide_file):
    """A prediction whose gene ERBB2 is high in the upper left quarter of the tissue only."""
    prediction = hs.predict_slide(
        predictor_folder, slide_file, spacing_um=SPACING_UM, mpp=MPP, keep_unlike=True
    )
    values = prediction.values.copy()
    values[:, 3] = (prediction.spots.xy < CENTRE).all(axis=1)
    head = prediction.head
    names = (*head.gene_names[:3], GENE, *head.gene_names[4:])
    ranked = np.arange(len(head.genes), dtype=np.float64)
    facts = {"pcc_given_depth": ranked == 3, "null_high": ranked * 0 + 0.5, "q": ranked * 0}
    facts = {name: of.astype(np.float64) for name, of in facts.items()}
    head = replace(head, section="biopsy", gene_names=names, gene_facts=facts)
    return replace(prediction, head=head, values=values)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # of a slide unlike the training
def test_the_how_to_draws_a_gene_on_the_tissue_right_way_up(predictor_folder, slide_file, tmp_path):
    prediction = planted(predictor_folder, slide_file)
    write_prediction(prediction, tmp_path / "maps" / "biopsy.h5ad")
    write_spatialdata(prediction, tmp_path / "maps" / "biopsy.zarr")
    page = examples(ROOT / "docs" / "howto" / "new-slide.md")
    python = [example.text for example in page if example.language == "python"]
    blocks = [block for block in python if "lazyslide" not in block]
    assert len(blocks) == 3, "squidpy and scanpy, trusted genes, spatialdata-plot"
    for number, block in enumerate(blocks):
        (tmp_path / f"{number}.py").write_text(block)
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, *(f"{number}.py" for number in range(len(blocks)))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split()[-2:] == [str(len(prediction.spots)), GENE]
    low, high = (prediction.spots.xy[prediction.values[:, 3] == level] for level in (0, 1))
    figures = sorted(tmp_path.glob("figure-*.png"))
    assert len(figures) == 3, "squidpy, scanpy, spatialdata-plot"
    for figure in figures:
        with Image.open(figure) as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        height, width = pixels.shape[:2]
        drawn = corner_of(*(places_of(colour, pixels) for colour in VIRIDIS))
        np.testing.assert_allclose(drawn, corner_of(low, high), atol=0.03, err_msg=figure.name)
        glass = pixels[round(0.05 * height), round(0.95 * width)]
        assert (glass > 225).all(), "the slide lies below the squares"
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100, "with its tissue"

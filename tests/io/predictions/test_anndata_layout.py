"""Predictions and sections have the layout that scanpy and squidpy expect of Visium."""

import warnings
from dataclasses import replace

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from PIL import Image

import histoscribe as hs
from histoscribe.io.predictions.anndata import read_prediction, write_prediction
from histoscribe.io.slides.slide import open_slide
from histoscribe.types import Counts, Head, Prediction, Section, Spots

GENES = ("ENSG1", "ENSG2", "ENSG3", "ENSG4")
NAMES = ("ERBB2", "TBCE", "TBCE", "ENSG4")
LABELS = ["ERBB2", "ENSG2", "ENSG3", "ENSG4"]
MPP = 0.5
SIDE = (3000, 1500)


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    pixels = np.full((SIDE[1], SIDE[0], 3), 240, dtype=np.uint8)
    pixels[:, 2000:] = (150, 60, 120)
    path = tmp_path_factory.mktemp("slide") / "he.png"
    Image.fromarray(pixels).save(path)
    return open_slide(path, MPP)


@pytest.fixture
def section(slide) -> Section:
    xy = np.array([[500.0, 600.0], [700.0, 600.0], [600.0, 773.0]])
    array = np.array([[3.0, 4.0], [3.0, 6.0], [4.0, 5.0]])
    spots = Spots(("AAAC-1", "AAAG-1", "AAAT-1"), xy, 55.0, 100.0, "circles", array)
    counts = Counts(sp.csr_matrix(np.arange(12).reshape(3, 4)), GENES, NAMES)
    return Section("S1", "P1", slide, spots, counts, {"min_umi": 2}, (), {"ER/PR": "positive"})


@pytest.fixture
def prediction(section) -> Prediction:
    head = Head(
        section="S1",
        spots=section.spots,
        genes=GENES,
        gene_names=NAMES,
        unit="cp10k-log1p",
        predictor="ridge@1a2b",
        gene_facts={"pcc": np.array([0.5, 0.25, 0.0, np.nan])},
        spot_facts={"trusted": np.array([1.0, 0.0, 1.0])},
        card='{"protocol": "patient", "target": {"n_genes": 4}}',
        warnings=("an unusual slide",),
    )
    values = np.arange(12, dtype=np.float32).reshape(3, 4) / 8
    measured = section.measured.matrix.toarray().astype(np.float32)
    return Prediction(head, values, measured=measured, slide=section.slide)


@pytest.mark.parametrize("way", ["memory", "file"])
def test_a_prediction_has_the_layout_of_visium(prediction, section, tmp_path, way):
    write_prediction(prediction, tmp_path / "S1.h5ad")
    data = hs.to_anndata(prediction) if way == "memory" else ad.read_h5ad(tmp_path / "S1.h5ad")
    assert list(data.var_names) == LABELS
    assert list(data.var["gene_ids"]) == list(GENES)
    assert list(data.var["gene_name"]) == list(NAMES)
    assert list(data.obs[["in_tissue", "array_row", "array_col"]].loc["AAAG-1"]) == [1, 3, 6]
    np.testing.assert_array_equal(data.layers["measured"], section.measured.matrix.toarray())
    about = data.uns["histoscribe"]
    assert about["card"]["target"]["n_genes"] == 4
    assert (about["unit"], about["mpp"]) == ("cp10k-log1p", MPP)
    assert about["measured_unit"] == "counts"
    assert list(about["warnings"]) == ["an unusual slide"]


def test_the_images_have_their_scale_factors_and_lie_below_the_spots(prediction):
    tissue = hs.to_anndata(prediction).uns["spatial"]["S1"]
    factors = tissue["scalefactors"]
    for name, width in (("hires", 2000), ("lowres", 600)):
        image, scale = tissue["images"][name], factors[f"tissue_{name}_scalef"]
        assert image.shape == (width // 2, width, 3)
        assert scale == width / SIDE[0]
        edge = round(2000 * scale)  # where the tissue begins, in level-0 px
        assert (image[:, : edge - 1] == 240).all()
        assert (image[:, edge + 1 :, 1] == 60).all()
    assert factors["spot_diameter_fullres"] == 55.0 / MPP


def test_a_small_slide_is_not_enlarged(prediction, tmp_path):
    Image.new("RGB", (320, 200)).save(tmp_path / "small.png")
    small = replace(prediction, slide=open_slide(tmp_path / "small.png", MPP))
    tissue = hs.to_anndata(small).uns["spatial"]["S1"]
    assert {image.shape for image in tissue["images"].values()} == {(200, 320, 3)}
    assert tissue["scalefactors"]["tissue_lowres_scalef"] == 1.0


def test_all_of_a_prediction_but_its_slide_comes_back(prediction, tmp_path):
    write_prediction(prediction, tmp_path / "S1.h5ad")
    back = read_prediction(tmp_path / "S1.h5ad")
    assert (back.genes, back.head.gene_names) == (GENES, NAMES)
    assert (back.head.card, back.head.warnings) == (prediction.head.card, prediction.head.warnings)
    assert list(back.head.spot_facts) == ["trusted"]
    np.testing.assert_array_equal(back.spots.array, prediction.spots.array)
    np.testing.assert_array_equal(back.measured, prediction.measured)
    assert back.slide is None
    assert not back.layers, "counts are no layer that the model predicted"


def test_a_prediction_of_an_older_version_is_read(prediction, tmp_path):
    write_prediction(prediction, tmp_path / "S1.h5ad")
    data = ad.read_h5ad(tmp_path / "S1.h5ad")
    data.var_names = data.var["gene_ids"].to_numpy()
    del data.var["gene_ids"], data.obs["in_tissue"], data.layers["measured"]
    data.uns["histoscribe"]["card"] = prediction.head.card
    data.write_h5ad(tmp_path / "old.h5ad")
    back = read_prediction(tmp_path / "old.h5ad")
    assert (back.genes, back.head.gene_names) == (GENES, NAMES)
    assert (back.head.card, back.measured) == (prediction.head.card, None)
    np.testing.assert_array_equal(back.spots.array, prediction.spots.array)
    np.testing.assert_array_equal(back.values, prediction.values)


def test_a_section_shows_what_was_measured(section, tmp_path):
    data = hs.to_anndata(section)
    assert list(data.var_names) == LABELS
    np.testing.assert_array_equal(data.X.toarray(), section.measured.matrix.toarray())
    data.write_h5ad(tmp_path / "S1.h5ad")
    about = ad.read_h5ad(tmp_path / "S1.h5ad").uns["histoscribe"]
    assert (about["patient"], about["unit"], about["dropped"]["min_umi"]) == ("P1", "counts", 2)
    with pytest.raises(ValueError, match="S1 has no counts"):
        hs.to_anndata(replace(section, counts=None))


def test_a_section_that_was_written_is_read_as_the_same_section(section, tmp_path):
    spots = [f"{row}x{column}" for row in range(8) for column in range(14)]
    array = np.array([[row, 2 * column + row % 2] for row in range(8) for column in range(14)])
    xy = array[:, ::-1] * [100.0, 100 * np.sqrt(3)] + 150.0
    lattice = Spots(tuple(spots), xy, 55.0, 100.0, "circles", array.astype(np.float64))
    counts = Counts(sp.csr_matrix(np.arange(448).reshape(112, 4) % 7 + 1), GENES, NAMES)
    given = replace(section, spots=lattice, counts=counts)
    hs.to_anndata(given).write_h5ad(tmp_path / "S1.h5ad")
    manifest = tmp_path / "cohort.csv"
    manifest.write_text(
        f"section,patient,kind,path,image\nS1,P1,h5ad,S1.h5ad,{section.slide.path}\n"
    )
    back = hs.read_cohort(manifest)["S1"]
    np.testing.assert_array_equal(back.measured.matrix.toarray(), counts.matrix.toarray())
    assert (back.measured.gene_ids, back.spots.ids) == (GENES, lattice.ids)
    np.testing.assert_array_equal(back.spots.array, array)
    np.testing.assert_allclose(back.slide.mpp, MPP, rtol=1e-3)


def test_names_are_unique_without_a_word_of_anndata(prediction):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert hs.to_anndata(prediction).var_names.is_unique

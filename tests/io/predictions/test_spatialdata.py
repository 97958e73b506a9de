"""Predictions go to SpatialData with every element in the right place."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histoscribe.errors import DataContractError
from histoscribe.io.predictions.spatialdata import to_spatialdata, write_spatialdata
from histoscribe.io.slides.slide import open_slide
from histoscribe.types import Head, Prediction, Slide, Spots

sd = pytest.importorskip("spatialdata")
from spatialdata.transformations import get_transformation  # noqa: E402

MPP = 2.0
MARK_XY = (2500.0, 700.0)
"""Centre of the one dark square, and of the first spot, in level-0 px."""


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Slide:
    pixels = np.full((1501, 4097, 3), 240, dtype=np.uint8)
    pixels[680:720, 2480:2520] = (10, 60, 90)
    path = tmp_path_factory.mktemp("slide") / "he.png"
    Image.fromarray(pixels).save(path)
    return open_slide(path, MPP)


@pytest.fixture
def prediction() -> Prediction:
    xy = np.array([MARK_XY, (2550.0, 700.0), (2500.0, 750.0)])
    head = Head(
        section="A 1",
        spots=Spots(("a", "b", "c"), xy, 55.0, 100.0),
        genes=("GAPDH", "ERBB2"),
        unit="log",
        predictor="ridge-1a2b",
    )
    return Prediction(head, np.arange(6, dtype=np.float32).reshape(3, 2))


def on(prediction: Prediction, slide: Slide | None) -> Prediction:
    return dataclasses.replace(prediction, slide=slide)


def affine(element, system):
    transformation = get_transformation(element, to_coordinate_system=system)
    return transformation.to_affine_matrix(("x", "y"), ("x", "y"))


def test_a_spot_lies_on_its_pixels_in_every_coordinate_system(prediction, slide):
    data = to_spatialdata(on(prediction, slide))
    image, spots = data.images["A_1_image"], data.shapes["A_1_spots"]
    y, x = np.argwhere(image.values[0] < 100).mean(axis=0) + 0.5  # a pixel's centre
    for system, unit in (("global", 1.0), ("um", MPP)):
        centre = affine(spots, system) @ [spots.geometry.iloc[0].x, spots.geometry.iloc[0].y, 1]
        np.testing.assert_allclose(centre[:2], np.array(MARK_XY) * unit)
        seen = affine(image, system) @ [x, y, 1]
        np.testing.assert_allclose(seen[:2], centre[:2], atol=2.5 * unit)  # one px of the picture
        extent = affine(image, system) @ [image.sizes["x"], image.sizes["y"], 1]
        np.testing.assert_allclose(extent[:2], np.array([4097, 1501]) * unit)


def test_the_picture_is_small_and_the_slides_own(prediction, slide):
    image = to_spatialdata(on(prediction, slide)).images["A_1_image"]
    assert max(image.sizes["x"], image.sizes["y"]) <= 2048
    assert (image.values[:, 0, 0] == 240).all()
    assert list(image.coords["c"].values) == ["r", "g", "b"]


def test_circles_have_the_true_diameter_with_and_without_the_slide(prediction, slide):
    for given in (slide, None):
        radius_px = to_spatialdata(on(prediction, given)).shapes["A_1_spots"]["radius"]
        np.testing.assert_allclose(radius_px, 55.0 / MPP / 2)


def test_one_spot_without_a_slide_asks_for_the_slide(prediction):
    first = Spots(("a",), prediction.spots.xy[:1], 55.0, 100.0)
    alone = Prediction(dataclasses.replace(prediction.head, spots=first), prediction.values[:1])
    with pytest.raises(DataContractError, match="give the slide"):
        to_spatialdata(alone)


def test_the_table_annotates_the_circles_and_keeps_the_values(prediction, slide, tmp_path):
    facts = {"share of tissue": np.array([0.5, 1.0, 0.0])}
    scores = {"pcc": np.array([0.1, 0.2])}
    head = dataclasses.replace(
        prediction.head,
        spot_facts=facts,
        gene_facts=scores,
        evidence={"pathways": np.arange(3.0)[:, None]},
        evidence_names={"pathways": ("HALLMARK_HYPOXIA",)},
    )
    write_spatialdata(Prediction(head, prediction.values, slide=slide), tmp_path / "A.zarr")
    back = sd.read_zarr(tmp_path / "A.zarr")
    table = back.tables["A_1_expression"]
    np.testing.assert_array_equal(np.asarray(table.X), prediction.values)
    assert list(table.var_names) == list(prediction.genes)
    np.testing.assert_array_equal(table.obsm["pathways"], head.evidence["pathways"])
    assert list(table.uns["histoscribe"]["columns"]["pathways"]) == ["HALLMARK_HYPOXIA"]
    shapes, joined = sd.join_spatialelement_table(
        sdata=back, spatial_element_names="A_1_spots", table_name="A_1_expression"
    )
    assert list(joined.obs_names) == ["a", "b", "c"]
    np.testing.assert_allclose(shapes["A_1_spots"].get_coordinates(), prediction.spots.xy)
    assert table.uns["histoscribe"]["unit"] == "log"


def test_equal_predictions_are_equal_files(prediction, slide, tmp_path):
    for name in ("a", "b"):
        write_spatialdata(on(prediction, slide), tmp_path / name / "A.zarr")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_an_older_copy_is_replaced_and_nothing_is_left_over(prediction, slide, tmp_path):
    write_spatialdata(on(prediction, slide), tmp_path / "A.zarr")
    other = Prediction(dataclasses.replace(prediction.head, section="B"), prediction.values)
    write_spatialdata(other, tmp_path / "A.zarr")
    assert list(sd.read_zarr(tmp_path / "A.zarr").shapes) == ["B_spots"]
    assert [path.name for path in tmp_path.iterdir()] == ["A.zarr"]


def test_a_folder_that_is_no_zarr_is_never_replaced(prediction, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(DataContractError, match="something else"):
        write_spatialdata(prediction, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_a_write_that_fails_leaves_the_older_copy(prediction, tmp_path, monkeypatch):
    path = tmp_path / "A.zarr"
    write_spatialdata(prediction, path)
    before = files(path)

    def full(self, target):
        target.mkdir()
        (target / "half").write_text("half")
        raise OSError("the disk is full")

    monkeypatch.setattr(sd.SpatialData, "write", full)
    with pytest.raises(OSError, match="full"):
        write_spatialdata(prediction, path)
    assert files(path) == before
    assert [left.name for left in tmp_path.iterdir()] == ["A.zarr"]


def test_without_the_extra_nothing_is_written(prediction, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "spatialdata", None)
    with pytest.raises(DataContractError, match=r"pip install 'histoscribe\[spatialdata\]'"):
        write_spatialdata(prediction, tmp_path / "A.zarr")
    assert list(tmp_path.iterdir()) == []


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }

"""Labels and masks as references: what agrees is found, and what cannot be compared is refused."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from histoscribe.errors import DataContractError
from histoscribe.explain.where.against.choice import ReferenceFiles
from histoscribe.explain.where.against.landmarks import Affine, Alignment
from histoscribe.explain.where.against.masks import mask_reference
from histoscribe.explain.where.against.reference import MapReference, held_against
from histoscribe.explain.where.against.spot_labels import label_references


def written_labels(path, section, labels):
    lines = [f"{id_},{label}" for id_, label in zip(section.spots.ids, labels, strict=True)]
    path.write_text("\n".join(["spot,label", *lines]) + "\n")
    return path


def written_polygon(path, corners):
    ring = [*corners, corners[0]]
    geometry = {"type": "Polygon", "coordinates": [[[float(x), float(y)] for x, y in ring]]}
    path.write_text(json.dumps({"type": "Feature", "geometry": geometry, "properties": {}}))
    return path


@pytest.fixture
def um(section):
    return section.spots.xy * section.slide.mpp


def test_each_label_is_held_against_the_others(section, um, tmp_path):
    x = section.spots.xy[:, 0]
    third = np.digitize(x, np.quantile(x, [0.33, 0.66]))
    labels = [("fat", "", "invasive cancer")[number] if number != 1 else "wall" for number in third]
    labels[0] = ""
    references = label_references(
        written_labels(tmp_path / "l.csv", section, labels), section.spots
    )
    assert [of.name for of in references] == ["label_fat", "label_invasive_cancer", "label_wall"]
    assert not references[0].present[0]
    assert references[0].present.sum() == len(labels) - 1
    assert [len(of.notes) for of in references] == [1, 0, 0]
    result = held_against(x, references[1], um, seed=0)
    assert [number.name for number in result.statistic] == [
        "auroc_label_invasive_cancer",
        "p_auroc_label_invasive_cancer",
    ]
    assert result.statistic[0].value == 1.0
    assert result.n_spots == len(labels) - 1


def test_of_two_labels_the_rarer_is_enough(section, tmp_path):
    labels = ["tumour" if row < 8 else "other" for row in range(len(section.spots))]
    (only,) = label_references(written_labels(tmp_path / "l.csv", section, labels), section.spots)
    assert only.name == "label_tumour"
    assert only.positive.sum() == 8


@pytest.mark.parametrize(
    ("labels", "found"), [(["tumour"], "one label"), (["a", "b", "c", "d"], "too few spots")]
)
def test_labels_that_divide_nothing_are_refused(section, tmp_path, labels, found):
    n_spots = len(section.spots)
    of_spots = (labels + ["" if len(labels) > 1 else labels[0]] * n_spots)[:n_spots]
    path = written_labels(tmp_path / "l.csv", section, of_spots)
    with pytest.raises(DataContractError, match=found):
        label_references(path, section.spots)


def test_polygons_give_the_share_of_each_spot(section, um, tmp_path):
    x, y = section.spots.xy.T
    middle = x[len(x) // 2]  # the edge halves this spot
    corners = [(0, 0), (middle, 0), (middle, y.max() + 500), (0, y.max() + 500)]
    reference = mask_reference(written_polygon(tmp_path / "m.geojson", corners), section)
    half_px = section.spots.drawn_um / 2 / section.slide.mpp
    assert (reference.value[x < middle - half_px - 8] == 1).all()
    assert (reference.value[x > middle + half_px + 8] == 0).all()
    assert reference.value[len(x) // 2] == pytest.approx(0.5, abs=0.15)
    names = {number.name: number.value for number in held_against(-x, reference, um, 0).statistic}
    assert names["auroc_mask"] > 0.99
    assert names["correlation_mask"] > 0.6


def test_a_picture_at_any_scale_is_the_same_mask(section, tmp_path):
    slide = section.slide
    corners = [(300, 200), (900, 250), (800, 900), (350, 800)]
    polygon = mask_reference(written_polygon(tmp_path / "m.geojson", corners), section)
    size = (slide.width // 4, slide.height // 4)
    picture = Image.new("L", size)
    ImageDraw.Draw(picture).polygon([(x / 4, y / 4) for x, y in corners], fill=255)
    picture.save(tmp_path / "m.png")
    drawn = mask_reference(tmp_path / "m.png", section)
    np.testing.assert_allclose(drawn.value, polygon.value, atol=0.15)
    assert (drawn.positive == polygon.positive).mean() > 0.9


def test_a_mask_of_another_image_follows_its_landmarks(section, tmp_path):
    corners = np.array([(300.0, 200), (900, 250), (800, 900), (350, 800)])
    here = mask_reference(written_polygon(tmp_path / "m.geojson", corners), section)
    affine = Affine(np.array([[0.0, -0.5], [0.5, 0.0]]), np.array([900.0, 10.0]))
    alignment = Alignment(affine, 4, 0.0, 0.0)
    path = written_polygon(tmp_path / "moved.geojson", affine(corners))
    np.testing.assert_allclose(mask_reference(path, section, alignment).value, here.value, atol=0.1)
    picture = Image.new("L", (900, 700))
    ImageDraw.Draw(picture).polygon([tuple(place) for place in affine(corners)], fill=1)
    picture.save(tmp_path / "moved.png")
    moved = mask_reference(tmp_path / "moved.png", section, alignment)
    np.testing.assert_allclose(moved.value[moved.present], here.value[moved.present], atol=0.15)


def test_a_mask_that_does_not_fit_is_refused(section, tmp_path):
    Image.new("L", (300, 40), 1).save(tmp_path / "m.png")
    with pytest.raises(DataContractError, match="300 x 40 px for a slide of"):
        ReferenceFiles(mask=tmp_path / "m.png").references(section)
    (tmp_path / "m.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(DataContractError, match="no polygon"):
        ReferenceFiles(mask=tmp_path / "m.geojson").references(section)


def test_too_few_spots_are_no_comparison(section, um):
    present = np.arange(len(um)) < 5
    reference = MapReference(
        name="mask",
        words="a mask",
        value=None,
        positive=present,
        positive_words="inside",
        present=present,
    )
    with pytest.raises(DataContractError, match="5 spots with a value"):
        held_against(um[:, 0], reference, um, seed=0)


def test_files_are_recorded_by_their_content(section, tmp_path):
    path = written_labels(tmp_path / "l.csv", section, ["a"] * len(section.spots))
    first = ReferenceFiles(labels=path).about
    written_labels(path, section, ["b"] * len(section.spots))
    assert first.keys() == {"labels"}
    assert first != ReferenceFiles(labels=path).about

"""Brown stain of a second slide is found where it was put, through a known affine map."""

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb_from_hdx

from histoscribe.errors import DataContractError
from histoscribe.explain.where.against.choice import ReferenceFiles
from histoscribe.explain.where.against.landmarks import align, read_landmarks
from histoscribe.explain.where.against.reference import held_against
from histoscribe.explain.where.against.stain_slide import (
    open_stain_slide,
    stain_densities,
    stain_reference,
)


def test_known_densities_are_unmixed():
    haematoxylin, dab = np.meshgrid(np.linspace(0, 0.9, 10), np.linspace(0, 0.9, 10))
    density = np.stack([haematoxylin, dab], axis=-1)
    light = 256 * 10.0 ** -(density @ rgb_from_hdx[:2]) - 1
    pixels = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    np.testing.assert_allclose(stain_densities(pixels), density, atol=0.02)


def test_a_known_affine_map_is_recovered(pair, section):
    alignment = align(read_landmarks(pair.points), section.slide.mpp)
    np.testing.assert_allclose(alignment.affine.matrix, pair.affine.matrix, atol=1e-8)
    np.testing.assert_allclose(alignment.affine.shift, pair.affine.shift, atol=1e-5)
    assert alignment.residual_um == pytest.approx(0.0, abs=1e-6)
    assert alignment.affine.is_mirrored


def test_the_stain_of_each_spot_is_what_was_put_there(pair, section):
    stain = open_stain_slide(pair.image, section, read_landmarks(pair.points))
    assert stain.slide.mpp == pytest.approx(1.0)
    reference = stain_reference(stain, section)
    truth = pair.of_spots(section.spots.xy, section.spots.drawn_um / 2)
    rows = reference.present
    assert rows.mean() > 0.9
    assert np.corrcoef(truth[rows], reference.value[rows])[0, 1] > 0.99
    assert np.abs(reference.value[rows] - truth[rows]).max() < 0.08
    assert not (reference.positive & (truth < 0.1)).any()
    assert reference.positive[truth > 0.4].all()
    assert {number.name for number in reference.numbers} == {"residual_um", "left_out_um"}


def test_a_map_of_the_stained_region_agrees_and_a_turned_one_does_not(pair, section):
    (reference,) = ReferenceFiles(against=pair.image, points=pair.points).references(section)
    um = section.spots.xy * section.slide.mpp
    truth = pair.of_spots(section.spots.xy, 60.0)
    result = held_against(truth, reference, um, seed=0)
    by_name = {number.name: number.value for number in result.statistic}
    chance = {number.name: number for number in result.null}
    assert by_name["correlation_stain"] > max(0.8, chance["correlation_stain"].high)
    assert by_name["auroc_stain"] > max(0.9, chance["auroc_stain"].high)
    assert by_name["p_correlation_stain"] == 0.001
    wrong = um @ np.array([[0.0, 1.0], [-1.0, 0.0]])  # smooth, and of nothing
    other = held_against(wrong[:, 0] % 170.0, reference, um, seed=0)
    assert {n.name: n.value for n in other.statistic}["p_correlation_stain"] > 0.05


def test_wrong_landmarks_lose_the_stain(pair, section, tmp_path):
    table = np.loadtxt(pair.points, delimiter=",", skiprows=1)
    table[:, 2:] = np.roll(table[:, 2:], 2, axis=0)
    points = tmp_path / "points.csv"
    rows = [",".join(map(str, row)) for row in table]
    points.write_text("\n".join(["x,y,x2,y2", *rows]) + "\n")
    alignment = align(read_landmarks(points), section.slide.mpp)
    assert alignment.residual_um > 50.0  # of a section 600 um wide


def test_spots_without_tissue_on_the_second_slide_are_left_out(pair, section, tmp_path):
    with Image.open(pair.image) as picture:
        pixels = np.array(picture)
    stain = open_stain_slide(pair.image, section, read_landmarks(pair.points))
    x, _ = stain.affine(section.spots.xy).T
    middle = int(np.median(x))
    pixels[:, :middle] = 243  # glass
    Image.fromarray(pixels).save(tmp_path / "half.png")
    torn = ReferenceFiles(against=tmp_path / "half.png", points=pair.points).references(section)[0]
    assert not torn.present[x < middle - 60].any()
    assert torn.present[x > middle + 60].all()
    assert np.isnan(torn.value[~torn.present]).all()
    assert any("were left out" in note for note in torn.notes)


def test_a_slide_of_the_same_size_needs_no_landmarks(section, tmp_path):
    pixels = section.slide.overview(section.slide.mpp)
    Image.fromarray(pixels).save(tmp_path / "same.png")
    stain = open_stain_slide(tmp_path / "same.png", section, None)
    np.testing.assert_array_equal(stain.affine(section.spots.xy), section.spots.xy)
    assert stain.alignment is None


def test_a_slide_of_another_size_needs_landmarks(pair, section):
    with pytest.raises(DataContractError, match="and no landmarks") as error:
        ReferenceFiles(against=pair.image).references(section)
    assert "points" in error.value.problems[0].remedy


def test_all_problems_are_told_at_once(pair, section, tmp_path):
    points = tmp_path / "points.csv"
    points.write_text("x,y,x2,y2\n1,1,1,1\n2,2,2,2\n")
    files = ReferenceFiles(
        against=pair.image, points=points, labels=tmp_path / "none.csv", mask=tmp_path / "none.png"
    )
    with pytest.raises(DataContractError) as error:
        files.references(section)
    assert [problem.found.split(" (")[0] for problem in error.value.problems] == [
        "2 landmarks",
        "no such file",
        "no such file",
    ]


def test_landmarks_of_nothing_are_refused(pair, section):
    with pytest.raises(DataContractError, match="no second image"):
        ReferenceFiles(points=pair.points).references(section)


def test_landmarks_off_the_second_image_are_refused(pair, section, tmp_path):
    with Image.open(pair.image) as picture:
        picture.crop((0, 0, 200, 200)).save(tmp_path / "part.png")
    with pytest.raises(DataContractError, match="outside of the image in x2, y2"):
        ReferenceFiles(against=tmp_path / "part.png", points=pair.points).references(section)

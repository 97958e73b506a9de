"""Sections in memory are read as their files are, and all that is wrong is told at once."""

import anndata as ad
import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.in_memory import cohort_of
from histoscribe.io.slides.slide import open_slide

MPP = 0.5


def section(seed=0, side=4, step_px=40):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[1 : side + 1, 1 : side + 1] * step_px
    data = ad.AnnData(rng.poisson(3, (side * side, 5)).astype(np.float32) + 1)
    data.obs_names = [f"spot{number}" for number in range(side * side)]
    data.obsm["spatial"] = np.column_stack([x.ravel(), y.ravel()]).astype(float)
    return data


def pixels(seed=0, side_px=200):
    return np.random.default_rng(seed).integers(0, 255, (side_px, side_px, 3), dtype=np.uint8)


def made(**changes):
    arguments = {
        "adata_by_section": {"S1": section(1), "S2": section(2)},
        "images": {"S1": pixels(1), "S2": pixels(2)},
        "patients": {"S1": "P1", "S2": "P2"},
        "mpp": MPP,
    }
    return cohort_of(**arguments | changes)


def problems_of(**changes):
    with pytest.raises(DataContractError) as caught:
        made(**changes)
    return "\n".join(map(str, caught.value.problems))


def test_counts_places_and_patients_are_those_of_the_anndata():
    cohort, data = made(facts={"S1": {"site": "skin"}}), section(1)
    assert cohort.patients == {"S1": "P1", "S2": "P2"}
    assert cohort.facts["S1"] == {"site": "skin"}
    np.testing.assert_array_equal(cohort["S1"].measured.matrix.toarray(), data.X)
    np.testing.assert_array_equal(cohort["S1"].spots.xy, data.obsm["spatial"])
    assert cohort["S1"].spots.pitch_um == 40 * MPP


def test_an_array_shows_and_hashes_as_its_file_does(tmp_path):
    from PIL import Image

    path = tmp_path / "S1.png"
    Image.fromarray(pixels(1)).save(path)
    of_array, of_file = made()["S1"].slide, made(images={"S1": path, "S2": str(path)})["S1"].slide
    assert of_array.pixel_hash() == of_file.pixel_hash()
    for at in (MPP, 3 * MPP):
        there = of_array.read((80.0, 80.0), 16, at)
        np.testing.assert_array_equal(there, of_file.read((80.0, 80.0), 16, at))
    opened = open_slide(path, MPP)
    assert made(images={"S1": opened, "S2": opened}, mpp=None)["S1"].slide is opened


def test_what_changes_later_in_the_anndata_changes_nothing():
    data, image = section(1), pixels(1)
    cohort = cohort_of({"S1": data}, {"S1": image}, {"S1": "P1"}, mpp=MPP)
    total, xy, pixel_hash = (
        cohort["S1"].measured.total.sum(),
        cohort["S1"].spots.xy.copy(),
        pixels(1)[0, 0].tolist(),
    )
    data.X[:] = 7
    data.obsm["spatial"][:] = 0
    image[:] = 0
    assert cohort["S1"].measured.total.sum() == total
    np.testing.assert_array_equal(cohort["S1"].spots.xy, xy)
    assert cohort["S1"].slide.overview(MPP)[0, 0].tolist() == pixel_hash


def test_the_pitch_of_a_visium_array_gives_the_resolution():
    data = section(1)
    row, column = np.divmod(np.arange(16), 4)
    data.obs["array_row"], data.obs["array_col"] = row, 2 * column + row % 2
    data.obsm["spatial"] = data.obs[["array_col", "array_row"]] * [20, 20 * np.sqrt(3)] + 10
    cohort = cohort_of({"S1": data}, {"S1": pixels(1)}, {"S1": "P1"})
    assert cohort["S1"].slide.mpp == pytest.approx(100 / 40)


def test_a_library_in_uns_is_no_visium():
    data = section(1)
    data.uns["spatial"] = {"library": {}}
    with pytest.raises(DataContractError, match="um/px is unknown"):
        cohort_of({"S1": data}, {"S1": pixels(1)}, {"S1": "P1"})


def test_every_problem_of_every_section_is_told_at_once():
    normal, nowhere = section(1), section(2)
    normal.X = normal.X / 3
    del nowhere.obsm["spatial"]
    said = problems_of(
        adata_by_section={"S1": normal, "S2": nowhere, "S3": section(3), "../S4": section(4)},
        images={"S1": pixels(1), "S2": pixels(2), "S3": pixels(3)[:, :, 0], "../S4": pixels(4)},
        patients={"S1": "P1", "S2": "P2", "S3": "P3", "../S4": "", "S5": "P5"},
    )
    assert "raw counts: whole numbers" in said
    assert 'write the spot centres to obsm["spatial"]' in said
    assert "uint8 of shape [height, width, 3]" in said
    assert "not in `patients`" in said
    assert "`patients`: no section 'S5'" in said
    assert "'../S4'" in said


def test_an_unknown_resolution_says_where_to_give_it():
    assert "hs.cohort_of(..., mpp=0.5)" in problems_of(mpp=None)

"""What a user may give to the viewer, and what is said about everything else."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from PIL import Image

from histoscribe.errors import DataContractError
from histoscribe.io.byte_map import write_byte_maps
from histoscribe.io.predictions.anndata import to_anndata, write_prediction
from histoscribe.io.predictions.spatialdata import write_spatialdata
from histoscribe.viewer.gene_maps import GeneMaps
from histoscribe.viewer.views import ViewRequest, open_views
from tests.viewer.toys import MPP, SIDE, N, toy_prediction, write_slide, write_toy


def views(*predictions, **more):
    return open_views(ViewRequest(predictions=predictions, **more))


def problems(*predictions, **more) -> str:
    with pytest.raises(DataContractError) as error:
        views(*predictions, **more)
    return str(error.value)


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_a_file_without_its_slide_shows_the_picture_in_it(tmp_path, kind):
    wide = np.full((300, 5000, 3), 200, dtype=np.uint8)
    Image.fromarray(wide).save(tmp_path / "he.png")
    prediction = toy_prediction(tmp_path / "he.png", measured=True)
    path = tmp_path / f"S1.{kind}"
    (write_prediction if kind == "h5ad" else write_spatialdata)(prediction, path)
    (view,) = views(path)
    ground = view.ground()
    assert ground.zoom is not None
    scale = ground.zoom.slide.width / 5000
    assert scale < 0.5
    np.testing.assert_allclose(ground.xy, prediction.spots.xy * scale, rtol=1e-6)
    assert ground.mpp == pytest.approx(MPP / scale)
    assert "--slide" in ground.warnings[0]
    (values,) = view.values.predicted()
    np.testing.assert_array_equal(values, prediction.values)
    (measured,) = view.values.measured()
    np.testing.assert_array_equal(measured, prediction.measured)


def test_a_prediction_without_any_picture_shows_bare_places(tmp_path):
    slide, _ = write_toy(tmp_path)
    data = to_anndata(toy_prediction(slide))
    del data.uns["spatial"], data.uns["histoscribe"]["mpp"]
    data.write_h5ad(tmp_path / "bare.h5ad")
    (view,) = views(tmp_path / "bare.h5ad")
    assert view.ground().zoom is None
    assert not view.has_slide
    assert view.ground().mpp > 0, "by the pitch of the places"


def test_units_that_differ_give_no_difference(tmp_path):
    _, file = write_toy(tmp_path, measured=True, unit="pearson-residuals")
    (view,) = views(file)
    maps = GeneMaps(view, tmp_path / "cache")
    assert maps.kinds == ("predicted", "measured")
    assert maps.map("predicted").range.high[0] == N - 1
    assert maps.map("measured").range.high[1] == N - 1


def test_maps_are_made_once_and_again_for_another_file_of_this_name(tmp_path, monkeypatch):
    slide, file = write_toy(tmp_path)
    made = []
    write = "histoscribe.viewer.gene_maps.write_byte_maps"
    monkeypatch.setattr(write, lambda *of: made.append(of) or write_byte_maps(*of))

    def first_gene():
        (view,) = views(file)
        return GeneMaps(view, tmp_path / "cache").map("predicted").message(0)

    before = first_gene()
    assert first_gene() == before
    assert len(made) == 1
    write_prediction(toy_prediction(slide, n=25), file)
    assert len(first_gene()) == len(before) + 5
    assert len(made) == 2


def test_another_slide_is_refused_with_both_sizes(tmp_path):
    _, file = write_toy(tmp_path)
    Image.new("RGB", (300, 200)).save(tmp_path / "other.png")
    told = problems(file, slides={"": tmp_path / "other.png"})
    assert "300 x 200 px" in told
    assert "{:,} x {:,} px".format(*SIDE) in told


def test_a_folder_gives_all_its_predictions(tmp_path):
    slide, file = write_toy(tmp_path)
    write_prediction(toy_prediction(slide), tmp_path / "S1b.h5ad")
    names = [view.name for view in views(tmp_path)]
    assert names == ["S1, egn@1a2b"] * 2
    assert len(views(file)) == 1


def test_sections_are_chosen_by_name_and_slides_need_theirs(tmp_path):
    slide, file = write_toy(tmp_path)
    assert len(views(file, sections=("S1",), slides={"S1": slide})) == 1
    told = problems(file, sections=("S2",), slides={"S3": slide})
    assert "--section S2: no such section" in told
    assert "--slide S3: no such section" in told


def test_a_slide_belongs_to_the_only_section_that_is_named(tmp_path):
    slide, _ = write_toy(tmp_path)
    other = toy_prediction(slide)
    write_prediction(replace(other, head=replace(other.head, section="S2")), tmp_path / "S2.h5ad")
    assert "2 sections" in problems(tmp_path, slides={"": slide})
    (view,) = views(tmp_path, sections=("S2",), slides={"": slide})
    assert view.has_slide


def test_files_that_are_no_prediction_are_listed_together(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 50)
    with h5py.File(tmp_path / "other.h5ad", "w") as other:
        other["X"] = np.zeros((2, 2))
    told = problems(
        *(tmp_path / name for name in ("missing.h5ad", "empty", "cut.h5ad", "other.h5ad"))
    )
    assert "missing.h5ad: no such file" in told
    assert "empty: a folder without predictions" in told
    assert "cut.h5ad" in told
    assert "other.h5ad" in told


def test_measured_counts_alone_are_no_prediction(tmp_path):
    slide = write_slide(tmp_path / "he.png")
    data = to_anndata(toy_prediction(slide))
    del data.uns["histoscribe"]["predictor"]
    data.write_h5ad(tmp_path / "counts.h5ad")
    assert "no prediction" in problems(tmp_path / "counts.h5ad")

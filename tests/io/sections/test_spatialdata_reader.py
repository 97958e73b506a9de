"""Sections come out of SpatialData as they went in; what cannot be read is said."""

import dataclasses
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.sections.qc import Filters, section_of
from histoscribe.io.sections.source import Source
from histoscribe.io.sections.spatialdata_reader import SPATIALDATA
from histoscribe.simulate.cohort import simulate

sd = pytest.importorskip("spatialdata")
from spatialdata._io.format import SpatialDataContainerFormatV01  # noqa: E402
from spatialdata.models import PointsModel, ShapesModel  # noqa: E402
from spatialdata.transformations import (  # noqa: E402
    Affine,
    Identity,
    Scale,
    set_transformation,
)

from tests.io.sections import spatialdata_writer as made  # noqa: E402

GENES = ("ENSG00000000001.1", "ENSG00000000002.4", "ENSG00000000003.2")


@pytest.fixture
def data(writer):
    writer.staggered()
    return made.section_of(writer.truth, writer.barcodes, GENES)


@pytest.fixture
def path(writer):
    return writer.folder / "S.zarr"


def read(path, **given):
    source = Source(section="S", patient="P", kind="spatialdata", path=path, **given)
    return section_of(SPATIALDATA.read(source), source, Filters())


def test_spots_counts_and_pixels_come_back(data, path, writer):
    section = read(made.write(data, path))
    truth = writer.truth
    np.testing.assert_array_equal(section.measured.matrix.toarray(), truth.counts)
    assert section.spots.ids == tuple(writer.barcodes)
    assert section.measured.gene_ids[0] == "ENSG00000000001"
    np.testing.assert_allclose(section.spots.xy, truth.xy)
    assert (section.spots.pitch_um, section.spots.diameter_um) == (100.0, 55.0)
    whole = section.slide.overview(section.slide.mpp)
    np.testing.assert_array_equal(whole, truth.image())


def test_a_simulated_section_goes_to_spatialdata_and_back(tmp_path):
    manifest = simulate(tmp_path, n_patients=1, spots_per_section=12, genes_per_family=1)
    before = read_cohort(manifest)["P1S1"]
    truth = SimpleNamespace(
        xy=before.spots.xy,
        counts=before.measured.matrix.toarray(),
        image=lambda: before.slide.overview(before.slide.mpp),
    )
    data = made.section_of(truth, before.spots.ids, before.measured.gene_ids, chunk=512)
    table = data.tables["table"]
    step = np.array([0.5, np.sqrt(0.75)]) * 100 / before.slide.mpp
    place = np.rint((truth.xy - truth.xy[0]) / step).astype(int)
    table.obs["array_col"], table.obs["array_row"] = place.T
    data.shapes["S"]["radius"] = 27.5 / before.slide.mpp
    after = read(made.write(data, tmp_path / "P1S1.zarr"))
    assert after.spots.ids == before.spots.ids
    assert after.measured.gene_ids == before.measured.gene_ids
    assert (after.measured.matrix != before.measured.matrix).nnz == 0
    np.testing.assert_array_equal(after.spots.xy, before.spots.xy)
    assert after.slide.pixel_hash() == before.slide.pixel_hash()
    assert after.slide.mpp == pytest.approx(before.slide.mpp, rel=0.02)


def test_stores_of_the_format_before_zarr_3_are_read(data, path, writer):
    made.write(data, path, sdata_formats=SpatialDataContainerFormatV01())
    assert (path / ".zgroup").is_file()
    section = read(path)
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts)
    np.testing.assert_array_equal(section.slide.overview(5.0), writer.truth.image())


def test_an_image_in_a_tiff_has_the_same_hash(data, path, writer):
    from histoscribe.io.slides.slide import open_slide

    section = read(made.write(data, path))
    assert section.slide.pixel_hash() == open_slide(writer.image(), 5.0).pixel_hash()


def test_centres_follow_the_image_wherever_it_is_placed(data, path, writer):
    # half of full resolution, turned by 90 degrees and moved
    turn = Affine(
        [[0.0, 2.0, 30.0], [-2.0, 0.0, 500.0], [0.0, 0.0, 1.0]],
        input_axes=("x", "y"),
        output_axes=("x", "y"),
    )
    set_transformation(data.images["S_full_image"], turn, "global")
    data.shapes["S"].geometry = data.shapes["S"].geometry.affine_transform([0, 2, -2, 0, 30, 500])
    data.shapes["S"]["radius"] *= 2
    section = read(made.write(data, path))
    np.testing.assert_allclose(section.spots.xy, writer.truth.xy)


def test_of_the_pictures_of_one_section_the_finest_is_read(data, path, writer):
    made.with_hires(data, np.full((39, 48, 3), 200, dtype=np.uint8), 0.5)
    section = read(made.write(data, path))
    assert section.slide.width == 96
    small = read(path, image=path / "images" / "S_hires_image")
    assert small.slide.width == 48
    np.testing.assert_allclose(small.spots.xy, writer.truth.xy / 2)
    assert small.slide.mpp == pytest.approx(10.0)


def test_an_image_outside_is_in_px_of_global(data, path, writer):
    del data.images["S_full_image"]
    section = read(made.write(data, path), image=writer.image())
    np.testing.assert_allclose(section.spots.xy, writer.truth.xy)
    assert (section.slide.read(tuple(section.spots.xy[0]), 3, 5.0) == writer.truth.colour[0]).all()
    assert any("he.png" in note for note in section.notes)


def test_several_images_are_listed_with_the_way_to_choose(data, path, writer):
    data.images["stained_again"] = made.image_of(255 - writer.truth.image())
    made.write(data, path)
    with pytest.raises(DataContractError, match="column `image`") as caught:
        read(path)
    assert "S_full_image, stained_again" in str(caught.value)
    chosen = read(path, image=path / "images" / "stained_again")
    assert chosen.slide.path.name == "stained_again"


def test_several_sections_in_one_folder_are_read_one_by_one(data, path, writer):
    truth = writer.truth
    two = sd.concatenate(
        {
            "A": data,
            "B": made.section_of(
                dataclasses.replace(truth), [f"{b}-B" for b in writer.barcodes], GENES
            ),
        },
        concatenate_tables=True,
    )
    made.write(two, path)
    with pytest.raises(DataContractError, match="column `spots`"):
        read(path)
    image = next(name for name in two.images if name.endswith("B"))
    section = read(path, spots=path / "shapes" / "S-B", image=path / "images" / image)
    assert all(id_.endswith("-B") for id_ in section.spots.ids)
    np.testing.assert_array_equal(section.measured.matrix.toarray(), truth.counts)


def test_a_micron_system_states_the_um_per_px(data, path, writer):
    set_transformation(data.images["S_full_image"], Scale([5.0, 5.0], axes=("x", "y")), "um")
    section = read(made.write(data, path))
    assert "5 from the image, 5 from the spot pitch" in " ".join(section.notes)
    set_transformation(data.images["S_full_image"], Scale([6.0, 6.0], axes=("x", "y")), "um")
    with pytest.raises(DataContractError, match="mpp_from"):
        read(made.write(data, path.with_name("other.zarr")))


def test_px_that_are_not_square_are_refused(data, path):
    set_transformation(data.images["S_full_image"], Scale([5.0, 6.0], axes=("x", "y")), "um")
    with pytest.raises(DataContractError, match="5 um wide and 6 um high"):
        read(made.write(data, path))


def test_spots_of_another_make_have_their_own_diameter_and_ask_for_um_per_px(data, path):
    data.tables["table"].obs["array_col"] //= 2  # a square array is not Visium's
    made.write(data, path)
    with pytest.raises(DataContractError, match="um/px is unknown"):
        read(path)
    section = read(path, mpp=2.0)
    assert section.spots.pitch_um == pytest.approx(40.0)
    assert section.spots.diameter_um == pytest.approx(24.0)


def test_circles_that_the_table_leaves_out_are_left_out(data, path, writer):
    data.tables["table"] = data.tables["table"][3:].copy()
    section = read(made.write(data, path))
    np.testing.assert_allclose(section.spots.xy, writer.truth.xy[3:])


def test_systems_that_disagree_stop(data, path):
    set_transformation(data.shapes["S"], Identity(), "aligned")
    moved = Affine(
        [[1.0, 0.0, 9.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        input_axes=("x", "y"),
        output_axes=("x", "y"),
    )
    set_transformation(data.images["S_full_image"], moved, "aligned")
    with pytest.raises(DataContractError, match="aligned"):
        read(made.write(data, path))


def test_normalised_values_are_refused(data, path):
    data.tables["table"].X = np.log1p(data.tables["table"].X.toarray())
    with pytest.raises(DataContractError, match="raw counts"):
        read(made.write(data, path))


def test_an_image_of_other_channels_is_refused(data, path, writer):
    data.images["S_full_image"] = made.image_of(writer.truth.image()[..., :2])
    made.write(data, path)
    with pytest.raises(DataContractError, match="no images that fit"):
        read(path)


def test_transparent_pixels_are_white(data, path, writer):
    pixels = np.dstack([writer.truth.image(), np.full((77, 96), 255, dtype=np.uint8)])
    pixels[:10, :10] = (0, 0, 0, 0)
    data.images["S_full_image"] = made.image_of(pixels)
    section = read(made.write(data, path))
    whole = section.slide.overview(section.slide.mpp)
    assert (whole[:10, :10] == 255).all()
    np.testing.assert_array_equal(whole[10:], writer.truth.image()[10:])


def test_molecules_without_spots_are_refused(path, writer):
    points = PointsModel.parse(writer.truth.xy)
    squares = ShapesModel.parse(made.circles_of(writer.truth.xy, 4.0).assign())
    squares = ShapesModel.parse(squares.drop(columns="radius").buffer(4).to_frame("geometry"))
    data = sd.SpatialData(
        images={"he": made.image_of(writer.truth.image())},
        points={"molecules": points},
        shapes={"cells": squares},
    )
    with pytest.raises(DataContractError, match="annotates circles"):
        read(made.write(data, path))


def test_another_folder_is_no_spatialdata(tmp_path, path):
    (tmp_path / "empty").mkdir()
    zarr.open_group(path, mode="w")
    for folder in (tmp_path / "empty", path):
        with pytest.raises(DataContractError):
            read(folder)


def test_pickled_objects_are_never_opened(data, path, tmp_path):
    made.write(data, path)
    layer = path / "tables" / "table" / "layers" / "bad"
    layer.mkdir()
    codec = {"id": "pickle", "protocol": 5}
    array = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "compressor": None}
    array |= {"fill_value": None, "order": "C", "filters": [codec]}
    text = json.dumps(array).replace("pickle", "\\u0070ickle")  # as JSON may also write it
    (layer / ".zarray").write_text(text)
    with pytest.raises(DataContractError, match="would execute code"):
        read(path)


def test_only_the_chunks_needed_are_decoded(data, path, writer):
    section = read(made.write(data, path))
    for chunk in path.glob("images/S_full_image/*/c/*/1/*"):
        chunk.write_bytes(b"broken")
    top = section.slide.read((20.0, 12.0), 20, section.slide.mpp)
    np.testing.assert_array_equal(top, writer.truth.image()[2:22, 10:30])
    with pytest.raises(DataContractError, match="truncated or broken"):
        section.slide.read((20.0, 60.0), 20, section.slide.mpp)


def test_without_the_extra_the_message_is_its_install_command(data, path, monkeypatch):
    made.write(data, path)
    monkeypatch.setitem(sys.modules, "spatialdata", None)
    with pytest.raises(DataContractError, match=r"pip install 'histoscribe\[spatialdata\]'"):
        read(path)

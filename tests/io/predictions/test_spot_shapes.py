"""Predictions of circles, squares and cells go to files of other tools as what they are."""

import json
from dataclasses import replace

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.predictions.anndata import (
    read_prediction,
    to_anndata,
    write_prediction,
)
from histoscribe.io.predictions.geojson import read_polygons, write_detections
from histoscribe.types import Head, Prediction
from tests.sections_by_shape import MPP, SHAPES, PinkSlide, spots_of


def prediction_of(shape):
    spots = spots_of(shape)
    head = Head(section="S", spots=spots, genes=("ACTB",), unit="log", predictor="ridge@1a2b")
    return Prediction(head, np.arange(len(spots), dtype=np.float32)[:, None])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_prediction_of_any_shape_comes_back(shape, tmp_path):
    given = prediction_of(shape)
    write_prediction(given, tmp_path / "S.h5ad")
    back = read_prediction(tmp_path / "S.h5ad").spots
    np.testing.assert_array_equal(back.xy, given.spots.xy)
    assert (back.ids, back.shape) == (given.spots.ids, shape)
    assert (back.diameter_um, back.pitch_um) == (given.spots.diameter_um, given.spots.pitch_um)


def test_cells_of_unknown_size_stay_so_and_are_drawn_at_10_um(tmp_path):
    given = prediction_of("cells")
    spots = replace(given.head.spots, diameter_um=None)
    write_prediction(
        Prediction(replace(given.head, spots=spots), given.values), tmp_path / "S.h5ad"
    )
    back = read_prediction(tmp_path / "S.h5ad").spots
    assert (back.diameter_um, back.drawn_um) == (None, 10.0)
    with pytest.raises(ValueError, match="circles without a diameter"):
        replace(spots_of("circles"), diameter_um=None)


@pytest.mark.parametrize("shape", SHAPES)
def test_scanpy_is_told_a_diameter_in_px_whatever_the_shape(shape):
    slide = PinkSlide()
    data = to_anndata(replace(prediction_of(shape), slide=slide))
    factors = data.uns["spatial"]["S"]["scalefactors"]
    assert factors["spot_diameter_fullres"] == spots_of(shape).diameter_um / MPP


@pytest.mark.parametrize(("shape", "n_corners"), [("circles", 16), ("squares", 4), ("cells", 16)])
def test_the_outline_in_geojson_is_that_of_the_shape(shape, n_corners, tmp_path):
    spots = spots_of(shape)
    write_detections(tmp_path / "S.geojson", spots, MPP, [{"ACTB": np.zeros(len(spots))}])
    features = json.loads((tmp_path / "S.geojson").read_text())["features"]
    assert [feature["properties"]["name"] for feature in features] == list(spots.ids)
    for (ring,), xy in zip(read_polygons(tmp_path / "S.geojson"), spots.xy, strict=True):
        assert ring[0] == ring[-1]
        corners = np.array(ring[:-1])
        assert len(corners) == n_corners
        np.testing.assert_allclose(corners.mean(axis=0), xy, atol=0.01)
        np.testing.assert_allclose(np.ptp(corners, axis=0), spots.diameter_um / MPP, atol=0.02)


@pytest.mark.parametrize("shape", SHAPES)
def test_spatialdata_has_squares_as_polygons_and_the_others_as_circles(shape):
    pytest.importorskip("spatialdata")
    from histoscribe.io.predictions.spatialdata import to_spatialdata

    given = prediction_of(shape)
    shapes = to_spatialdata(replace(given, slide=PinkSlide())).shapes["S_spots"]
    assert list(shapes.index) == list(given.spots.ids)
    centres = np.stack([shapes.centroid.x, shapes.centroid.y], axis=1)
    np.testing.assert_allclose(centres, given.spots.xy)
    width = given.spots.diameter_um / MPP
    if shape == "squares":
        np.testing.assert_allclose(shapes.area, width**2)
    else:
        np.testing.assert_allclose(shapes["radius"], width / 2)


def test_cells_without_a_slide_have_no_um_per_px():
    pytest.importorskip("spatialdata")
    from histoscribe.io.predictions.spatialdata import to_spatialdata

    with pytest.raises(DataContractError, match="no lattice and no slide"):
        to_spatialdata(prediction_of("cells"))

"""GeoJSON goes out as QuPath reads it, and polygons come in however they are wrapped."""

import json

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.predictions.geojson import read_polygons, write_detections
from histoscribe.types import Spots

RING = [[0, 0], [10, 0], [10, 20], [0, 20], [0, 0]]
HOLE = [[2, 2], [4, 2], [4, 4], [2, 2]]


def test_blocks_become_one_collection_of_detections(tmp_path):
    xy = np.array([[50.0, 60.0], [150.0, 60.0], [250.5, 60.0]])
    spots = Spots(("a", "b", "c"), xy, 50.0, 50.0, "squares")
    gene = np.array([1.0, np.nan, 1e-9], dtype=np.float32)
    blocks = [{"GENE": gene[:2]}, {"GENE": gene[2:]}]
    write_detections(tmp_path / "x.geojson", spots, 0.5, blocks)
    found = json.loads((tmp_path / "x.geojson").read_text())
    assert found["type"] == "FeatureCollection"
    assert [f["properties"]["name"] for f in found["features"]] == ["a", "b", "c"]
    assert {f["properties"]["objectType"] for f in found["features"]} == {"detection"}
    measured = [f["properties"]["measurements"] for f in found["features"]]
    assert measured == [{"GENE": 1.0}, {}, {"GENE": 1e-9}], "what is not a number is left out"
    ring = found["features"][2]["geometry"]["coordinates"][0]
    assert ring == [[200.5, 10.0], [300.5, 10.0], [300.5, 110.0], [200.5, 110.0], [200.5, 10.0]]


def test_rows_that_are_missing_leave_no_file(tmp_path):
    spots = Spots(("a", "b"), np.zeros((2, 2)), 100.0, 100.0)
    with pytest.raises(ValueError, match="1 rows"):
        write_detections(tmp_path / "x.geojson", spots, 1.0, [{"GENE": np.zeros(1)}])
    assert list(tmp_path.iterdir()) == []


def geometry(kind, coordinates):
    return {"type": kind, "coordinates": coordinates}


WRAPPED = {
    "geometry": geometry("Polygon", [RING, HOLE]),
    "feature": {"type": "Feature", "geometry": geometry("Polygon", [RING, HOLE])},
    "list": [{"type": "Feature", "geometry": geometry("Polygon", [RING, HOLE])}],
    "multi": geometry("MultiPolygon", [[RING, HOLE]]),
    "collection": {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "geometry": geometry("Point", [1, 2])},
            {"type": "Feature", "geometry": geometry("Polygon", [RING, HOLE])},
        ],
    },
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_polygons_are_found_however_they_are_wrapped(tmp_path, kind):
    (tmp_path / "x.geojson").write_text(json.dumps(WRAPPED[kind]))
    (rings,) = read_polygons(tmp_path / "x.geojson")
    assert [[list(point) for point in ring] for ring in rings] == [RING, HOLE]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"type": "Polygon"}', "[1]"])
def test_a_file_without_polygons_is_refused(tmp_path, text):
    (tmp_path / "x.geojson").write_text(text)
    with pytest.raises(DataContractError, match="QuPath"):
        read_polygons(tmp_path / "x.geojson")

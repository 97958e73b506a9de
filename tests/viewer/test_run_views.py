"""A benchmark in the viewer: measured beside predicted, exemplars, and findings."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from histoscribe.benchmark.run import benchmark
from histoscribe.errors import DataContractError
from histoscribe.types import SpotKeys
from histoscribe.viewer.answers import Answers
from histoscribe.viewer.exemplars import ExemplarOrigin
from histoscribe.viewer.server import ViewServer
from histoscribe.viewer.views import ViewRequest, open_views
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.report.made import keep_values, make_run
from tests.report.test_findings import saved
from tests.viewer.toys import Browser, write_toy


@pytest.fixture
def serve(tmp_path):
    """Serves views until the test ends."""
    servers = []

    def start(views):
        servers.append(ViewServer(Answers(views, tmp_path / "cache"), 0))
        return Browser(servers[-1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_run_shows_what_was_measured_over_its_picture(tmp_path, serve):
    run = make_run(tmp_path / "run")
    given = keep_values(run, "S1")
    browser = serve(open_views(ViewRequest(predictions=(run,), model="depth")))
    section = browser.json("s/0/section.json")
    assert section["id"] == "S1"
    assert [gene["measured"] for gene in section["genes"]] == [True] * 4
    assert section["genes"][1]["score"] == 0.1
    assert "log_total" in [fact["name"] for fact in section["facts"]]
    for kind, model in (("predicted", "depth"), ("measured", "measured")):
        values = browser.values(f"s/0/gene/2/{kind}.bin")
        np.testing.assert_allclose(values, given[model][:, 2], atol=0.02)
    # the cohort of the run is gone: the picture in the run is shown, and that is said
    assert (section["slide"]["width"], section["slide"]["height"]) == (200, 60)
    assert "cohort <b>.csv" not in section["warnings"][0]
    assert "--slide" in section["warnings"][0]
    xy = np.frombuffer(browser.get("s/0/places.bin")[1], dtype="<f4").reshape(-1, 2)
    assert (xy <= 200).all(), "px of the picture, in which 5 um are one"


def test_a_section_of_two_folds_is_viewed_in_both(tmp_path):
    run = make_run(tmp_path / "run")
    for fold in ("P0", "P1"):
        keep_values(run, "S1", fold)
    views = open_views(ViewRequest(predictions=(run,)))
    assert [view.name for view in views] == ["S1, fold P0", "S1, fold P1"]


def test_an_unknown_model_missing_files_and_a_run_without_maps_are_told(tmp_path):
    run, empty = make_run(tmp_path / "run"), make_run(tmp_path / "empty")
    keep_values(run, "S1")
    with pytest.raises(DataContractError, match=r"--model rigde.*\n.*\n.*did you mean ridge"):
        open_views(ViewRequest(predictions=(run,), model="rigde"))
    with pytest.raises(DataContractError, match="without maps"):
        open_views(ViewRequest(predictions=(empty,)))
    (run / "predictions" / "ridge" / "P0" / "S1.h5ad").unlink()
    with pytest.raises(DataContractError, match="no such file"):
        open_views(ViewRequest(predictions=(run,), model="ridge"))


def test_a_finding_stands_beside_its_section_with_chance_and_caveat(tmp_path, serve):
    _, file = write_toy(tmp_path)
    about, other = saved(tmp_path / "a"), saved(tmp_path / "b", about={"section": "S9"})
    views = open_views(ViewRequest(predictions=(file,), findings=(about, other)))
    browser = serve(views)
    (finding,) = browser.json("s/0/section.json")["findings"]
    assert finding["question"] == "latent"
    assert "purity_label: 0.75; by chance 0.5 (0.4 to 0.6)" in finding["text"]
    assert finding["text"].endswith("A picture is no proof.")
    response, body = browser.get(finding["image"])
    assert response.headers["Content-Type"] == "image/jpeg"
    assert Image.open(BytesIO(body)).size == (200, 60)
    assert browser.get("s/0/findings/1.jpg")[0].status == 404
    with pytest.raises(DataContractError, match="no such file"):
        open_views(ViewRequest(predictions=(file,), findings=(tmp_path / "c",)))


def test_the_exemplars_of_a_place_have_their_origin_and_their_tiles(tmp_path, serve):
    _, file = write_toy(tmp_path)
    (view,) = open_views(ViewRequest(predictions=(file,)))
    spots = [f"t{i}" for i in range(7)]
    keys = SpotKeys.of_names(["A"] * 4 + ["B"] * 3, ["P1"] * 4 + [None] * 3, spots)
    origin = ExemplarOrigin(keys, lambda section, spot: np.full((8, 8, 3), 9, dtype=np.uint8))
    browser = serve([view, replace(view, exemplars=origin)])
    (first, *_) = browser.json("s/0/exemplars/1.json")["exemplars"]
    assert (first["section"], first["image"], first["distance"]) == (None, None, 1.0)
    listed = browser.json("s/1/exemplars/1.json")["exemplars"]  # rows 3, 4, 5 of the pool
    named = [(of["patient"], of["section"], of["spot"]) for of in listed]
    assert named == [("P1", "A", "t3"), (None, "B", "t4"), (None, "B", "t5")]
    assert browser.get(listed[2]["image"])[1].startswith(b"\xff\xd8")
    for missing in ("s/0/exemplars/1/0.jpg", "s/1/exemplars/1/3.jpg", "s/1/exemplars/20.json"):
        assert browser.get(missing)[0].status == 404


@pytest.mark.slow
def test_a_real_run_is_viewed_over_its_slides_in_one_unit_with_exemplars(tmp_path, serve):
    cohort = tiny_cohort(tmp_path / "cohort")
    egn = {"preset": "tiny", "exemplars": {"n": 3}}
    settings = tiny_settings(cohort, models=["mean", "egn"], settings={"egn": egn})
    benchmark(settings=settings, out=tmp_path / "run", cache=tmp_path / "features")
    views = open_views(ViewRequest(predictions=(tmp_path / "run",), model="egn"))
    browser = serve(views)
    section = browser.json("s/0/section.json")
    assert section["kinds"] == ["predicted", "measured", "difference"]
    assert section["warnings"] == [], "the slide of the cohort is shown"
    predicted, measured, apart = (
        browser.values(f"s/0/gene/0/{kind}.bin") for kind in section["kinds"]
    )
    step = (measured.max() - measured.min()) / 100
    np.testing.assert_allclose(apart, predicted - measured, atol=step)
    listed = browser.json("s/0/exemplars/0.json")["exemplars"]
    assert len(listed) == 3
    assert {of["patient"] for of in listed} <= {"P1", "P2", "P3"}
    assert browser.get(listed[0]["image"])[1].startswith(b"\xff\xd8")

"""The server of the viewer gives the slide, the genes and what is known of them."""

import errno
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from histoscribe.viewer.answers import Answers
from histoscribe.viewer.exemplars import exemplars_of
from histoscribe.viewer.server import ViewServer
from histoscribe.viewer.views import ViewRequest, open_views
from tests.viewer.toys import MPP, SIDE, Browser, N, toy_prediction, write_slide, write_toy


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    slide, file = write_toy(folder, measured=True)
    with ViewServer(
        Answers(open_views(ViewRequest(predictions=(file,), slides={"": slide})), folder / "cache"),
        0,
    ) as server:
        yield Browser(server)
        server.shutdown()


def test_a_page_lists_its_sections(browser):
    (section,) = browser.json("view.json")["sections"]
    assert (section["id"], section["n_places"], section["n_genes"]) == ("S1", N, 3)
    assert section["has_slide"]
    assert section["has_measured"]
    assert "an unusual slide" in section["warnings"]


def test_a_section_tells_its_slide_and_how_far_to_trust_each_gene(browser):
    section = browser.json("s/0/section.json")
    assert (section["slide"]["width"], section["slide"]["height"]) == SIDE
    assert section["diameter_px"] == 55.0 / MPP
    genes = section["genes"]
    assert [gene["symbol"] for gene in genes] == ["ERBB2", "ENSG2", "ENSG3"]
    assert [gene["score"] for gene in genes] == [0.5, 0.1, None]
    assert [gene["trust"] for gene in genes] == ["above chance", "not above chance", "unknown"]
    assert [gene["undefined_why"] is None for gene in genes] == [True, True, False]
    assert [fact["name"] for fact in section["facts"]] == ["trusted", "distance_to_training"]
    assert [(of["name"], of["labels"]) for of in section["evidence"]] == [
        ("exemplar_distance", ["1", "2", "3"]),
        ("pathways", ["hypoxia", "growth"]),
    ]
    assert section["has_exemplars"]


def test_the_values_of_a_gene_come_back_within_half_a_step(browser):
    predicted, measured = (browser.values(f"s/0/gene/0/{kind}.bin") for kind in KINDS[:2])
    expected = np.arange(float(N))
    expected[3] = np.nan
    step = (N - 1) / 254
    np.testing.assert_allclose(predicted, expected, atol=step / 2)
    np.testing.assert_allclose(measured, np.arange(N)[::-1], atol=step / 2)


KINDS = ("predicted", "measured", "difference")


def test_predicted_and_measured_values_share_their_range(browser):
    heads = [browser.get(f"s/0/gene/0/{kind}.bin")[1][:8] for kind in KINDS]
    assert heads[0] == heads[1]
    low, high = np.frombuffer(heads[2], dtype="<f4")
    assert (low, high) == (-19.0, 19.0), "zero is in the middle of a difference"


def test_constant_and_undefined_genes_are_told_apart(browser):
    constant = browser.values("s/0/gene/1/predicted.bin")
    np.testing.assert_allclose(constant, 2.0, atol=19 / 254)
    assert np.isnan(browser.values("s/0/gene/2/predicted.bin")).all()


def test_facts_and_evidence_are_maps_too(browser):
    np.testing.assert_allclose(browser.values("s/0/fact/1.bin"), np.linspace(0, 2, N), atol=2 / 254)
    np.testing.assert_allclose(
        browser.values("s/0/evidence/1/1.bin"), np.arange(1.0, 2 * N, 2), atol=38 / 254
    )


def test_places_are_px_of_the_slide(browser):
    xy = np.frombuffer(browser.get("s/0/places.bin")[1], dtype="<f4").reshape(-1, 2)
    np.testing.assert_allclose(xy[[0, -1]], [[100, 50], [800, 550]])


def test_a_tile_shows_its_part_of_the_slide(browser):
    levels = browser.json("s/0/section.json")["slide"]["levels"]
    response, body = browser.get(f"s/0/tile/{levels - 1}/1_2.jpg")
    assert response.headers["Content-Type"] == "image/jpeg"
    tile = np.asarray(Image.open(BytesIO(body)), dtype=float)
    assert tile.shape == (SIDE[1] - 512, 256, 3)
    assert abs(tile[10, 100, 0] - 100) < 12, "the column within the slide"
    assert abs(tile[40, 100, 1] - 40) < 12


@pytest.mark.parametrize(
    "address",
    [
        *("s/1/section.json", "s/0/gene/3/predicted.bin", "s/0/gene/0/other.bin"),
        *("s/0/fact/2.bin", "s/0/evidence/1/2.bin", "s/0/evidence/2/0.bin"),
        *("s/0/tile/11/0_0.jpg", "s/0/tile/0/1_0.jpg", "s/0/tile/99/0_0.jpg"),
    ],
)
def test_what_does_not_exist_is_not_found(browser, address):
    assert browser.get(address)[0].status == 404


def test_a_full_disk_is_told_and_the_server_goes_on(tmp_path, monkeypatch):
    _, file = write_toy(tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "maps")

    monkeypatch.setattr("histoscribe.viewer.gene_maps.write_byte_maps", full)
    answers = Answers(open_views(ViewRequest(predictions=(file,))), tmp_path / "cache")
    with ViewServer(answers, 0) as server:
        page = Browser(server)
        response, body = page.get("s/0/section.json")
        assert response.status == 500
        assert b"No space left" in body
        assert page.json("view.json")["sections"]
        server.shutdown()


def test_an_exemplar_without_a_distance_has_none(tmp_path):
    prediction = toy_prediction(write_slide(tmp_path / "he.png"))
    evidence = {"exemplar_row": prediction.head.evidence["exemplar_row"]}
    head = replace(prediction.head, evidence=evidence)
    assert [of["distance"] for of in exemplars_of(head, 0, None)] == [None] * 3

"""A slide that was never sequenced is predicted where it is tissue."""

import json
import shutil
import warnings
from dataclasses import replace
from threading import Barrier

import anndata as ad
import numpy as np
import pytest
import torch
from PIL import Image

import histoscribe as hs
from histoscribe.errors import DataContractError
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.io.work_state import read_states
from histoscribe.parallel import Division, InProcess, LocalProcesses
from histoscribe.predict import threads
from histoscribe.predict.order import Order, predict
from histoscribe.predict.slide_job import opened
from histoscribe.predictor.saving import load_predictor, save_predictor
from histoscribe.types import Section
from tests.benchmark.runs import tiny_cohort
from tests.predict.conftest import MPP, SPACING_UM, draw_slide


def order(folder, *targets, out, **options):
    known = {"spacing_um": SPACING_UM, "mpp": MPP} | options
    return Order(predictor=folder, targets=tuple(map(str, targets)), out=out, **known)


def in_memory(folder, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the drawn tissue is unlike the simulated cohort
        return hs.predict_slide(folder, path, spacing_um=SPACING_UM, mpp=MPP, **options)


def bytes_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_places_lie_on_the_tissue_and_are_predicted_like_spots(
    predictor_folder, slide_file, tmp_path
):
    found = in_memory(predictor_folder, slide_file)
    from_centre = np.hypot(*(found.spots.xy - [500, 350]).T)
    assert (from_centre < 240 + 45).all()
    assert abs(len(found.spots) - np.pi * 240**2 / 60**2) < 8
    predictor = load_predictor(predictor_folder)
    slide = open_whole_slide(slide_file, MPP)
    same = predictor(Section("slide", None, slide, found.spots, None), tmp_path / "cache")
    np.testing.assert_allclose(found.values, same.values, atol=1e-4)
    assert (found.genes, found.head.unit, found.head.card) == (
        same.genes,
        same.head.unit,
        same.head.card,
    )
    np.testing.assert_allclose(
        found.head.spot_facts["distance_to_training"],
        same.head.spot_facts["distance_to_training"],
        rtol=1e-3,
    )
    place = found.spots.ids.index("r5c8")
    assert found.spots.xy[place].tolist() == [8.5 * SPACING_UM, 5.5 * SPACING_UM]
    assert found.spots.array[place].tolist() == [5, 8]
    assert found.head.spot_facts["tissue_share"].min() >= 0.5


def test_it_warns_where_the_slide_is_unlike_the_training(predictor_folder, slide_file):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        hs.predict_slide(predictor_folder, slide_file, spacing_um=SPACING_UM, mpp=MPP)
    said = [str(warning.message) for warning in told]
    assert any("distance_to_training" in text for text in said)
    assert any("um/px" in text for text in said), "it is coarser than the cohort"


def test_a_picture_that_was_trained_on_is_told_by_its_pixels(predictor_folder, tmp_path):
    other = tmp_path / "other.png"
    with Image.open(predictor_folder.parent / "cohort" / "P1S1.jpg") as image:
        image.save(other)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        hs.predict_slide(predictor_folder, other, spacing_um=120.0, mpp=MPP)
    assert any("trained on this picture, as P1S1:" in str(one.message) for one in told)


@pytest.mark.parametrize("keep_unlike", [False, True])
def test_the_files_hold_what_memory_does(predictor_folder, slide_file, tmp_path, keep_unlike):
    out, options = tmp_path / "out", {"keep_unlike": keep_unlike}
    ((_, done),) = predict(order(predictor_folder, slide_file, out=out, **options))
    expected = in_memory(predictor_folder, slide_file, **options)
    back = read_prediction(out / "slide.h5ad")
    assert np.array_equal(back.values, expected.values, equal_nan=True)
    assert np.isfinite(back.values).all() == keep_unlike
    assert back.spots.ids == expected.spots.ids
    np.testing.assert_array_equal(back.spots.array, expected.spots.array)
    assert back.head.warnings == expected.head.warnings == done.warnings
    assert set(back.head.spot_facts) == set(expected.head.spot_facts)
    for name, values in expected.head.spot_facts.items():
        np.testing.assert_array_equal(back.head.spot_facts[name], values)
    assert json.loads(back.head.card)["sections"]
    assert back.head.gene_names == expected.head.gene_names
    assert back.head.gene_names == tuple(gene.removeprefix("SIM-") for gene in back.genes)
    assert sorted(path.name for path in out.iterdir()) == [
        "data",
        "predictor.txt",
        "slide.geojson",
        "slide.h5ad",
        "slide.json",
        "state.csv",
        "summary.md",
    ]
    summary = json.loads((out / "slide.json").read_text())
    assert summary["places"] == done.n_places == done.n_tiles == len(expected.spots)
    assert summary["warnings"] == list(done.warnings) != []


def test_detections_are_squares_with_the_values_of_their_place(
    predictor_folder, slide_file, tmp_path
):
    genes = load_predictor(predictor_folder).target.genes[3:5]
    names = [gene.removeprefix("SIM-") for gene in genes]  # as the simulated tables call them
    options = {"genes": genes, "keep_unlike": True}
    list(predict(order(predictor_folder, slide_file, out=tmp_path / "out", **options)))
    back = read_prediction(tmp_path / "out" / "slide.h5ad")
    features = json.loads((tmp_path / "out" / "slide.geojson").read_text())["features"]
    assert [feature["properties"]["name"] for feature in features] == list(back.spots.ids)
    for spot in (0, len(features) - 1):
        ring = np.array(features[spot]["geometry"]["coordinates"][0])
        np.testing.assert_allclose(ring[:4].mean(axis=0), back.spots.xy[spot])
        assert np.ptp(ring, axis=0).tolist() == [SPACING_UM / MPP] * 2
        measured = features[spot]["properties"]["measurements"]
        assert list(measured) == [*names, "distance_to_training", "trusted"]
        assert measured[names[1]] == pytest.approx(back.values[spot, 4], rel=1e-5)


def test_a_gene_named_by_its_symbol_colours_the_detections(predictor_folder, slide_file, tmp_path):
    gene = load_predictor(predictor_folder).target.genes[3]
    name = gene.removeprefix("SIM-")
    list(predict(order(predictor_folder, slide_file, out=tmp_path / "out", genes=(name,))))
    back = read_prediction(tmp_path / "out" / "slide.h5ad")
    features = json.loads((tmp_path / "out" / "slide.geojson").read_text())["features"]
    properties = [feature["properties"] for feature in features]
    values = back.values[:, 3]
    named = [of["classification"]["name"] for of in properties]
    masked = [f"{name} not trusted" == of for of in named]
    assert masked == np.isnan(values).tolist()
    assert 0 < sum(masked) < len(masked)
    assert named[int(np.nanargmax(values))] == f"{name} 5 of 5 (highest)"
    assert named[int(np.nanargmin(values))] == f"{name} 1 of 5 (lowest)"
    assert all(
        (name in of["measurements"]) == np.isfinite(value)
        for of, value in zip(properties, values, strict=True)
    )


@pytest.mark.parametrize("n_threads", [1, 3])
def test_neither_threads_nor_blocks_left_to_do_change_a_bit(
    predictor_folder, slide_file, tmp_path, monkeypatch, n_threads
):
    monkeypatch.setattr("histoscribe.io.predictions.prediction_store.CHUNK_ROWS", 24)
    list(predict(order(predictor_folder, slide_file, out=tmp_path / "straight")))
    real = threads._encode

    def stops(encoder, image, precision, left=[3]):  # noqa: B006 - counts over calls
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(encoder, image, precision)

    monkeypatch.setattr(threads, "_encode", stops)
    with pytest.raises(KeyboardInterrupt):
        list(predict(order(predictor_folder, slide_file, out=tmp_path / "stopped")))
    monkeypatch.setattr(threads, "_encode", real)
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    ((_, done),) = predict(order(predictor_folder, slide_file, out=tmp_path / "stopped"))
    assert torch.get_num_threads() == n_threads
    torch.set_num_threads(before)
    assert 0 < done.n_tiles < done.n_places, "one chunk was there already"
    assert bytes_of(tmp_path / "stopped") == bytes_of(tmp_path / "straight")


def test_slides_are_read_by_as_many_threads_as_encode(predictor_folder, slide_file, monkeypatch):
    together, real = Barrier(2, timeout=30), threads.tile_reader

    def reader(*args, **options):
        read, left = real(*args, **options), [2]

        def meets(rows):
            if left[0] > 0:
                left[0] -= 1
                together.wait()  # broken where one waits for the other to be done
            return read(rows)

        return meets

    monkeypatch.setattr(threads, "tile_reader", reader)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = in_memory(predictor_folder, slide_file, keep_unlike=True)
    finally:
        torch.set_num_threads(before)
    assert np.isfinite(found.values).all()


def test_a_predictor_trained_again_is_loaded_again(predictor_folder, tmp_path):
    folder = tmp_path / "predictor"
    shutil.copytree(predictor_folder, folder)
    first = opened(folder, ())
    assert opened(folder, ()) is first
    save_predictor(replace(first, card=replace(first.card, seed=1)), folder)
    again = opened(folder, ())
    assert again.card.seed == 1
    assert again.hash != first.hash


def test_sections_of_a_cohort_are_warned_of_too_and_again_when_finished(
    predictor_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("histoscribe.predict.warnings.MPP_MARGIN", -0.5)  # no um/px is like another
    manifest = tiny_cohort(tmp_path / "cohort", n_patients=2)
    asked = order(
        predictor_folder, manifest, out=tmp_path / "out", mpp=None, sections=("P1S1", "P2S1")
    )
    told = [section.warnings for section in predict(asked)]
    assert [len(warnings) for warnings in told] == [2, 2]
    assert "trained on this picture, as P1S1:" in told[0][0]
    assert "um/px" in told[0][1]
    assert [section.warnings for section in predict(asked)] == told
    data = ad.read_h5ad(tmp_path / "out" / "P1S1.h5ad")
    measured = hs.to_anndata(hs.read_cohort(manifest)["P1S1"])
    assert list(data.obs_names) == list(measured.obs_names)
    counts = measured[:, data.var_names].X.toarray()
    np.testing.assert_array_equal(data.layers["measured"], counts)
    np.testing.assert_array_equal(data.obs["array_col"], measured.obs["array_col"])
    assert data.uns["spatial"]["P1S1"]["scalefactors"].keys() == (
        measured.uns["spatial"]["P1S1"]["scalefactors"].keys()
    )


def test_what_is_finished_is_kept_and_other_options_are_refused(
    predictor_folder, slide_file, tmp_path
):
    asked = order(predictor_folder, slide_file, out=tmp_path / "out")
    list(predict(asked))
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    ((_, done),) = predict(asked)
    assert done.n_tiles == 0
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")} == before
    other = order(predictor_folder, slide_file, out=tmp_path / "out", spacing_um=80.0)
    ((_, problems),) = predict(other)
    assert "other options" in problems[0].found
    draw_slide(slide_file, seed=1)
    ((_, problems),) = predict(asked)
    assert "another slide" in problems[0].found


def test_a_mask_says_where_the_tissue_is(predictor_folder, slide_file, tmp_path):
    picture = np.zeros((70, 90), dtype=np.uint8)  # a tenth of the slide's 900 x 700 px
    picture[24:48, 30:66] = 1
    Image.fromarray(picture).save(tmp_path / "mask.png")
    found = in_memory(predictor_folder, slide_file, mask=tmp_path / "mask.png")
    x, y = found.spots.xy.T
    assert (x.min(), x.max(), y.min(), y.max()) == (330, 630, 270, 450)
    assert len(found.spots) == 6 * 4
    outline = [[300, 240], [660, 240], [660, 480], [300, 480], [300, 240]]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [outline]}}
    (tmp_path / "mask.geojson").write_text(json.dumps(feature))
    drawn = in_memory(predictor_folder, slide_file, mask=tmp_path / "mask.geojson")
    assert drawn.spots.ids == found.spots.ids
    np.testing.assert_array_equal(drawn.spots.xy, found.spots.xy)


def test_a_slide_without_tissue_says_what_to_do_and_leaves_nothing(predictor_folder, tmp_path):
    Image.fromarray(np.full((400, 500, 3), 250, dtype=np.uint8)).save(tmp_path / "glass.png")
    out = tmp_path / "out"
    ((_, problems),) = predict(order(predictor_folder, tmp_path / "glass.png", out=out))
    assert len(problems) == 1
    assert "no tissue" in problems[0].found
    assert "--mask" in problems[0].remedy
    assert not out.exists()


def test_a_slide_coarser_than_the_tiles_is_refused(predictor_folder, slide_file):
    with pytest.raises(DataContractError, match=r"1.2 um/px[\s\S]*inputs.mpp=1.2"):
        hs.predict_slide(predictor_folder, slide_file, mpp=1.2)
    with pytest.raises(DataContractError, match="finer than a px"):
        hs.predict_slide(predictor_folder, slide_file, mpp=1.0, spacing_um=0.5)


def test_a_slide_that_does_not_do_stops_no_other(predictor_folder, slide_file, tmp_path):
    (tmp_path / "broken.tif").write_bytes(b"II*\0" + bytes(100))
    paths = (tmp_path / "lost.svs", tmp_path / "broken.tif", slide_file)
    found = list(predict(order(predictor_folder, *paths, out=tmp_path / "out")))
    assert [isinstance(outcome, tuple) for _, outcome in found] == [True, True, False]
    assert (tmp_path / "out" / "slide.json").is_file()
    assert not list((tmp_path / "out").glob("*lost*"))
    states = read_states(tmp_path / "out" / "state.csv")
    assert {job: of.state for job, of in states.items()} == {
        "broken": "failed",
        "lost": "failed",
        "slide": "done",
    }
    assert states["lost"].problems == found[0][1]
    assert "lost.svs" in (tmp_path / "out" / "summary.md").read_text().split("## Failed")[1]


def test_a_scratch_folder_changes_no_file_and_keeps_none(
    predictor_folder, slide_file, tmp_path, monkeypatch
):
    list(predict(order(predictor_folder, slide_file, out=tmp_path / "without")))
    monkeypatch.setenv("HISTOSCRIBE_SCRATCH", str(tmp_path / "scratch"))
    list(predict(order(predictor_folder, slide_file, out=tmp_path / "with")))
    assert bytes_of(tmp_path / "with") == bytes_of(tmp_path / "without")
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.slow
def test_processes_write_the_same_files_as_one(predictor_folder, tmp_path):
    slides = [draw_slide(tmp_path / f"{name}.png", seed=seed) for seed, name in enumerate("abc")]
    slides.insert(1, tmp_path / "lost.svs")
    outcomes = []
    for name, where in (("1", InProcess()), ("2", LocalProcesses(2))):
        asked = order(predictor_folder, *slides, out=tmp_path / name, division=Division(where))
        outcomes.append([isinstance(outcome, tuple) for _, outcome in predict(asked)])
    assert outcomes == [[False, True, False, False]] * 2
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2")

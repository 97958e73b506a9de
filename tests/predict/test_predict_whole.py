"""A model of sections or bags predicts a slide in two passes, which may be stopped at any time."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import histoscribe as hs
from histoscribe.errors import DataContractError
from histoscribe.io.predictions import prediction_store
from histoscribe.predict import threads
from histoscribe.predict.order import Order, predict
from histoscribe.predictor import predictor
from histoscribe.predictor.predictor import BAG
from histoscribe.train.run import train
from tests import toys
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.predict.conftest import MPP, SPACING_UM, draw_slide
from tests.predict.test_lazyslide import round_trip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two predictors, by the name of their model, and a slide of 79 places."""
    folder = tmp_path_factory.mktemp("whole")
    cohort = tiny_cohort(folder / "cohort", n_patients=2)
    draw_slide(folder / "slide.png")
    with toys.registered():
        for name in (toys.SECTION, toys.BAG):
            settings = tiny_settings(cohort, models=[name], settings={}, train={"epochs": 1})
            train(settings=settings, out=folder / name, cache=folder / "cache")
        yield folder


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(prediction_store, "CHUNK_ROWS", 24)


def predicted(place: Path, model: str, out: Path):
    """Predict the slide into a folder."""
    order = Order(
        predictor=place / model,
        targets=(str(place / "slide.png"),),
        out=out,
        spacing_um=SPACING_UM,
        mpp=MPP,
    )
    ((_, outcome),) = predict(order)
    return outcome


def bytes_of(folder: Path):
    """Content of every file, by its name."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def fails_after(real, n_calls: int):
    """The same function, which is stopped when it was called so many times."""
    calls = iter(range(n_calls))

    def stops(*args, **named):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return real(*args, **named)

    return stops


STOPS = {
    "among the features": (threads, "_encode", 3),
    "in the call over the whole slide": (toys._Toy, "_standard", 0),
    "among the blocks": (prediction_store.PredictionStore, "write", 2),
}


@pytest.mark.parametrize(
    ("model", "stops"), [(toys.SECTION, tuple(STOPS)), (toys.BAG, ("among the blocks",))]
)
def test_neither_threads_nor_a_stop_in_any_pass_changes_a_bit(
    place, model, stops, tmp_path, monkeypatch
):
    predicted(place, model, tmp_path / "straight")
    for stop in stops:
        where, name, n_calls = STOPS[stop]
        with monkeypatch.context() as patch:
            patch.setattr(where, name, fails_after(getattr(where, name), n_calls))
            with pytest.raises(KeyboardInterrupt):
                predicted(place, model, tmp_path / "stopped")
        torch.set_num_threads(3)
        done = predicted(place, model, tmp_path / "stopped")
        torch.set_num_threads(1)
        n_before = 24 if stop == "among the features" else done.n_places
        assert done.n_places - done.n_tiles == n_before, stop
        assert bytes_of(tmp_path / "stopped") == bytes_of(tmp_path / "straight"), stop
        (tmp_path / "stopped").rename(tmp_path / stop)


def test_more_places_than_a_predictor_can_read_at_once_are_refused_with_a_spacing_that_fits(
    place, monkeypatch
):
    monkeypatch.setattr(predictor, "MOST_SPOTS_OF_ITEM", 30)
    with pytest.raises(DataContractError, match="at most 30: ") as caught:
        hs.predict_slide(place / toys.SECTION, place / "slide.png", spacing_um=60, mpp=MPP)
    (problem,) = caught.value.problems
    spacing_um = float(problem.remedy.split()[2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the drawn tissue is unlike the simulated cohort
        held = hs.predict_slide(
            place / toys.SECTION, place / "slide.png", spacing_um=spacing_um, mpp=MPP
        )
    assert 20 <= len(held.spots) <= 30
    assert f"({len(held.spots)} positions)" in problem.remedy


def test_a_bag_that_reads_tiles_reads_those_of_the_slide(place, tmp_path):
    settings = tiny_settings(
        place / "cohort" / "cohort.csv",
        models=["pool"],
        settings={"pool": {"model": "mean-pool", "of": "nsl", "inner": {"preset": "tiny"}}},
        train={"epochs": 1},
    )
    train(settings=settings, out=tmp_path / "pool", cache=place / "cache")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the drawn tissue is unlike the simulated cohort
        held = hs.predict_slide(
            tmp_path / "pool",
            place / "slide.png",
            spacing_um=SPACING_UM,
            mpp=MPP,
            keep_unlike=True,
        )
    assert held.values.std(axis=0).min() > 0
    np.testing.assert_allclose(
        held.head.gene_facts[BAG], held.values.mean(axis=0), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", [toys.SECTION, toys.BAG])
def test_lazyslide_gives_it_the_whole_slide_and_gets_its_values(place, name):
    here, model, there = round_trip(place / name, place / "slide.png", keep_unlike=True)
    assert model.whole_slide
    assert model.needs_coords == ("context_um" in model.model.inputs)
    values = np.stack([there[gene] for gene in here.head.gene_names], axis=1)
    np.testing.assert_allclose(values, here.values, atol=1e-5)


def test_lazyslide_gets_no_more_tiles_than_the_model_reads_at_once(place, monkeypatch):
    monkeypatch.setattr(predictor, "MOST_SPOTS_OF_ITEM", 30)
    with pytest.raises(DataContractError, match="at most 30: "):
        round_trip(place / toys.SECTION, place / "slide.png", keep_unlike=True)

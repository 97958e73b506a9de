"""The number of threads and cores of a machine changes no bit of a result."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from histoscribe.benchmark.run import benchmark
from histoscribe.models.base import model_class
from histoscribe.predict.slide import predict_slide
from histoscribe.predictor.saving import load_predictor
from histoscribe.threads import fixed_threads, in_order, kernels, n_workers
from histoscribe.train.run import train
from histoscribe.train.settings import dump_settings
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.predict.conftest import MPP, SPACING_UM, draw_slide

MODELS = ("ridge", "knn", "mlp", "egn")


@contextmanager
def machine_with(n_threads):
    """What numerical libraries use on a machine with so many cores."""
    before = torch.get_num_threads()
    with threadpool_limits(n_threads):
        torch.set_num_threads(n_threads)
        yield
    torch.set_num_threads(before)


def threads_of_libraries():
    return {torch.get_num_threads(), *(of["num_threads"] for of in threadpool_info())}


def files_of(folder: Path):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.json" and "durations" not in path.parts
    }


@pytest.fixture(scope="module")
def settings(place):
    return tiny_settings(
        tiny_cohort(place / "cohort"),
        models=MODELS,
        settings={"mlp": {"preset": "tiny"}, "egn": {"preset": "tiny", "patch_px": 16}},
        folds={"test": [["P3"]]},
        exemplars={"n": 3},
        train={"epochs": 2},
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("threads")


def run_on(settings, folder, n_threads):
    """Features, fits, scores and a predicted slide, from an empty cache."""
    with machine_with(n_threads):
        benchmark(settings=settings, out=folder / "run", cache=folder / "cache")
        one = settings.model_copy(update={"models": ("mlp",), "settings": {}})
        train(settings=one, out=folder / "mlp", cache=folder / "cache")
    return files_of(folder)


@pytest.fixture(scope="module")
def on_one(place, settings):
    return run_on(settings, place / "one", 1)


@pytest.mark.parametrize("n_threads", [4, pytest.param(2, marks=pytest.mark.slow)])
def test_features_fits_and_scores_are_the_same_bytes(settings, on_one, tmp_path, n_threads):
    found = run_on(settings, tmp_path, n_threads)
    assert found.keys() == on_one.keys()
    assert [name for name, content in on_one.items() if found[name] != content] == []


def test_a_run_begun_with_one_thread_goes_on_with_four(settings, on_one, place, tmp_path):
    shutil.copytree(place / "one" / "run", tmp_path / "run")
    shutil.copytree(place / "one" / "cache", tmp_path / "cache")
    for part in ("predictors/ridge/P3", "predictions/mlp", "predictions/shuffled", "maps"):
        shutil.rmtree(tmp_path / "run" / part)
    for name in ("scores.csv", "summary.csv", "card.json"):
        (tmp_path / "run" / name).unlink()
    with machine_with(4):
        benchmark(settings=settings, out=tmp_path / "run", cache=tmp_path / "cache")
    begun = {name: content for name, content in on_one.items() if not name.startswith("mlp/")}
    assert files_of(tmp_path) == begun


def test_a_slide_is_predicted_with_the_same_bits(on_one, place, tmp_path):
    slide, folder = draw_slide(tmp_path / "slide.png"), place / "one" / "mlp"
    values = []
    for n_threads in (1, 2, 4):
        with machine_with(n_threads), pytest.warns(UserWarning, match="training"):
            found = predict_slide(load_predictor(folder), slide, spacing_um=SPACING_UM, mpp=MPP)
        values.append(found.values)
    np.testing.assert_array_equal(values[1], values[0])
    np.testing.assert_array_equal(values[2], values[0])


def test_every_library_keeps_to_the_number_and_gets_its_own_back():
    scipy.linalg.inv(np.eye(2))  # loads its own BLAS
    with machine_with(4):
        with fixed_threads():
            assert threads_of_libraries() == {1}
            assert n_workers() == 4, "work in pieces may use all cores"
            with fixed_threads(2):
                assert threads_of_libraries() == {2}
                assert n_workers() == 4
            assert threads_of_libraries() == {1}
        assert threads_of_libraries() == {4}


class Fitting(Exception):  # noqa: N818 - it stops the run, and is no error
    """A model is about to be fitted."""


def test_a_model_is_fitted_with_the_threads_of_its_settings(settings, place, on_one, monkeypatch):
    asked = settings.model_copy(
        update={"models": ("ridge",), "run": settings.run.model_copy(update={"threads": 2})}
    )
    used = set()

    def fit(*_: object) -> None:
        used.update(threads_of_libraries())
        raise Fitting

    monkeypatch.setattr(model_class("ridge"), "fit", fit)
    with machine_with(3):
        with pytest.raises(Fitting):
            train(settings=asked, out=place / "used", cache=place / "one" / "cache")
        assert threads_of_libraries() == {3}
    assert used == {2}


def test_no_more_pieces_are_computed_at_once_than_fit_in_memory():
    names = set()
    with machine_with(4):
        done = in_order(lambda _: names.add(current_thread().name), range(20), at_most=2)
        assert len(list(done)) == 20
    assert len(names) <= 2


def test_pieces_come_in_order_and_an_error_stops_them():
    done = []

    def work(piece):
        assert torch.get_num_threads() == 1
        if piece == 20:
            raise ValueError("piece 20")
        done.append(piece)
        return piece

    with machine_with(3):
        assert list(in_order(work, range(10))) == list(range(10))
        with pytest.raises(ValueError, match="piece 20"):
            list(in_order(work, range(100)))
    assert max(done) < 40, "what waits is not begun"
    assert torch.get_num_threads() == 1


_FIRST_USE = """
import os
from threading import Barrier
import torch
from histoscribe.threads import in_order

values = torch.linspace(0.1, 3.0, 12_288)
torch.set_num_threads(1)
n_wrong = 0
for _ in range(1500):
    child = os.fork()
    if child == 0:  # a process in which nothing was computed yet
        together = Barrier(4)
        found = list(in_order(lambda _: (together.wait(), values.tanh())[1], range(4), at_least=4))
        os._exit(any(not torch.equal(of, values.tanh()) for of in found))
    n_wrong += os.waitpid(child, 0)[1] != 0
print(n_wrong)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks processes")
def test_threads_that_compute_first_together_compute_the_same():
    # without the choice of the code before, about 5 of 1,500
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_USE], check=True, capture_output=True, text=True
    )
    assert done.stdout == "0\n"


OLDER_KERNELS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
"""What torch and BLAS choose on a processor without AVX512."""
_BEGIN = """
import sys
from pathlib import Path
from histoscribe.benchmark.run import benchmark
from histoscribe.train.settings import read_settings

folder = Path(sys.argv[1])
benchmark(settings=read_settings(folder / "settings.toml"), out=folder / "run",
          cache=folder / "cache")
"""


@pytest.mark.slow
def test_a_run_begun_on_an_older_processor_goes_on(settings, on_one, place, tmp_path):
    (tmp_path / "settings.toml").write_text(dump_settings(settings))
    subprocess.run(
        [sys.executable, "-c", _BEGIN, tmp_path], env={**os.environ, **OLDER_KERNELS}, check=True
    )
    run = tmp_path / "run"
    begun = json.loads((run / "run.json").read_text())["kernels"]
    for part in ("predictors/mlp", "predictions/egn", "predictions/shuffled"):
        shutil.rmtree(run / part)
    (run / "card.json").unlink()
    benchmark(settings=settings, out=run, cache=tmp_path / "cache")
    assert set(begun) == set(kernels())
    ours, theirs = (pd.read_csv(folder / "scores.csv") for folder in (place / "one" / "run", run))
    np.testing.assert_allclose(theirs["value"], ours["value"], atol=1e-4)


def test_matrix_products_are_whole_float32_inside_and_as_they_were_outside():
    torch.set_float32_matmul_precision("high")
    try:
        with fixed_threads():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")

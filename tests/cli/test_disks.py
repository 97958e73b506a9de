"""A disk that is full, closed or gone: every verb says so, ends with 2, and goes on afterwards."""

import errno
import os
import re
import shutil

import pytest

from tests.cli.killing import tree
from tests.cli.small import SmallCohort, histoscribe
from tests.predict.conftest import MPP, SPACING_UM, draw_slide

__all__ = ["histoscribe"]

VERBS = ("check", "embed", "train", "benchmark", "report", "predict", "predict-slide", "explain")
ERRORS = {
    "full": (errno.ENOSPC, "no space left|disk is full"),
    "over quota": (errno.EDQUOT, "quota|disk is full"),
    "closed": (errno.EACCES, "permission"),
    "read only": (errno.EROFS, "read-only"),
    "gone": (errno.ENOENT, "no such file"),
    "stale": (errno.ESTALE, "stale"),
    "broken": (errno.EIO, "input/output"),
}


class Scene:
    """A small cohort, and what `report`, `predict` and `explain` need."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "data").mkdir()
        self.cohort = SmallCohort(folder / "data")
        self.slide = draw_slide(folder / "slide.png")

    def arguments(self, verb, out):
        """The command line of a verb that writes to `out`."""
        settings, manifest = self.cohort.settings, self.cohort.manifest
        network = ["--set", 'models=["mlp"]', "--set", "train.epochs=2"]
        small = ["--set", "settings.mlp.preset=tiny"]
        grid = ["--mpp", MPP, "--spacing-um", SPACING_UM]
        return {
            "check": ["check", manifest, "--out", out],
            "embed": ["embed", settings],
            "train": ["train", settings, "--out", out, *network, *small],
            "benchmark": ["benchmark", settings, "--out", out],
            "report": ["report", out],
            "predict": ["predict", self.folder / "ridge", manifest, "--out", out],
            "predict-slide": ["predict", self.folder / "ridge", self.slide, "--out", out, *grid],
            "explain": ["explain", "latent", self.folder / "mlp", manifest, "--out", out],
        }[verb]

    def place(self, verb, folder):
        """Folder that the verb writes to; `report` writes into a finished run."""
        if verb == "report":
            shutil.copytree(self.folder / "run", folder / "out")
        return folder / "out"


@pytest.fixture
def scene(histoscribe, tmp_path):
    """The scene with a cache of its own, and its predictors and run."""
    (tmp_path / "scene").mkdir()
    made = Scene(tmp_path / "scene")
    settings = made.cohort.settings
    ridge = ["train", settings, "--out", made.folder / "ridge", "--set", 'models=["ridge"]']
    assert histoscribe(*ridge).code == 0
    return made


def prepare(scene, histoscribe, verb):
    """What a verb reads beside the cohort."""
    if verb == "report":
        done = histoscribe(*scene.arguments("benchmark", scene.folder / "run"))
        assert done.code == 0
        (scene.folder / "run" / "report.html").unlink()
    if verb == "explain":
        assert histoscribe(*scene.arguments("train", scene.folder / "mlp")).code == 0


def failing_after(monkeypatch, number, n_writes):
    """Every write after so many fails with this error of the disk."""
    real, written = os.fsync, []

    def fsync(handle):
        written.append(handle)
        if len(written) > n_writes:
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr("histoscribe.io.atomic.os.fsync", fsync)
    return written


def check_disk(scene, histoscribe, monkeypatch, folder, verb, error, n_writes):
    """Fail, look, start again; whether there were more writes than these."""
    number, words = ERRORS[error]
    out = scene.place(verb, folder)
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(folder / "cache"))
    with monkeypatch.context() as patched:
        written = failing_after(patched, number, n_writes)
        done = histoscribe(*scene.arguments(verb, out))
    if len(written) <= n_writes:
        assert done.code == 0
        return False
    assert done.code == 2, done
    assert re.search(words, done.err.lower()), done.err
    assert "Traceback" not in done.err
    assert "run the same command again" in done.err or "work is kept" in done.err
    assert [str(path) for path in folder.rglob(".histoscribe-*")] == []
    again = histoscribe(*scene.arguments(verb, out))
    assert again.code == 0, again
    return True


@pytest.mark.parametrize("verb", ["check", "train", "predict-slide"])
def test_a_full_disk_is_told_and_the_work_goes_on(scene, histoscribe, monkeypatch, tmp_path, verb):
    prepare(scene, histoscribe, verb)
    assert check_disk(scene, histoscribe, monkeypatch, tmp_path / "full", verb, "full", 1)


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("verb", VERBS)
def test_every_error_of_a_disk_is_told_at_any_write(
    scene, histoscribe, monkeypatch, tmp_path, verb, error
):
    prepare(scene, histoscribe, verb)
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "whole" / "cache"))
    out = scene.place(verb, tmp_path / "whole")
    assert histoscribe(*scene.arguments(verb, out)).code == 0
    expected, n_tried = tree(tmp_path / "whole"), 0
    for n_writes in (0, 1, 2, 3, 5, 8, 13, 21, 34):
        folder = tmp_path / str(n_writes)
        if not check_disk(scene, histoscribe, monkeypatch, folder, verb, error, n_writes):
            break
        n_tried += 1
        assert tree(folder) == expected, n_writes
    assert n_tried >= 1

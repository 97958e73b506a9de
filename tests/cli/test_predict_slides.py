"""`histoscribe predict` on slides: what it says, and how it ends."""

import json

import pytest

from tests.predict.conftest import MPP, SPACING_UM, draw_slide, predictor_folder

__all__ = ["predictor_folder"]
GRID = ("--mpp", MPP, "--spacing-um", SPACING_UM)


def test_a_slide_is_predicted_and_the_speed_is_told(histoscribe, predictor_folder, tmp_path):
    slide, out = draw_slide(tmp_path / "new.png"), tmp_path / "out"
    done = histoscribe("predict", predictor_folder, slide, "--out", out, *GRID)
    assert done.code == 0
    assert done.out.splitlines()[:4] == [
        f"1 slide with the predictor {predictor_folder}",
        *(str(out / f"new.{end}") for end in ("h5ad", "geojson", "json")),
    ]
    assert "tiles/s" in done.out
    assert "new: warning: " in done.out
    assert "positions are beyond the training and masked" in done.out
    assert "0 genes in the GeoJSON: none can be trusted" in done.out
    again = histoscribe("predict", predictor_folder, slide, "--out", out, *GRID)
    assert again.code == 0
    assert again.out.startswith("1 slide (1 finished before) with the predictor")
    assert "0 genes in the GeoJSON: none can be trusted" in again.out


def test_a_slide_that_does_not_do_is_told_after_the_others(histoscribe, predictor_folder, tmp_path):
    slide, out = draw_slide(tmp_path / "new.png"), tmp_path / "out"
    lost = tmp_path / "lost.svs"
    done = histoscribe("predict", predictor_folder, lost, slide, "--out", out, *GRID)
    assert done.code == 2
    assert "lost.svs" in done.err
    assert json.loads((out / "new.json").read_text())["places"] > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--gene", "NOGENE", *GRID), ("gene NOGENE", "one of its 12 genes")),
        ((), ("um/px", "--mpp")),
        (("--mpp", 2.0), ("2 um/px", "inputs.mpp")),
        (("--mask", "lost.png", *GRID), ("--mask lost.png", "no such file")),
    ],
)
def test_a_mistake_is_one_message_and_nothing_is_written(
    histoscribe, predictor_folder, tmp_path, options, words
):
    slide, out = draw_slide(tmp_path / "new.png"), tmp_path / "out"
    done = histoscribe("predict", predictor_folder, slide, "--out", out, *options)
    assert done.code == 2
    assert "1 problem\n" in done.err
    assert "Traceback" not in done.err
    assert [word for word in words if word not in done.err] == []
    assert not out.exists()

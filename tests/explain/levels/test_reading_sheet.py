"""The reading sheet: what readers get reveals nothing, and filled forms are scored."""

import base64
import json
import re
import struct
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.levels.pictures import FIGURES
from histoscribe.explain.levels.sheet import FORM, KEY, SHEET, reading_spots
from histoscribe.explain.run import explain
from tests.explain.levels.planted_levels import DARK, OF_PATIENT, planted_cohort, trained


def written(out, model="ridge", gene=DARK, n_patients=6):
    with patch("histoscribe.explain.levels.answer.draw_pictures", return_value=FIGURES):
        return explain(
            "levels", trained(model), planted_cohort(n_patients), gene=gene, sheet=True, out=out
        )


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """Folder of a sheet."""
    out = tmp_path_factory.mktemp("sheet") / "out"
    assert written(out).files == (SHEET, FORM, KEY)
    return out


@pytest.fixture(scope="module")
def key(sheet):
    return json.loads((sheet / KEY).read_text())


def images(page):
    return [base64.b64decode(text) for text in re.findall(r'base64,([^"]+)"', page)]


def chunks(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place, names = 8, []
    while place < len(png):
        (size,) = struct.unpack(">I", png[place : place + 4])
        names.append(png[place + 4 : place + 8])
        place += 12 + size
    return names


def test_nothing_that_readers_get_names_a_tile(sheet, key):
    page, form = (sheet / SHEET).read_text(), (sheet / FORM).read_text()
    text = re.sub(r'base64,[^"]+"', "", page)
    for tile in key["tiles"]:
        for name in (tile["patient"], tile["section"], tile["spot"]):
            assert not re.search(rf"\b{re.escape(name)}\b", text)
            assert name not in form
    assert sorted(path.name for path in (sheet / SHEET).parent.iterdir()) == [
        "form.csv",
        "sheet.html",
    ]
    assert (sheet / KEY).parent != (sheet / SHEET).parent


def test_pictures_hold_pixels_and_nothing_else(sheet, key):
    pictures = images((sheet / SHEET).read_text())
    assert len(pictures) == len(key["tiles"]) > 0
    for picture in pictures:
        assert set(chunks(picture)) == {b"IHDR", b"IDAT", b"IEND"}
    assert len({struct.unpack(">II", picture[16:24]) for picture in pictures}) == 1


def test_the_order_follows_from_the_pixels_alone(sheet, key, tmp_path):
    """The other way round, with low tiles where high ones were, readers get the same bytes."""

    def reversed_spots(*args):
        return reading_spots(*args)[::-1].copy()

    with patch("histoscribe.explain.levels.answer.reading_spots", reversed_spots):
        written(tmp_path / "out")
    for name in (SHEET, FORM, KEY):
        assert (tmp_path / "out" / name).read_bytes() == (sheet / name).read_bytes()


def test_a_patient_has_as_many_high_as_low_tiles(key):
    tiles = pd.DataFrame(key["tiles"])
    assert (tiles.groupby("patient")["high"].mean() == 0.5).all()
    assert tiles["high"].sum() <= 20
    assert tiles[tiles["high"]]["measured"].min() > tiles[~tiles["high"]]["measured"].max()


def test_a_sheet_of_a_bag_model_has_whole_patients(tmp_path):
    written(tmp_path / "out", "abmil", OF_PATIENT, 9)
    tiles = pd.DataFrame(json.loads((tmp_path / "out" / KEY).read_text())["tiles"])
    assert (tiles.groupby("patient")["high"].nunique() == 1).all()
    assert tiles["high"].mean() == 0.5


def filled(sheet, path, answers):
    form = pd.read_csv(sheet / FORM, dtype=str)
    form["answer"] = answers
    form.to_csv(path, index=False)
    return path


def answers_of(key, high="5", low="1"):
    return [high if tile["high"] else low for tile in key["tiles"]]


def read(sheet, forms, predictor=None, **settings):
    cohort = planted_cohort(2)
    read_settings = {"read": forms, "key": sheet / KEY} | settings
    return explain("levels", predictor or trained(), cohort, **read_settings)


def test_readers_are_scored_beside_the_model(sheet, key, tmp_path):
    rng = np.random.default_rng(0)
    guesses = rng.integers(1, 6, len(key["tiles"])).astype(str)
    forms = [
        filled(sheet, tmp_path / "eve.csv", answers_of(key)),
        filled(sheet, tmp_path / "ida.csv", answers_of(key, "4", "2")),
        filled(sheet, tmp_path / "guess.csv", guesses),
    ]
    finding = read(sheet, forms, out=tmp_path / "out")
    assert finding.number("auroc_eve").value == finding.number("auroc_ida").value == 1.0
    assert finding.number("auroc_model").value > 0.8
    low, high = finding.chance("auroc_guess").low, finding.chance("auroc_guess").high
    assert low <= finding.number("auroc_guess").value <= high
    assert finding.number("p_auroc_eve").value < 0.05
    pairs = pd.read_csv(finding.folder / "agreement.csv")
    alike = pairs.set_index(["reader", "other_reader"])["kappa"]
    assert alike["eve", "ida"] == pytest.approx(0.8, abs=0.01)
    assert abs(alike["eve", "guess"]) < 0.35
    assert finding.number("kappa").value == pytest.approx(alike.mean(), rel=1e-4)
    assert finding.chance("kappa").high < alike["eve", "ida"]
    assert len(pd.read_csv(finding.folder / "answers.csv")) == len(key["tiles"])
    assert (finding.folder / finding.figure).exists()


def test_one_reader_has_nobody_to_agree_with(sheet, key, tmp_path):
    finding = read(sheet, filled(sheet, tmp_path / "eve.csv", answers_of(key)))
    assert [one.name for one in finding.null] == ["auroc_eve", "auroc_model"]


def test_a_form_saved_by_a_spreadsheet_is_read(sheet, key, tmp_path):
    form = pd.read_csv(filled(sheet, tmp_path / "eve.csv", answers_of(key)), dtype=str)
    form[::-1].to_csv(tmp_path / "eve.csv", sep=";", index=False, encoding="utf-8-sig")
    assert read(sheet, tmp_path / "eve.csv").number("auroc_eve").value == 1.0


def test_everything_wrong_with_the_forms_stands_in_one_message(sheet, key, tmp_path):
    good = answers_of(key)
    first = filled(sheet, tmp_path / "eve.csv", ["high", "", *good[2:]])
    lines = first.read_text().splitlines()
    first.write_text("\n".join([*lines[:-1], lines[1]]))
    other = filled(sheet, tmp_path / "ida.csv", good)
    other.write_text(other.read_text().replace(key["sheet"][:12], "0123456789ab"))
    (tmp_path / "uta.csv").write_text("tile,answer\n1,2\n2,3\n")
    with pytest.raises(DataContractError) as raised:
        read(sheet, [first, other, tmp_path / "uta.csv", tmp_path / "none.csv"])
    message = str(raised.value)
    for words in (
        f"tiles missing: {len(good)}",
        "tiles twice: 1",
        "unknown answers: high (tile 1), empty (tile 2)",
        "sheet 0123456789ab",
        "no column sheet",
        "none.csv: no such file",
    ):
        assert words in message


def test_the_key_must_be_one_and_of_this_predictor(sheet, key, tmp_path):
    form = filled(sheet, tmp_path / "eve.csv", answers_of(key))
    with pytest.raises(DataContractError, match="the key of a sheet of ridge"):
        read(sheet, form, replace(trained(), hash="another"))
    with pytest.raises(DataContractError, match="no key of a reading sheet"):
        read(sheet, form, key=form)
    with pytest.raises(DataContractError, match="one form for each reader"):
        read(sheet, [form, form])

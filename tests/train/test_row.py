"""Rows of a run: one model under several settings, each mistake named."""

import tomllib

import pytest

from histoscribe.errors import DataContractError
from histoscribe.models.base import model_class
from histoscribe.train.row import tile_problems
from histoscribe.train.settings import dump_settings, parse_settings


def settings(models, own=None, **changes):
    table = {"cohort": "c.csv", "models": models, "settings": own or {}, **changes}
    return parse_settings(table, "here")


def test_a_row_named_as_a_model_is_that_model():
    (row,) = settings(["ridge"]).rows
    assert (row.name, row.model, row.encoder, row.exemplars) == ("ridge", "ridge", None, None)
    assert not row.sees_tiles


def test_one_model_may_have_several_rows_with_settings_of_their_own():
    own = {
        "near": {"model": "egn", "preset": "tiny"},
        "far": {
            "model": "egn",
            "preset": "tiny",
            "encoder": "mean_colour",
            "exemplars": {"n": 3, "draw": "random"},
        },
    }
    near, far = settings(["near", "far"], own, exemplars={"n": 5, "distance": "l1"}).rows
    assert near.exemplars.n == 5
    assert near.encoder is None
    assert (far.exemplars.n, far.exemplars.distance, far.exemplars.draw) == (3, "l1", "random")
    assert far.encoder == "mean_colour"
    assert far.config == model_class("egn").Config.tiny()
    assert far.sees_tiles


def test_a_model_that_reads_what_its_item_does_not_have_is_refused(monkeypatch):
    monkeypatch.setattr(model_class("mlp"), "item", "bag")
    with pytest.raises(DataContractError, match="reads feature, and its item is a bag; a bag has"):
        settings(["mlp"])


def test_settings_with_rows_come_back_as_they_were():
    own = {"far": {"model": "egn", "exemplars": {"n": 3}}}
    before = settings(["far"], own)
    assert parse_settings(tomllib.loads(dump_settings(before)), "again") == before


@pytest.mark.parametrize(
    ("models", "own", "said"),
    [
        (["rige"], {}, "did you mean"),
        (["mine"], {}, r"\[settings.mine\] model"),
        (["mine"], {"mine": {"model": "rige"}}, "did you mean"),
        (["ridge"], {"ridge": {"exemplars": {"n": 3}}}, "reads no exemplars"),
        (["colour"], {"colour": {"encoder": "colour_texture"}}, "reads mean_colour"),
        (["egn"], {"egn": {"exemplars": {"k": 3}}}, "its keys are n, "),
        (["egn"], {"egn": {"exemplars": {"n": 0}}}, "greater than or equal to 1"),
        (["egn"], {"egn": {"deph": 3}}, "has no setting deph"),
        (["ridge"], {"ridge": {"model": "egn"}}, "choose another name"),
        (["shuffled"], {"shuffled": {"model": "egn"}}, "choose another name"),
        (["../egn"], {"../egn": {"model": "egn"}}, "name of a folder"),
    ],
)
def test_a_mistake_in_a_row_is_named(models, own, said):
    with pytest.raises(DataContractError, match=said):
        settings(models, own)


def test_a_network_that_looks_away_from_exemplars_has_none():
    own = {"alone": {"model": "egn", "sees": "image"}, "direct": {"model": "egn"}}
    rows = settings(["alone", "direct", "vitexp", "nsl", "ridge"], own).rows
    assert [row.name for row in rows if row.exemplars] == ["direct", "vitexp"]
    assert rows[0].inputs == ("image",)
    with pytest.raises(DataContractError, match="reads no exemplars with these settings"):
        settings(["alone"], {"alone": {**own["alone"], "exemplars": {"n": 3}}})


def test_tiles_that_are_too_small_to_compare_are_refused_before_the_work():
    own = {"egn": {"preset": "tiny", "exemplars": {"distance": "lpips"}}}
    rows = settings(["egn", "mlp"], own).rows
    assert not list(tile_problems(rows, 64))
    (problem,) = tile_problems(rows, 32)
    assert (problem.where, problem.found) == (
        'row egn, exemplars.distance = "lpips"',
        "tiles of 32 px",
    )

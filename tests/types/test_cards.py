"""Cards come back from their files as they were, and refuse what another version wrote."""

import json
from dataclasses import replace

import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.run_folder import read_run_card
from histoscribe.types import BenchmarkCard, ExemplarsCard, RowCard, ScoreCard, StainCard
from tests.cards import run_card, training_card

SHOWN = ExemplarsCard(
    n=9,
    draw="nearest",
    distance="lpips",
    training_exclusion="section",
    test_exclusion="patient",
    pool=910,
    pool_in_training=800,
    perceptual="LPIPS (net)",
    perceptual_weights={"net": "sha256:1"},
    shift="retrieval shift",
)
NETWORK = replace(
    training_card(4), views=2, hed_jitter=0.05, row="egn", weights="none", exemplars=SHOWN
)
ROW = RowCard(
    model="egn",
    settings={"preset": "tiny", "exemplars": {"n": 9}},
    n_parameters={"P1": 5},
    weights={"P1": "none"},
    exemplars={"P1": SHOWN},
)
RUN = replace(
    run_card(),
    models={"egn": ROW},
    stain={"P1": StainCard(mean=(0.1, 0.2, 0.3), deviation=(1.0, 1.5, 2.0))},
)
BENCHMARK = BenchmarkCard(
    protocol="patient",
    patients=("P1", "P2"),
    folds_sha256="ab",
    sections=("S1",),
    scores={"ridge": {"pcc": ScoreCard(mean=0.1, low=None, high=None)}, "shuffled": {}},
)


@pytest.mark.parametrize(
    "card", [training_card(4), NETWORK, run_card(), RUN, run_card(leaky="twins"), BENCHMARK]
)
def test_a_card_comes_back_from_json_as_it_was(card):
    text = json.dumps(card.to_json())
    assert type(card).from_json(json.loads(text), "a file", "none") == card


def test_what_a_card_has_nothing_to_say_of_is_not_in_its_file():
    assert {"views", "hed_jitter", "row", "weights", "exemplars"}.isdisjoint(
        training_card(4).to_json()
    )
    assert "stain" not in run_card().to_json()
    assert run_card().to_json()["leaky"] is None


def test_all_that_another_version_wrote_is_named_with_what_to_do(tmp_path):
    value = run_card().to_json()
    del value["metrics"]
    value["sections"]["S1"]["colour"] = "red"
    value["seed"] = "zero"
    (tmp_path / "card.json").write_text(json.dumps(value))
    with pytest.raises(DataContractError) as caught:
        read_run_card(tmp_path)
    places = {problem.where.removeprefix(str(tmp_path / "card.json")) for problem in
              caught.value.problems}  # fmt: skip
    assert places == {", metrics", ", sections.S1.colour", ", seed"}
    assert "histoscribe benchmark" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_a_file_that_is_no_card_is_refused(tmp_path, text):
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(DataContractError, match=r"card\.json"):
        read_run_card(tmp_path)

"""Protocol cards become groups of files, and come back as the same JSON."""

import json
import math

import anndata as ad
import h5py
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from histoscribe.io.predictions.card_group import card_of_group, group_of_card

NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
PLAIN = st.none() | st.booleans() | NUMBERS | WORDS
CARDS = st.dictionaries(
    WORDS,
    st.recursive(
        PLAIN,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=4,
)


def text(card) -> str:
    return json.dumps(card, sort_keys=True)


@given(CARDS)
def test_any_card_comes_back_as_the_same_json(card):
    assert card_of_group(group_of_card(text(card))) == text(card)


AWKWARD = {
    "": 1,
    ".": {"..": [], "%": {}, "a/b": "c/d", "%2F": "%list"},
    "flags": [True, False],
    "mixed": [1, 2.5, None, "three", [], {}, [[1], ["two"]]],
    "none": None,
    "numbers": {"whole": 3, "fraction": 3.0, "list": [3.0], "flag": True},
    "ranges": {"S1": [1, 2], "S2": [0.5, 1.0]},
    "words": ["one", "two"],
}


@pytest.mark.parametrize("opened", [h5py.File, zarr.open_group], ids=["hdf5", "zarr"])
def test_a_card_survives_the_file(tmp_path, opened):
    file = opened(tmp_path / "card", mode="w")
    with ad.settings.override(auto_shard_zarr_v3=False):
        ad.io.write_elem(file, "card", group_of_card(text(AWKWARD)))
    assert card_of_group(ad.io.read_elem(file["card"])) == text(AWKWARD)


def test_a_card_is_read_like_any_dictionary():
    group = group_of_card(text({"target": {"transform": "cp10k-log1p", "chosen_on": ["S1", "S2"]}}))
    assert group["target"]["transform"] == "cp10k-log1p"
    assert list(group["target"]["chosen_on"]) == ["S1", "S2"]
    assert math.isnan(group_of_card('{"row": null}')["row"])

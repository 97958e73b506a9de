"""The card in words: complete, in words for every unit, and the same text again."""

from dataclasses import replace

import numpy as np
import pytest

from histoscribe.data.stain import TissueColour
from histoscribe.data.target import Target
from histoscribe.data.transform import TRANSFORMS, Log1p, transform_class
from histoscribe.predictor.encoding import Encoding
from histoscribe.predictor.model_card import CardFacts, model_card
from histoscribe.types import ExemplarsCard
from tests.cards import training_card
from tests.predictor.references import reference_of

NET = Encoding("torchvision:x", "features.3", "sha256:abc", 64, 1.0, True, "float32")


@pytest.fixture
def facts():
    return CardFacts(
        model="ridge",
        paper="doi:1",
        target=Target(("ACTB", "ERBB2"), "list", Log1p(), ("S1",), 240, ()),
        encoding=NET,
        card=training_card(4),
        reference=reference_of(np.eye(4)),
        benchmark=None,
    )


def test_every_transform_has_its_unit_in_words():
    for name in TRANSFORMS:
        transform_class(name)
    with pytest.raises(ValueError, match="choose") as error:
        transform_class("no such transform")
    assert all(name in str(error.value) for name in TRANSFORMS)
    assert str(error.value).count(",") == len(TRANSFORMS) - 1


def test_the_card_says_what_a_user_must_know(facts):
    text = model_card(facts)
    for words in (
        "ACTB, ERBB2",
        "natural log of 1 + count",
        "1 patient, 1 section, 240 spots",
        "licence BSD-3-Clause",
        "sha256:abc",
        "Unknown: run `histoscribe benchmark`",
        "Diagnosis",
        "trained on one",
        "below 0.45 or above 0.55",
        "histoscribe predict THIS_FOLDER SLIDE --spacing-um 100 --out DIR "
        "--weights torchvision:x=FILE",
        "histoscribe 0",
    ):
        assert words in text


def test_a_panel_of_few_genes_is_told_as_the_depth_of_a_spot(facts):
    assert "Depth of a spot" not in model_card(facts)
    sections = {"S1": replace(facts.card.sections["S1"], n_genes=280)}
    text = model_card(replace(facts, card=replace(facts.card, sections=sections)))
    assert "- Depth of a spot: total over all genes measured, here of a panel of 280 genes" in text


def test_the_same_predictor_gives_the_same_text(facts):
    assert model_card(facts) == model_card(replace(facts))


def test_an_encoder_without_weights_asks_for_none(facts):
    plain = replace(NET, encoder="colour_texture", layer=None, weights="none")
    assert "--weights" not in model_card(replace(facts, encoding=plain))


def test_what_is_not_as_published_is_said(facts):
    assert "Not as published" not in model_card(facts)
    card = replace(facts.card, departures=("20 epochs (50)", "preset small"))
    line = "- Not as published (in brackets what is): 20 epochs (50), preset small.\n"
    assert line in model_card(replace(facts, card=card))


def test_a_leaky_protocol_is_said(facts):
    text = model_card(replace(facts, card=replace(facts.card, protocol="spot")))
    assert "Claims about new patients" in text


def test_genes_go_by_their_symbols(facts):
    target = replace(facts.target, genes=("ENSG1", "ENSG2"))
    assert "- Genes: ACTB, ERBB2." in model_card(replace(facts, target=target))


def test_a_long_panel_is_cut_and_says_so(facts):
    genes = tuple(f"G{number}" for number in range(1000))
    target = replace(facts.target, genes=genes)
    text = model_card(replace(facts, target=target, card=training_card(4, genes)))
    assert "G299 and 700 more, see predictor.json" in text


def test_what_is_done_about_stain_is_said(facts):
    assert "Reinhard" not in model_card(facts)
    assert "jittered" not in model_card(facts)
    colour = TissueColour((0.0, 0.0, 0.0), (0.1, 0.1, 0.1))
    normalised = model_card(replace(facts, encoding=replace(NET, stain=colour)))
    assert normalised.count("Reinhard") == 1
    jittered = replace(facts.card, views=2, hed_jitter=0.05)
    text = model_card(replace(facts, card=jittered))
    assert "2 views more of each spot" in text
    assert text.count("jittered") == 1


def test_what_was_turned_in_training_is_said(facts):
    assert "turned" not in model_card(facts)
    tiles, places = (
        model_card(replace(facts, card=replace(facts.card, turned=part)))
        for part in ("tiles", "places")
    )
    assert "tiles were turned and mirrored at random" in tiles
    assert "their features were not" in places
    assert "any angle" not in tiles + places
    turned = replace(facts.card, turned="tiles", corners="mean")
    filled = model_card(replace(facts, card=turned))
    assert "at random, by any angle; their corners were filled with the mean colour" in filled


def test_a_folder_that_has_its_extractor_asks_for_no_file_of_it_and_says_how_it_was_trained(facts):
    needs = {"compared_by": "LPIPS (net) sha256:1"}
    own = replace(facts.card, encoder=replace(facts.card.encoder, needs=needs))
    extractor = replace(NET, encoder="egn-extractor", layer=None)
    text = model_card(replace(facts, encoding=extractor, card=own))
    assert "--weights" not in text
    assert "compared by LPIPS (net) sha256:1" in text


def test_a_predictor_that_compares_tiles_asks_for_the_net_that_it_compares_them_by(facts):
    shown = ExemplarsCard(
        n=9,
        draw="nearest",
        distance="lpips",
        training_exclusion="patient",
        test_exclusion="patient",
        pool=240,
        pool_in_training=240,
        perceptual="LPIPS (torchvision:alexnet)",
        perceptual_weights={"torchvision:alexnet": "sha256:def"},
    )
    text = model_card(replace(facts, card=replace(facts.card, exemplars=shown)))
    assert "--weights torchvision:x=FILE --weights torchvision:alexnet=FILE" in text
    assert "torchvision:x sha256:abc, torchvision:alexnet sha256:def" in text
    assert "that look most like it by LPIPS (torchvision:alexnet)" in text

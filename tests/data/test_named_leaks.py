"""Leaks of published protocols run only by name, and each is said in words."""

import json
from dataclasses import replace

import numpy as np
import pytest

from histoscribe.data.fold_checks import twins_across
from histoscribe.data.fold_settings import FoldSettings, leaks_in_words, leaky
from histoscribe.data.folds import make_folds
from histoscribe.data.target import Target, TargetSettings, fit_target
from histoscribe.errors import DataContractError
from tests.data.fakes_for_data import fake_cohort, fake_section


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"leaks": ("panel",)}, "does not leak"),
        ({"leaks": ("epoch",)}, "does not leak"),
        ({"leaks": ("twins",)}, "does not leak"),
        ({"protocol": "spot", "k": 5, "leaks": ("twins",)}, "is for protocol 'section'"),
    ],
)
def test_a_leak_outside_a_leaky_protocol_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        FoldSettings(**wrong)


def test_every_leak_is_said_in_words_after_that_of_the_protocol():
    honest = FoldSettings()
    assert leaks_in_words(honest) == ()
    plain = FoldSettings(protocol="section")
    assert leaks_in_words(plain) == (leaky("section"),)
    published = replace(plain, leaks=("panel", "epoch", "twins"))
    protocol, panel, epoch, twins = leaks_in_words(published)
    assert protocol == leaky("section")
    assert "chosen on all sections, including the test sections" in panel
    assert "chosen on the test section itself" in epoch
    assert "same picture" in twins


def counts_of(seed, tall):
    """50 spots, 6 genes; gene `tall` has by far the most counts."""
    counts = np.random.default_rng(seed).integers(0, 4, (50, 6))
    counts[:, tall] += 100
    return counts


@pytest.fixture
def sections():
    return [
        fake_section("s1", "a", counts_of(1, tall=0)),
        fake_section("s2", "b", counts_of(2, tall=0)),
        fake_section("t", "c", 9 * counts_of(3, tall=5)),
    ]


def parts_of(sections):
    return [(section, np.arange(50)) for section in sections]


def test_the_leaky_panel_follows_the_test_section_and_the_scale_does_not(sections):
    settings = TargetSettings(n_genes=1, transform="log10-minmax")
    train = parts_of(sections[:2])
    honest = fit_target(train, settings)
    leaky_target = fit_target(train, settings, parts_of(sections))
    assert honest.genes == ("g000",)
    assert leaky_target.genes == ("g005",)  # tall in the test section alone
    np.testing.assert_array_equal(leaky_target.apply(sections[0]).min(), 0.0)
    top = max(sections[at].measured.matrix[:, 5].max() for at in (0, 1))
    np.testing.assert_allclose(leaky_target.state.high, np.log10(1 + top))


def test_the_target_says_that_its_panel_saw_the_test_side(sections):
    settings = TargetSettings(n_genes=2)
    train = parts_of(sections[:2])
    card = fit_target(train, settings, parts_of(sections)).card()
    assert card.chosen_by == "mean raw count over the training and test spots"
    assert card.chosen_on == "all spots of the run"
    honest = fit_target(train, settings).card()
    assert honest.chosen_by == "mean raw count over the training spots"
    assert honest.chosen_on == ("s1", "s2")


def test_a_stored_target_keeps_that_its_panel_saw_the_test_side(sections):
    for every in (None, parts_of(sections)):
        target = fit_target(parts_of(sections[:2]), TargetSettings(n_genes=2), every)
        back = Target.from_json(json.loads(json.dumps(target.to_json())))
        assert back.card() == target.card()
        assert back.panel_saw_test is (every is not None)


def test_a_list_of_genes_was_not_chosen_on_anything(sections):
    listed = TargetSettings(panel="list", genes=("g002",))
    target = fit_target(parts_of(sections[:2]), listed, parts_of(sections))
    assert target.genes == ("g002",)
    assert not target.panel_saw_test


def test_a_gene_that_is_constant_in_training_is_refused_where_the_test_side_chose_it(sections):
    flat = counts_of(1, tall=0)
    flat[:, 5] = 0
    train = parts_of([fake_section("s1", "a", flat), fake_section("s2", "b", flat)])
    with pytest.raises(DataContractError, match="constant over all training spots: g005"):
        fit_target(train, TargetSettings(n_genes=1), [*train, *parts_of(sections[2:])])


def test_twins_part_only_by_name_and_are_found():
    counts = np.ones((4, 2), dtype=np.int64)
    cohort = fake_cohort(
        [
            fake_section("t1", "a", counts, picture="same"),
            fake_section("t2", "a", counts, picture="same"),
            fake_section("u", "b", counts),
        ]
    )
    with pytest.raises(DataContractError, match=r'leaks = \["twins"\]'):
        make_folds(cohort, FoldSettings(protocol="section"), 0)
    folds = make_folds(cohort, FoldSettings(protocol="section", leaks=("twins",)), 0)
    found = {fold.name: list(twins_across(cohort, fold)) for fold in folds}
    assert found == {"t1": [("t1", "t2")], "t2": [("t1", "t2")], "u": []}


def test_twins_under_two_patients_stop_the_run_whatever_is_named():
    counts = np.ones((4, 2), dtype=np.int64)
    cohort = fake_cohort(
        [
            fake_section("t1", "a", counts, picture="same"),
            fake_section("t2", "b", counts, picture="same"),
        ]
    )
    with pytest.raises(DataContractError, match="under different patients"):
        make_folds(cohort, FoldSettings(protocol="section", leaks=("twins",)), 0)

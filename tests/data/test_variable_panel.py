"""Genes that are among the most variable ones of every section: their number is a finding."""

import json

import numpy as np
import pytest

from histoscribe.data.target import Target, TargetSettings, fit_target
from histoscribe.errors import DataContractError
from histoscribe.train.settings import parse_settings
from tests.data.fakes_for_data import fake_section

N_SPOTS = 80


def section(name, patient, spread, *, constant=()):
    """Six genes with 20 counts each that vary as much as `spread` says, and a common one."""
    draws = np.random.default_rng(sum(map(ord, name)))
    steps = draws.choice([-1, 1], (N_SPOTS, 6)) * np.array(spread)
    counts = draws.poisson(np.column_stack([20 + steps, np.full(N_SPOTS, 2000)]))
    counts[:, list(constant)] = 20
    return fake_section(name, patient, counts)


def parts_of(*sections):
    return [(of, np.arange(N_SPOTS)) for of in sections]


def fitted(n_genes, *sections, every=None):
    settings = TargetSettings(panel="variable-in-each-section", n_genes=n_genes)
    return fit_target(parts_of(*sections), settings, every)


@pytest.fixture
def sections():
    return (
        section("s1", "a", [15, 12, 9, 0, 0, 0]),
        section("s2", "b", [0, 15, 18, 9, 0, 0]),
        section("s3", "c", [0, 0, 15, 15, 12, 0]),
    )


def test_the_panel_is_what_the_best_of_each_section_share(sections):
    assert fitted(3, *sections[:2]).genes == ("g002", "g001")  # by their mean variance
    assert fitted(3, *sections).genes == ("g002",)
    assert set(fitted(7, *sections).genes) == {f"g00{gene}" for gene in range(7)}


def test_its_order_depends_on_neither_parts_nor_columns(sections):
    one, two, three = sections
    assert fitted(4, three, one, two).genes == fitted(4, *sections).genes
    mixed = fake_section("s1", "a", one.measured.matrix[:, ::-1], one.measured.gene_ids[::-1])
    assert fitted(4, mixed, two, three).genes == fitted(4, *sections).genes


def test_a_gene_that_is_constant_in_one_section_is_never_in_it(sections):
    flat = section("s1", "a", [15, 12, 9, 0, 0, 0], constant=(2,))
    assert "g002" not in fitted(6, flat, sections[1]).genes
    with pytest.raises(DataContractError, match=r"section s1.* 6 genes to choose 7 from"):
        fitted(7, flat, sections[1])


def test_sections_that_share_no_gene_stop_the_run(sections):
    apart = section("s4", "d", [0, 0, 0, 0, 9, 15])
    with pytest.raises(DataContractError, match="no gene is among the 2 most variable ones"):
        fitted(2, sections[0], apart)


def test_the_card_says_how_many_were_taken_of_each_section(sections):
    target = fitted(3, *sections[:2])
    card = target.card()
    assert card.n_genes == 2
    assert card.chosen_by.startswith("among the 3 genes of highest variance of Pearson residuals")
    assert "in each of the training sections" in card.chosen_by
    assert "n_of_each" not in fit_target(parts_of(*sections), TargetSettings(n_genes=2)).to_json()
    again = Target.from_json(json.loads(json.dumps(target.to_json())))
    assert again.card() == card
    saw_test = fitted(3, *sections[:2], every=parts_of(*sections))
    assert saw_test.genes == ("g002",)
    assert "each of the training and test sections" in saw_test.card().chosen_by


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"pathways": {"sets": "catalog:hallmark", "first": True}}, "has no size of its own"),
        ({"bulk": {"table": "bulk.csv", "unit": "counts"}}, "variable-in-each-section needs spots"),
    ],
)
def test_where_a_panel_of_unknown_size_has_no_meaning_it_is_refused(table, words):
    panel = {"panel": "variable-in-each-section", "transform": "cp10k-log1p"}
    with pytest.raises(DataContractError, match=words):
        parse_settings(
            {"cohort": "c.csv", "models": ["mean"], "target": panel, **table}, "settings"
        )

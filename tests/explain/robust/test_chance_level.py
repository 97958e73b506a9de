"""Scores by chance: of few genes, of sections that lack genes, and of small panels."""

from dataclasses import replace

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.robust import curves, runs
from histoscribe.explain.robust.chance import RandomDirections, patient_scores
from histoscribe.explain.robust.curves import ChangedSection
from histoscribe.explain.robust.distance import DistanceErrors
from histoscribe.metrics.moments import pearson_per_gene
from tests.explain.concepts.painted import FILLERS, GENES, painted_cohort, painted_section
from tests.explain.robust.chance import ask
from tests.explain.robust.toy import cohort_of, template

N_GENES = 12
QUICK = {"changes": "compression", "jpegs": 50}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 20)


def predicted_section(at, columns, noise, *, lacks=()):
    """Genes in two groups that vary together, predicted with some noise."""
    rng = np.random.default_rng([at, 5])
    group = rng.normal(size=(80, 2)).repeat(N_GENES // 2, axis=1)
    measured = group + rng.normal(size=(80, N_GENES))
    predicted = measured + noise * rng.normal(size=(80, N_GENES))
    measured[:, list(lacks)] = np.nan
    return ChangedSection(
        section=painted_section(f"New{at}", 0),
        rows=np.arange(80),
        columns=np.array(columns),
        panel_measured=measured,
        panel_before=predicted,
        panel_after=(),
        distance=(rng.random(80),),
    )


def drawn(sections):
    """The score and the same by chance."""
    predicted = [of.panel_before for of in sections]
    directions = RandomDirections([of.panel_measured for of in sections], sections[0].columns)
    score = np.mean(list(patient_scores(sections, predicted).values()))
    return score, directions.scores(sections, predicted)


@pytest.mark.parametrize("columns", [[3], [3, 4], [9, 0]])
def test_a_good_prediction_of_few_genes_lies_above_chance(columns):
    score, draws = drawn([predicted_section(at, columns, 1.0) for at in range(2)])
    assert score > 0.7
    assert np.percentile(draws, 97.5) < score - 0.05
    assert abs(draws.mean()) < 0.1


def test_genes_that_vary_together_are_drawn_together():
    """Two of one group rise and fall by chance together, two of different groups do not."""
    spread = [
        drawn([predicted_section(at, columns, 1.0) for at in range(2)])[1].std()
        for columns in ([0, 1], [0, 6])
    ]
    assert spread[1] < spread[0]


def test_a_section_without_the_genes_is_left_out_of_chance():
    sections = [predicted_section(0, [3], 1.0), predicted_section(1, [3], 1.0, lacks=[3])]
    _, draws = drawn(sections)
    assert np.isfinite(draws).all()
    directions = RandomDirections([of.panel_measured for of in sections], np.array([3]))
    assert np.array_equal(draws, directions.scores(sections[:1], [sections[0].panel_before]))
    (alone,) = pearson_per_gene(sections[0].before, sections[0].measured)
    assert patient_scores(sections, [of.panel_before for of in sections])["New0"] == alone


def test_errors_are_in_deviations_of_the_sections_that_have_the_gene():
    sections = [predicted_section(0, [3, 7], 1.0), predicted_section(1, [3, 7], 1.0, lacks=[3])]
    sections = [replace(of, panel_measured=of.panel_measured + 100) for of in sections]
    errors = DistanceErrors(sections)
    known = (
        sections[0].measured[:, 0].std(),
        np.concatenate([of.measured[:, 1] for of in sections]).std(),
    )
    wrong = sections[0].before - sections[0].measured
    assert np.allclose(errors.error[0], np.sqrt(np.square(wrong / known).mean(axis=1)))
    wrong = (sections[1].before - sections[1].measured)[:, 1]
    assert np.allclose(errors.error[1], np.abs(wrong) / known[1])


def without_genes(section, genes):
    """The section without the counts of these genes."""
    counts = section.counts
    left = [at for at, gene in enumerate(counts.gene_ids) if gene not in genes]
    names = tuple(counts.gene_ids[at] for at in left)
    return replace(
        section,
        counts=replace(counts, matrix=counts.matrix[:, left], gene_ids=names, gene_names=names),
    )


def test_a_gene_that_one_section_lacks_is_answered(tmp_path):
    first, second = painted_cohort(0, n_patients=2)
    cohort = cohort_of([first, without_genes(second, ["PINK"])])
    finding = ask(template(), cohort, tmp_path / "lacks", genes=("PINK", "BLUE"), **QUICK)
    assert all(np.isfinite(one.value) for one in (*finding.statistic, *finding.null))


def test_sections_without_any_of_the_genes_are_refused_at_once():
    first, *others = painted_cohort(0, n_patients=3)
    cohort = cohort_of([first, *(without_genes(of, ["PINK"]) for of in others)])
    with pytest.raises(DataContractError) as error:
        ask(template(), cohort, genes="PINK", **QUICK)
    assert [one.where for one in error.value.problems] == ["section New1", "section New2"]
    assert "none of these genes was measured" in str(error.value)


def test_a_small_panel_has_no_chance_level(monkeypatch, tmp_path):
    n_genes = len(GENES) + FILLERS
    for module in ("chance", "answer"):
        monkeypatch.setattr(f"histoscribe.explain.robust.{module}.FEWEST_GENES", n_genes + 1)
    finding = ask(template(), painted_cohort(0, n_patients=2), tmp_path / "small", **QUICK)
    assert np.isfinite(finding.number("score").value)
    assert np.isnan(finding.chance("score").value)
    assert np.isnan(finding.chance("drop_compression").value)
    assert any(f"{n_genes} are fewer than {n_genes + 1}" in words for words in finding.caveat)


def test_a_large_panel_gives_other_genes_evenly_spread(monkeypatch, tmp_path):
    monkeypatch.setattr("histoscribe.explain.robust.runs.MOST_GENES", 5)
    monkeypatch.setattr("histoscribe.explain.robust.chance.FEWEST_GENES", 5)
    cohort = painted_cohort(0, n_patients=2)
    few, more = (
        ask(template(), cohort, tmp_path / str(len(genes)), genes=genes, **QUICK)
        for genes in (("PINK",), (*GENES, "FILLER0", "FILLER1"))
    )
    for finding in (few, more):
        assert np.isfinite(finding.chance("score").value)


def test_pixels_count_the_same_genes_along_the_gradient_and_at_random(monkeypatch):
    monkeypatch.setattr("histoscribe.explain.robust.runs.N_PIXEL_TILES", 4)
    cohort = painted_cohort(0, n_patients=2)
    settings = {"changes": "gradient", "greys": 2}
    alone = ask(template(), cohort, genes="PINK", **settings)
    real = curves.spread_of

    def first_only(values):
        spread = real(values)
        return np.where(np.arange(len(spread)) == 0, spread, np.nan)

    for module in (curves, runs):
        monkeypatch.setattr(module, "spread_of", first_only)
    both = ask(template(), cohort, genes=("PINK", "BLUE"), **settings)
    name = "change_gradient_2"
    assert np.isclose(both.number(name).value, alone.number(name).value, rtol=1e-5)
    assert np.isclose(both.chance(name).value, alone.chance(name).value, rtol=1e-5)

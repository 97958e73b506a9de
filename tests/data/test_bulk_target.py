"""Panels and labels of whole samples come from training samples, in the unit that they say."""

import numpy as np
import pytest

from histoscribe.data.bag_groups import block_bags
from histoscribe.data.bulk_target import (
    block_target,
    block_values,
    bulk_values,
    fit_bulk_target,
    linear_labels,
    linear_values,
)
from histoscribe.data.panel_files import published_panel, read_panel
from histoscribe.data.target import Target, TargetSettings, fit_target
from histoscribe.errors import DataContractError
from histoscribe.types import BulkTable
from tests.data.fakes_for_data import fake_cohort, fake_section

GENES = ("TP53", "APC", "ACTB", "LYZ")


def table(values, unit="counts", genes=GENES):
    names = tuple(f"P{i}" for i in range(len(values)))
    return BulkTable(patients=names, genes=genes, values=np.asarray(values, float), unit=unit)


def drawn(n=6, unit="counts"):
    counts = np.random.default_rng(0).poisson([3.0, 30.0, 300.0, 10.0], (n, 4)) + 1.0
    if unit in ("tpm", "fpkm"):
        return table(counts / counts.sum(axis=1, keepdims=True) * 1e6, unit)
    return table(np.log2(counts) if unit == "log" else counts, unit)


def test_labels_are_logs_of_counts_per_10_000():
    given = drawn()
    settings = TargetSettings(panel="highest-mean", n_genes=2, transform="cp10k-log1p")
    target = fit_bulk_target(given, settings, ["slide-b", "slide-a"])
    assert target.genes == ("ACTB", "APC")
    assert target.unit == "cp10k-log1p of bulk counts"
    labels = bulk_values(given, target)
    share = given.values / given.values.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(labels.target, np.log1p(share[:, [2, 1]] * 1e4), rtol=1e-6)
    np.testing.assert_allclose(
        linear_values(labels.target, target), share[:, [2, 1]] * 1e4, rtol=1e-5
    )
    np.testing.assert_array_equal(labels.values, given.values[:, [2, 1]])


def test_a_measured_zero_is_zero_again_on_the_linear_scale():
    settings = TargetSettings(panel="list", genes=GENES, transform="log10-minmax")
    target = fit_bulk_target(drawn(), settings, [])
    tested = drawn().values * np.array([[0.0], [1], [0], [2], [0], [3]])
    labels = bulk_values(table(tested), target)
    assert (linear_values(labels.target.astype(np.float64), target)[tested == 0] != 0).any()
    linear = linear_labels(labels, target)
    assert (linear[tested == 0] == 0).all()
    np.testing.assert_allclose(linear, tested, rtol=1e-4)


def test_tpm_and_fpkm_of_one_sample_give_one_label():
    settings = TargetSettings(panel="list", genes=("LYZ",), transform="cp10k-log1p")
    tpm, counts = drawn(unit="tpm"), drawn()
    fpkm = table(counts.values * 7.0, "fpkm")
    first, second = (
        bulk_values(of, fit_bulk_target(of, settings, [])).target for of in (tpm, fpkm)
    )
    np.testing.assert_allclose(first, second, rtol=1e-5)


def test_logged_values_stay_as_they_are():
    settings = TargetSettings(panel="highly-variable", n_genes=3, transform="as-given")
    given = drawn(unit="log")
    target = fit_bulk_target(given, settings, [])
    variance = dict(zip(GENES, given.values.var(axis=0), strict=True))
    assert target.genes == tuple(sorted(GENES, key=lambda gene: -variance[gene])[:3])
    labels = bulk_values(given, target).target
    columns = [GENES.index(gene) for gene in target.genes]
    np.testing.assert_allclose(labels, given.values[:, columns], rtol=1e-6)
    assert linear_values(labels, target) is None


def test_the_panel_ignores_test_patients():
    given, settings = drawn(8), TargetSettings(n_genes=2, transform="cp10k-log1p")
    train = given.take(given.patients[:5])
    other = given.values.copy()
    other[5:] = other[5:, ::-1] * 50
    changed = table(other).take(given.patients[:5])
    first, second = (fit_bulk_target(of, settings, []) for of in (train, changed))
    assert first.to_json() == second.to_json()
    assert Target.from_json(first.to_json()).unit == first.unit
    assert "training patients" in first.card().chosen_by


@pytest.mark.parametrize("transform", ["cp10k-log1p", "cp10k", "log1p", "log10-minmax"])
def test_a_constant_gene_is_in_no_panel(transform):
    values = drawn().values
    values[:, 2] = 300.0
    settings = TargetSettings(panel="highly-variable", n_genes=3, transform=transform)
    target = fit_bulk_target(table(values), settings, ["slide"])
    assert sorted(target.genes) == ["APC", "LYZ", "TP53"]


def test_unknown_and_constant_genes_of_a_list_are_told_at_once():
    given = table([[1, 2, 3, 4], [1, 3, 4, 5]])
    settings = TargetSettings(panel="list", genes=("TP53", "TP63", "XYZ"), transform="log1p")
    with pytest.raises(DataContractError) as error:
        fit_bulk_target(given, settings, [])
    unknown, constant = error.value.problems
    assert "2 of 3 genes are not in the table: TP63, XYZ" in unknown.found
    assert "TP53" in unknown.remedy
    assert "constant" in constant.found
    few = TargetSettings(n_genes=4, transform="log1p")
    with pytest.raises(DataContractError, match="3 genes to choose 4 from"):
        fit_bulk_target(given, few, [])


def test_a_block_is_the_sum_of_its_spots():
    rng = np.random.default_rng(1)
    sections = [fake_section(f"S{i}", f"P{i}", rng.poisson(2.0, (30, 6))) for i in range(2)]
    cohort = fake_cohort(sections)
    rows = {s.id: np.arange(30) for s in sections}
    settings = TargetSettings(panel="highest-mean", n_genes=3, transform="cp10k-log1p")
    target = block_target(fit_target([(s, rows[s.id]) for s in sections], settings))
    bags = block_bags(cohort, rows, 10)
    labels = block_values(cohort, bags, target)
    genes = [cohort["S0"].measured.gene_ids.index(gene) for gene in target.genes]
    for bag, of, total in zip(bags, labels.values, labels.total, strict=True):
        ((section, spots),) = bag.rows.items()
        counts = cohort[section].measured.matrix[spots].toarray()
        np.testing.assert_array_equal(of, counts.sum(axis=0)[genes])
        assert total == counts.sum()
    expected = np.log1p(labels.values / labels.total[:, None] * 1e4)
    np.testing.assert_allclose(labels.target, expected, rtol=1e-6)
    assert target.unit == "cp10k-log1p of blocks of spots"


def test_panels_come_from_files_by_name(tmp_path):
    assert {"TP53RK", "CAPN9", "LYZ"} <= set(published_panel("colotype-partial"))
    named = TargetSettings(panel="colotype-partial", transform="log1p")
    assert named.listed == published_panel("colotype-partial")
    path = tmp_path / "genes.txt"
    path.write_text("# mine\nAPC\n\nTP53  # a tumour suppressor\n")
    assert TargetSettings(panel="list", genes=str(path)).genes == ("APC", "TP53")
    path.write_text("APC\nAPC\n")
    for wrong in (path, tmp_path / "none.txt"):
        with pytest.raises(ValueError, match=r"twice|no list of genes"):
            read_panel(wrong)
    with pytest.raises(ValueError, match="for panel = 'list' only"):
        TargetSettings(panel="colotype-partial", genes=("APC",))


def test_a_partial_panel_says_so():
    genes = published_panel("colotype-partial")
    values = np.random.default_rng(0).poisson(20.0, (5, len(genes)))
    settings = TargetSettings(panel="colotype-partial", transform="log1p")
    card = fit_bulk_target(table(values, genes=genes), settings, []).card()
    assert "a partial list" in card.chosen_by

import json

import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.data.measured_genes import WHOLE_TRANSCRIPTOME, drops_unseen_genes, panel_sizes
from histoscribe.data.target import Target, TargetSettings, fit_target, genes_hash
from histoscribe.data.transform import TRANSFORMS, size_factors
from histoscribe.errors import DataContractError
from tests.data.fakes_for_data import fake_section


def depths(n_spots, rng):
    return rng.lognormal(0.0, 0.6, size=n_spots)


def counted(id_, patient, *, n_spots=81, n_genes=30, genes=None, seed=0):
    """Counts of genes of falling mean (g000 highest), times the spot's depth."""
    rng = np.random.default_rng([seed, len(id_), ord(id_[-1])])
    rates = np.linspace(20, 0.5, n_genes)
    matrix = rng.poisson(depths(n_spots, rng)[:, None] * rates)
    if genes is not None:
        matrix = matrix[:, [int(gene[1:]) for gene in genes]]
    return fake_section(id_, patient, matrix, genes)


def parts_of(*sections):
    return [(section, np.arange(len(section.spots))) for section in sections]


@pytest.fixture
def train():
    return parts_of(counted("s1", "a"), counted("s2", "b"))


@pytest.fixture(params=list(TRANSFORMS))
def transform(request):
    return request.param


def test_the_highest_means_are_chosen_over_training_spots(train):
    target = fit_target(train, TargetSettings(n_genes=6))
    mean = sum(section.measured.matrix.toarray() for section, _ in train).sum(axis=0)
    ids = train[0][0].measured.gene_ids
    assert target.genes == tuple(ids[g] for g in np.argsort(-mean, kind="stable")[:6])
    assert target.sections == ("s1", "s2")


def test_ties_go_to_the_smaller_gene_id():
    matrix = np.tile(np.array([[1], [2]]), (5, 4))
    section = fake_section("s", "a", matrix, genes=("d", "b", "c", "a"))
    target = fit_target(parts_of(section), TargetSettings(n_genes=3, transform="counts"))
    assert target.genes == ("a", "b", "c")


def test_the_order_of_parts_and_of_columns_does_not_matter(train, transform):
    settings = TargetSettings(n_genes=8, transform=transform)
    target = fit_target(train, settings)
    section = train[0][0]
    order = np.random.default_rng(0).permutation(30)
    ids = section.measured.gene_ids
    mixed = fake_section("s1", "a", section.measured.matrix[:, order], tuple(ids[g] for g in order))
    again = fit_target([train[1], (mixed, train[0][1])], settings)
    assert again.to_json() == target.to_json()
    np.testing.assert_array_equal(again.apply(mixed), target.apply(section))


def test_only_the_training_rows_are_looked_at(train, transform):
    section, _ = train[0]
    rows = np.arange(40)
    spoiled = section.measured.matrix.toarray()
    spoiled[40:] = np.random.default_rng(0).poisson(50, size=spoiled[40:].shape)
    settings = TargetSettings(n_genes=5, transform=transform)
    first = fit_target([(section, rows), train[1]], settings)
    second = fit_target([(fake_section("s1", "a", spoiled), rows), train[1]], settings)
    assert first.to_json() == second.to_json()


@pytest.mark.parametrize("panel", ["highest-mean", "highly-variable", "spatially-variable"])
def test_json_brings_everything_back_to_the_bit(train, transform, panel):
    target = fit_target(train, TargetSettings(n_genes=7, transform=transform, panel=panel))
    again = Target.from_json(json.loads(json.dumps(target.to_json())))
    assert again.to_json() == target.to_json()
    test = counted("s3", "c")
    np.testing.assert_array_equal(again.apply(test), target.apply(test))


def test_rows_are_those_of_the_whole(train, transform):
    target = fit_target(train, TargetSettings(n_genes=7, transform=transform))
    section, rows = train[1][0], np.array([3, 60, 7])
    np.testing.assert_array_equal(target.apply(section, rows), target.apply(section)[rows])
    np.testing.assert_array_equal(
        target.panel_counts(section, rows).counts, target.panel_counts(section).counts[rows]
    )


def test_what_can_be_inverted_gives_the_counts_back(train, transform):
    target = fit_target(train, TargetSettings(n_genes=7, transform=transform))
    test = counted("s3", "c")
    values, total = target.apply(test).astype(np.float64), test.measured.total
    if transform == "panel-log10":  # needs the total over the panel, in the place of its mean share
        total = target.panel_counts(test).counts.sum(axis=1) / sum(target.state.shares)
    if transform in ("pearson-residuals", "as-given"):
        with pytest.raises(ValueError, match=f"{transform} cannot be inverted: "):
            target.invert(values, total)
        return
    np.testing.assert_allclose(
        target.invert(values, total), target.panel_counts(test).counts, atol=2e-3
    )


def test_pearson_residuals_are_the_recipe():
    section = counted("s", "a", n_spots=49)
    target = fit_target(parts_of(section), TargetSettings(n_genes=30))
    counts = target.panel_counts(section).counts
    total, share = counts.sum(axis=1), counts.sum(axis=0) / counts.sum()
    expected = np.outer(total, share)
    residual = (counts - expected) / np.sqrt(expected + expected**2 / 100)
    np.testing.assert_allclose(target.apply(section), np.clip(residual, -7, 7), rtol=1e-5)


def test_pearson_residuals_clip_at_the_root_of_the_spots_and_use_all_genes():
    matrix = np.ones((100, 3), dtype=np.int64)
    matrix[0, 0] = 5000
    section = fake_section("s", "a", matrix)
    panel = TargetSettings(panel="list", genes=("g000",))
    values = fit_target(parts_of(section), panel).apply(section)[:, 0]
    total, share = matrix.sum(axis=1), matrix[:, 0].sum() / matrix.sum()
    expected = total * share
    residual = (matrix[:, 0] - expected) / np.sqrt(expected + expected**2 / 100)
    np.testing.assert_allclose(values, np.clip(residual, -10, 10), rtol=1e-5)


def test_residuals_do_not_follow_depth_where_log1p_does():
    rng = np.random.default_rng(0)
    matrix = rng.poisson(depths(400, rng)[:, None] * np.linspace(20, 2, 10))
    section = fake_section("s", "a", matrix)
    depth = np.log1p(section.measured.total)

    def follows(transform):
        settings = TargetSettings(n_genes=10, transform=transform)
        values = fit_target(parts_of(section), settings).apply(section)
        return np.mean([np.corrcoef(depth, values[:, g])[0, 1] for g in range(10)])

    assert abs(follows("pearson-residuals")) < 0.05
    assert follows("log1p") > 0.6


def test_size_factors_and_shares_come_from_all_genes(train):
    few = fit_target(train, TargetSettings(n_genes=2, transform="cp10k-log1p"))
    many = fit_target(train, TargetSettings(n_genes=9, transform="cp10k-log1p"))
    section = train[0][0]
    np.testing.assert_array_equal(few.apply(section), many.apply(section)[:, :2])
    total = section.measured.matrix.toarray().sum(axis=1)
    np.testing.assert_allclose(size_factors(section.measured.total), total / 1e4)
    expected = np.log1p(few.panel_counts(section).counts / total[:, None] * 1e4)
    np.testing.assert_allclose(few.apply(section), expected, rtol=1e-6)


def test_min_max_is_that_of_training_and_is_not_clipped(train):
    target = fit_target(train, TargetSettings(n_genes=5, transform="log10-minmax"))
    values = np.concatenate([target.apply(section) for section, _ in train])
    np.testing.assert_allclose(values.min(axis=0), 0, atol=1e-7)
    np.testing.assert_allclose(values.max(axis=0), 1, atol=1e-6)
    deep = fake_section("s3", "c", np.full((4, 30), 10_000))
    assert (target.apply(deep) > 1).all()


def test_st_net_is_the_log_of_the_smoothed_share(train):
    target = fit_target(train, TargetSettings(n_genes=4, transform="st-net"))
    section = train[0][0]
    expected = np.log(
        (1 + target.panel_counts(section).counts) / (30 + section.measured.total)[:, None]
    )
    np.testing.assert_allclose(target.apply(section), expected, rtol=1e-6)


def test_an_empty_spot_is_finite(transform):
    matrix = counted("s", "a").measured.matrix.toarray()
    matrix[0] = 0
    section = fake_section("s", "a", matrix)
    target = fit_target(parts_of(section), TargetSettings(n_genes=4, transform=transform))
    assert np.isfinite(target.apply(section)).all()


def test_a_gene_that_a_test_section_lacks_is_undefined_never_zero(train, transform):
    target = fit_target(train, TargetSettings(n_genes=5, transform=transform))
    ids = train[0][0].measured.gene_ids
    lacking = counted("s3", "c", genes=ids[1:])
    gone = target.genes.index("g000")
    for values in (target.apply(lacking), target.panel_counts(lacking).counts):
        assert np.isnan(values[:, gone]).all()
        assert np.isfinite(np.delete(values, gone, axis=1)).all()


def test_a_gene_that_a_training_section_lacks_is_not_chosen(train):
    ids = train[0][0].measured.gene_ids
    parts = [*train, *parts_of(counted("s3", "c", genes=ids[1:]))]
    assert "g000" not in fit_target(parts, TargetSettings(n_genes=29)).genes


def whole_transcriptome(id_, patient, rates, seed):
    """A table that leaves out the genes that it did not see."""
    matrix = np.random.default_rng(seed).poisson(rates, size=(30, len(rates)))
    seen = matrix.sum(axis=0) > 0
    genes = tuple(f"g{i:05d}" for i in np.flatnonzero(seen))
    return fake_section(id_, patient, sp.csr_matrix(matrix[:, seen]), genes)


def test_an_absent_gene_is_zero_where_the_table_leaves_out_unseen_genes():
    rates = np.full(WHOLE_TRANSCRIPTOME + 2000, 0.12)
    rates[-300:] = 0.02
    first, second, test = (whole_transcriptome(f"s{i}", "abc"[i], rates, i) for i in range(3))
    assert drops_unseen_genes(first.measured)
    rare = sorted(set(first.measured.gene_ids) - set(second.measured.gene_ids))
    also = [gene for gene in rare if gene not in set(test.measured.gene_ids)]
    settings = TargetSettings(panel="list", genes=(rare[0], also[0]))
    target = fit_target(parts_of(first, second), settings)
    assert (target.panel_counts(second).counts == 0).all()
    assert (target.panel_counts(test).counts[:, 1] == 0).all()
    assert dict(target.card().absent_taken_as_zero)["s1"] >= len(rare)


def test_a_gene_common_elsewhere_may_be_zero_in_such_a_table():
    rates = np.full(WHOLE_TRANSCRIPTOME + 2000, 0.12)
    rates[0] = 50.0
    first, second = (whole_transcriptome(f"s{i}", "ab"[i], rates, i) for i in range(2))
    ids = second.measured.gene_ids
    bare = fake_section("s1", "b", second.measured.matrix[:, 1:], ids[1:])
    target = fit_target(parts_of(first, bare), TargetSettings(n_genes=10))
    assert target.genes[0] == "g00000"
    assert (target.apply(bare)[:, 0] == 0).all()


def test_a_table_that_lists_every_gene_leaves_nothing_out():
    rates = np.where(np.arange(WHOLE_TRANSCRIPTOME + 10) % 2, 0.2, 0.0)
    matrix = sp.csr_matrix(np.random.default_rng(0).poisson(rates, size=(30, len(rates))))
    section = fake_section("s", "a", matrix, tuple(f"g{i:05d}" for i in range(len(rates))))
    assert not drops_unseen_genes(section.measured)
    assert not drops_unseen_genes(counted("s", "a").measured)


def test_a_patterned_gene_leads_the_spatial_panel_and_a_bursting_one_the_variable_panel():
    rng = np.random.default_rng(0)
    matrix = rng.poisson(8.0, size=(196, 20))
    column = np.arange(196) % 14
    matrix[:, 7] = rng.poisson(np.where(column < 7, 2, 14))
    matrix[:, 3] = rng.poisson(rng.permutation(np.repeat([0.5, 40], [160, 36])))
    parts = parts_of(fake_section("s", "a", matrix))
    spatial = fit_target(parts, TargetSettings(panel="spatially-variable", n_genes=3))
    variable = fit_target(parts, TargetSettings(panel="highly-variable", n_genes=3))
    assert spatial.genes[0] == "g007"
    assert variable.genes[0] == "g003"


def test_genes_constant_in_training_are_not_chosen(train):
    matrix = train[0][0].measured.matrix.toarray()
    matrix[:, 0] = 1000
    parts = parts_of(fake_section("s", "a", matrix))
    for panel in ("highest-mean", "highly-variable", "spatially-variable"):
        target = fit_target(parts, TargetSettings(panel=panel, n_genes=20))
        assert "g000" not in target.genes


def problems_of(parts, settings):
    with pytest.raises(DataContractError) as error:
        fit_target(parts, settings)
    return "\n".join(str(problem) for problem in error.value.problems)


def test_fewer_genes_than_asked_says_how_many_there_are(train):
    assert "at most 30" in problems_of(train, TargetSettings(n_genes=31))


def test_a_list_is_kept_in_order_and_all_its_problems_are_told(train):
    genes = ("g005", "g001")
    assert fit_target(train, TargetSettings(panel="list", genes=genes)).genes == genes
    by_symbol = TargetSettings(panel="list", genes=("name-g005", "g001"))
    assert fit_target(train, by_symbol).genes == genes
    matrix = train[0][0].measured.matrix.toarray()
    matrix[:, 2] = 4
    ids = train[0][0].measured.gene_ids
    parts = parts_of(
        fake_section("s1", "a", matrix), fake_section("s2", "b", matrix[:, :29], ids[:29])
    )
    wrong = TargetSettings(panel="list", genes=("g0001", "g029", "name-g002", "g003"))
    text = problems_of(parts, wrong)
    assert "did you mean g001" in text
    assert "not measured in every training section: g029" in text
    assert "constant over all training spots: g002" in text


def test_a_panel_of_which_no_gene_is_measured_is_one_problem_with_both_lists(train):
    """E.g. a panel of Ensembl ids for tables of symbols, or of another instrument."""
    wrong = TargetSettings(panel="list", genes=tuple(f"ENSG0000000{n:04d}" for n in range(40)))
    (line, *_) = problems_of(train, wrong).splitlines()
    assert "none of the 40 genes of the panel is measured" in line
    assert "ENSG00000000000" in line
    assert "name-g000" in line
    assert "(and 30 more)" in line


def test_a_panel_says_that_depth_is_its_own_total():
    assert panel_sizes([18_000, None]) == ""
    assert panel_sizes([313, 313]).startswith("here of a panel of 313 genes")
    assert "313 to 18,085 genes by section" in panel_sizes([18_085, 313])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"panel": "list"}, "is for panel"),
        ({"genes": ("a",)}, "is for panel"),
        ({"panel": "list", "genes": ("a", "a")}, "each once"),
        ({"panel": "list", "genes": ()}, "at least one"),
        ({"n_genes": 0}, "at least 1"),
        ({"transform": "pearson-residual"}, "did you mean pearson-residuals"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        TargetSettings(**wrong)


def test_the_card_says_what_was_chosen_how_and_on_what(train):
    target = fit_target(train, TargetSettings(n_genes=3))
    card = json.loads(json.dumps(target.card().to_json()))
    assert card["chosen_on"] == ["s1", "s2"]
    assert card["n_training_spots"] == 162
    assert card["transform"] == "pearson-residuals"
    assert "levels between sections are not predicted" in card["statistic"]
    assert card["genes_sha256"] == genes_hash(target.genes) != genes_hash(target.genes[::-1])


def test_genes_of_the_sets_come_first_by_id_or_symbol_and_others_fill_the_panel(train):
    wanted = ("g025", "g020", "g029", "elsewhere")
    target = fit_target(train, TargetSettings(n_genes=5), first=wanted)
    assert target.genes[:3] == ("g020", "g025", "g029")  # best first
    assert target.genes[3:] == fit_target(train, TargetSettings(n_genes=2)).genes
    few = fit_target(train, TargetSettings(n_genes=2), first=wanted)
    assert few.genes == ("g020", "g025")
    assert target.card().chosen_by.startswith("genes of the gene sets first; mean raw count")
    assert Target.from_json(json.loads(json.dumps(target.to_json()))).pathways_first


def test_genes_first_do_not_depend_on_the_order_of_sections(train):
    settings = TargetSettings(n_genes=5)
    honest = fit_target(train, settings, first=("g025",))
    assert fit_target(list(reversed(train)), settings, first=("g025",)).genes == honest.genes

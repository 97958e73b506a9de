import numpy as np
import pytest

from histoscribe.metrics.summary import SectionScores, paired_difference, pcc_at, summarise


def scores(*parts):
    return [SectionScores(section, patient, np.array(v)) for section, patient, v in parts]


def test_the_order_is_genes_then_sections_then_patients():
    found = summarise(
        scores(("a1", "a", [0.0, 1.0]), ("a2", "a", [1.0, 1.0]), ("b1", "b", [0.25, 0.25])), seed=0
    )
    assert found.by_patient == (("a", 0.75), ("b", 0.25))
    assert found.mean == 0.5


def test_undefined_scores_are_left_out_and_counted():
    nan = np.nan
    found = summarise(
        scores(("a1", "a", [nan, 0.5]), ("a2", "a", [nan, nan]), ("b1", "b", [nan, nan])), seed=0
    )
    assert found.mean == 0.5
    assert (found.n_patients, found.n_undefined) == (1, 5)
    assert [name for name, _ in found.by_patient] == ["a", "b"]


def test_nothing_defined_is_nan_not_an_error():
    found = summarise(scores(("a1", "a", [np.nan])), seed=0)
    assert np.isnan(found.mean)
    assert (found.low, found.n_patients) == (None, 0)


def test_constant_predictions_are_counted():
    part = SectionScores("a1", "a", np.zeros(3), n_constant=2)
    assert summarise([part, part], seed=0).n_constant == 4


@pytest.mark.parametrize(("n_patients", "has_interval"), [(4, False), (5, True)])
def test_an_interval_needs_five_patients(n_patients, has_interval):
    parts = scores(*((f"s{i}", f"p{i}", [float(i)]) for i in range(n_patients)))
    found = summarise(parts, seed=0)
    assert (found.low is not None) is has_interval


def test_the_interval_covers_the_mean_and_repeats_to_the_bit_in_any_order():
    rng = np.random.default_rng(0)
    parts = scores(*((f"s{i}", f"p{i}", rng.normal(size=3)) for i in range(12)))
    found = summarise(parts, seed=3)
    assert found.low < found.mean < found.high
    assert summarise(parts[::-1], seed=3) == found
    spread = np.std([value for _, value in found.by_patient]) / np.sqrt(12)
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_the_median_is_over_genes():
    found = summarise(scores(("a1", "a", [0.0, 0.1, 0.8, np.nan])), seed=0, over_genes="median")
    assert found.mean == pytest.approx(0.1)


def test_a_difference_is_paired_by_section_and_gene():
    first = scores(("a1", "a", [0.5, np.nan]), ("b1", "b", [0.5, 0.1]))
    second = scores(("b1", "b", [0.3, 0.1]), ("a1", "a", [0.1, np.nan]))
    found = paired_difference(first, second, seed=0)
    assert dict(found.by_patient) == pytest.approx({"a": 0.4, "b": 0.1})
    with pytest.raises(ValueError, match="same sections"):
        paired_difference(first, second[:1], seed=0)


def test_pcc_at_is_quartile_median_and_mean_over_genes_then_folds():
    found = pcc_at([np.array([0.0, 0.1, 0.2, 0.3, np.nan]), np.array([0.4])])
    assert found.first_quartile == pytest.approx((0.075 + 0.4) / 2)
    assert found.median == pytest.approx((0.15 + 0.4) / 2)
    assert found.mean == pytest.approx((0.15 + 0.4) / 2)
    assert np.isnan(pcc_at([np.array([np.nan])]).mean)

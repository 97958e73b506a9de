"""`faults` on patients who differ by nothing but their names, and on a subtype that does differ."""

from collections.abc import Callable

from histoscribe.explain.run import explain
from tests.explain.alike import is_outside
from tests.explain.faults.toy import (
    COMMON,
    RARE,
    random_predictor,
    shuffled,
    together,
    toy_cohort,
    toy_predictor,
    with_subtypes,
)

BOTH = [COMMON] * 5 + [RARE] * 5


def _random_weights(seed: int) -> bool:
    cohort = toy_cohort(seed, shuffled(BOTH, seed))
    fact = ("subtype", "site")[seed % 2]
    finding = explain("faults", random_predictor(seed), cohort, facts=fact)
    return is_outside(finding, f"knows_{fact}")


def _permuted_patients(seed: int) -> bool:
    cohort = with_subtypes(toy_cohort(seed, BOTH, changed=0.5), shuffled(BOTH, seed))
    finding = explain("faults", toy_predictor(changed=0.5), cohort, facts="subtype")
    return is_outside(finding, "gap_subtype")


def _null_family(seed: int) -> bool:
    cohort = toy_cohort(seed, shuffled(BOTH, seed), effect=0.0)
    return is_outside(explain("faults", toy_predictor(), cohort, facts="subtype"), "gap_subtype")


def _subtype() -> None:
    training = toy_cohort(900, [COMMON] * 5 + [RARE], changed=1.0, first=100)
    cohort = together(toy_cohort(0, BOTH, changed=1.0), training)
    finding = explain("faults", toy_predictor(changed=1.0), cohort)
    for name in ("gap_subtype", "error_subtype_rare", "knows_subtype"):
        assert finding.number(name).value > finding.chance(name).high, name
    assert finding.number("gap_site").value < finding.chance("gap_site").high
    assert "subtype rare" in finding.caveat[0]


def _reduced_subtype() -> None:
    cohort = toy_cohort(0, [COMMON] * 6 + [RARE] * 6, changed=1.0)
    finding = explain("faults", toy_predictor(), cohort, reduce="subtype=rare")
    of_class, others = finding.number("fall_class"), finding.number("fall_others")
    assert of_class.low > 0
    assert of_class.value > finding.chance("fall_class").high
    assert max(abs(others.low), abs(others.high)) < of_class.low


def _stain() -> None:
    finding = explain("faults", toy_predictor(), toy_cohort(0, BOTH, stain=1.0))
    for name in ("knows_site", "knows_site_in_features"):
        assert finding.number(name).value > finding.chance(name).high, name
    assert finding.number("knows_subtype").value < finding.chance("knows_subtype").high


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": _random_weights,
    "permuted-patients": _permuted_patients,
    "null-family": _null_family,
}
PLANTED: dict[str, Callable[[], None]] = {
    "subtype": _subtype,
    "reduced subtype": _reduced_subtype,
    "site in the stain": _stain,
}
NOT_APPLICABLE: dict[str, str] = {}

"""`latent` on networks that know no patient, and on patients with stains of their own."""

from collections.abc import Callable

from histoscribe.explain.run import explain
from tests.explain.alike import (
    alike_cohort,
    is_outside,
    predictor_of,
    random_mlp,
    with_network,
)


def _random_weights(seed: int) -> bool:
    predictor = with_network(predictor_of("mlp"), random_mlp(seed))
    return is_outside(explain("latent", predictor, alike_cohort(seed)), "same_patient")


def _null_family(seed: int) -> bool:
    finding = explain("latent", predictor_of("mlp", seed), alike_cohort(seed))
    return is_outside(finding, "same_patient")


def _stain() -> None:
    cohort = alike_cohort(0, stains=(-2.0, 0.0, 2.0))
    finding = explain("latent", with_network(predictor_of("mlp"), random_mlp(0)), cohort)
    assert finding.number("same_patient").value > finding.chance("same_patient").high + 0.2


def _stain_of_tiles() -> None:
    """Every spot of `alike` has a shade of its own, and a random network passes it on."""
    finding = explain("latent", with_network(predictor_of("mlp"), random_mlp(0)), alike_cohort(0))
    assert finding.number("stain_probe").value > finding.chance("stain_probe").high + 0.2


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": _random_weights,
    "null-family": _null_family,
}
PLANTED: dict[str, Callable[[], None]] = {
    "stain": _stain,
    "stain-of-tiles": _stain_of_tiles,
}
NOT_APPLICABLE: dict[str, str] = {
    "permuted-patients": "it reads no measured value; with the names of the patients exchanged it "
    "counts the same groups, and its own null exchanges patients between spots",
}

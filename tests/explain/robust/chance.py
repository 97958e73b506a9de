"""`robust` on models that know nothing, and on planted ones whose weakness is known.

An alarm is the number that a null is about, outside its range by chance. Changes along the gradient
take no part: they are larger than changes at random for every network, trained or not.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from histoscribe.explain.finding import Finding
from histoscribe.explain.run import explain
from tests.explain.concepts.painted import GENES, painted_cohort
from tests.explain.robust.toy import COLOUR, random_predictor, template, trained, training_cohort

QUICK = {"changes": ("tile-stain", "rotation"), "stains": 0.2, "angles": 180.0}


def ask(predictor, cohort, out=None, **settings) -> Finding:
    """Put the question for the painted genes."""
    return explain("robust", predictor, cohort, out=out, **{"genes": GENES, **settings})


def outside(finding: Finding, name: str) -> bool:
    """Whether a number of the answer lies outside its range by chance."""
    chance = finding.chance(name)
    return not chance.low <= finding.number(name).value <= chance.high


def random_weights(seed: int) -> bool:
    """Genes follow the tissue, and the network is untrained: it has no score.

    Every other run asks about one gene.
    """
    genes = GENES[seed // 2 % len(GENES)] if seed % 2 else GENES
    settings = {**QUICK, "genes": genes}
    return outside(ask(random_predictor(seed), painted_cohort(seed), **settings), "score")


def permuted_patients(seed: int) -> bool:
    """The network learned values that patients had swapped: it has nothing to lose."""
    predictor = trained(training_cohort(seed + 5000, permuted=True))
    return outside(ask(predictor, painted_cohort(seed), **QUICK), "drop_tile_stain")


def null_family(seed: int) -> bool:
    """Genes are smooth maps that no image shows: errors do not follow the distance to training."""
    predictor = trained(training_cohort(seed + 5000, visible=False))
    cohort = painted_cohort(seed, genes_follow_tissue=False)
    return outside(ask(predictor, cohort, **QUICK), "distance_error")


def colour() -> None:
    """A network that reads colour only falls with the stain, and neither with blur nor rotation."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "robust"
        changes = ("tile-stain", "blur", "rotation")
        settings = {"changes": changes, "stains": (0.1, 0.4), "blurs": 2.0, "angles": 90.0}
        finding = ask(template("ridge"), painted_cohort(0), out, genes=COLOUR, **settings)
        steps = pd.read_csv(out / finding.table).set_index(["change", "step"])
    assert outside(finding, "score")
    assert outside(finding, "drop_tile_stain")
    score = finding.number("score").value
    assert score > 0.4
    assert steps.loc[("tile-stain", 0.4), "kept"] < 0.5
    assert 0.0 < steps.loc[("tile-stain", 0.4), "half_lost_at"] <= 0.4
    for name in ("drop_blur", "drop_rotation"):
        assert abs(finding.number(name).value) < 0.02, name


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": random_weights,
    "permuted-patients": permuted_patients,
    "null-family": null_family,
}
PLANTED: dict[str, Callable[[], None]] = {"colour": colour}
NOT_APPLICABLE: dict[str, str] = {}

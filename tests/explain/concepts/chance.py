"""What the question `concepts` finds where there is nothing, and where a concept was planted."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

import histoscribe as hs
from histoscribe.explain.finding import Finding
from tests.explain.concepts.painted import (
    GENES,
    MEASURES,
    painted_cohort,
    random_predictor,
    trained_predictor,
)


def ask(predictor, cohort, out, **settings) -> Finding:
    """Put the question for the painted genes and measures."""
    given = {"measures": MEASURES, "genes": GENES, **settings}
    return hs.explain("concepts", predictor, cohort, out=out, **given)


def alarm(predictor, cohort) -> bool:
    """Whether a number lies outside its range by chance."""
    with TemporaryDirectory() as folder:
        finding = ask(predictor, cohort, Path(folder) / "concepts")
    chances = [(number, finding.chance(number.name)) for number in finding.statistic]
    return any(not chance.low <= number.value <= chance.high for number, chance in chances)


def random_weights(seed: int) -> bool:
    """Genes follow the tissue, and the network is untrained."""
    return alarm(random_predictor(seed), painted_cohort(seed))


def permuted_patients(seed: int) -> bool:
    """The network learned values that patients had swapped; others are asked about."""
    return alarm(
        trained_predictor(seed, painted_cohort(seed + 5000), permuted=True), painted_cohort(seed)
    )


def null_family(seed: int) -> bool:
    """Genes are smooth maps that no image shows, in training and after it."""
    training = painted_cohort(seed + 5000, genes_follow_tissue=False)
    return alarm(trained_predictor(seed, training), painted_cohort(seed, genes_follow_tissue=False))


def concept() -> None:
    """Each gene leans on the concept that it follows, with the right sign."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "concepts"
        finding = ask(trained_predictor(0, painted_cohort(5000)), painted_cohort(0), out)
        relevance = pd.read_csv(out / finding.table)
    for gene, measure, sign in (
        ("BLUE", "haematoxylin_density", 1),
        ("PINK", "eosin_density", 1),
        ("GRAIN", "texture_contrast", 1),
        ("PALE", "haematoxylin_density", -1),
    ):
        of_gene = relevance[relevance["gene"] == gene].set_index("concept")
        assert of_gene["relevance_normalised"].abs().idxmax() == measure, (gene, of_gene)
        assert of_gene.loc[measure, "relevance_normalised"] == sign
    value, chance = finding.number("agreement").value, finding.chance("agreement")
    assert value > chance.high


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": random_weights,
    "permuted-patients": permuted_patients,
    "null-family": null_family,
}
PLANTED: dict[str, Callable[[], None]] = {"concept": concept}
NOT_APPLICABLE: dict[str, str] = {}

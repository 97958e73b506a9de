"""`genes` on scores of genes that nothing predicts, and on a programme that is predicted better."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from histoscribe.explain.finding import Finding
from histoscribe.explain.run import explain
from histoscribe.predictor.gene_scores import GENE_SCORE_COLUMNS, Benchmarked, GeneScores
from histoscribe.seed import stream
from histoscribe.types import BenchmarkCard
from tests.explain.alike import N_GENES, alike_cohort, is_outside, predictor_of

SIZE = 10
"""Genes in a set."""
_COLUMN = "pcc_given_depth"


def _ask(seed: int, effect: float = 0.0) -> Finding:
    """Ask about scores that are drawn for each gene, those of the first set higher by `effect`."""
    predictor, cohort = predictor_of("mlp"), alike_cohort(seed)
    genes = predictor.target.genes
    draw = stream(seed, "chance-genes")
    sets = [draw.permutation(N_GENES)[:SIZE] for _ in range(4)]
    scores = {name: draw.normal(0, 0.1, N_GENES) for name in GENE_SCORE_COLUMNS}
    scores[_COLUMN][sets[0]] += effect
    card = BenchmarkCard(
        protocol="patient",
        patients=tuple(section.patient or "" for section in cohort),
        folds_sha256="ab",
        sections=cohort.ids,
        scores={},
    )
    benchmark = Benchmarked(GeneScores(scores), card)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sets.gmt"
        lines = [
            "\t".join([f"SET{at}", "", *(genes[gene] for gene in of)]) for at, of in enumerate(sets)
        ]
        path.write_text("\n".join(lines))
        asked = replace(predictor, benchmark=benchmark)
        return explain("genes", asked, cohort, gene_sets=str(path))


def _null_family(seed: int) -> bool:
    return is_outside(_ask(seed), "sets_enriched")


def _programme() -> None:
    finding = _ask(0, effect=0.3)
    assert finding.number("sets_enriched").value == 1
    assert finding.number("mean_SET0").value > finding.chance("mean_SET0").high


_SCORES = "it reads the scores of a benchmark and never runs the network: such scores are those of "
NULLS: dict[str, Callable[[int], bool]] = {"null-family": _null_family}
PLANTED: dict[str, Callable[[], None]] = {"programme": _programme}
NOT_APPLICABLE: dict[str, str] = {
    "random-weights": f"{_SCORES}genes that nothing predicts, as of the null family",
    "permuted-patients": f"{_SCORES}genes that nothing predicts, as of the null family",
}

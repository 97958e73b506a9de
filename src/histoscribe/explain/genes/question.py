"""The question `genes`: its settings, and where its answer is worked out."""

from pathlib import Path
from typing import TYPE_CHECKING

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


class GenesQuestionSettings(StrictSettings):
    """Gene sets and biomarkers that the question `genes` is about."""

    gene_sets: str = "catalog:hallmark"
    """A GMT file of gene sets by symbols or Ensembl ids, or `catalog:hallmark`."""
    orthologues: Path | None = None
    """For sets of another species: a CSV file with the header `set_gene,panel_gene`."""
    biomarkers: Names = (
        *("ERBB2", "ESR1", "PGR", "MKI67", "GNAS"),
        *("FASN", "SCD", "MYL12B", "CLDN4", "RHOB"),
    )
    """Ids or symbols of the genes to name in figure and table."""


def _plan(request: "ExplainRequest", settings: GenesQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.genes.answer import plan_genes

    return plan_genes(request, settings)


GENES = Question(
    name="genes",
    summary="Which genes and gene sets does a model predict well on held-out patients?",
    settings=GenesQuestionSettings,
    plan=_plan,
)

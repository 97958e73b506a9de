"""The question `subtypes`: its settings, and where its answer is worked out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from histoscribe.explain.question import Names, Question
from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str | Path) else value


Files = Annotated[tuple[Path, ...], BeforeValidator(_listed)]
"""Type of a setting that takes several files; one alone need not be in a list."""


class SubtypesQuestionSettings(StrictSettings):
    """Labels, panel, stated claims and protocol of the question `subtypes`."""

    labels: Path | None = None
    """Table of patients (CSV or TSV): a column `patient` and one for each label; `days` and `death`
    (1 or 0) are the survival. By default the labels of the catalog, or the facts of the cohort."""
    label: str | None = None
    """Column that names the subtypes; by default the first one."""
    further_labels: Names = ()
    """Columns whose classes are scored, too; of the catalog always all."""
    unit: Literal["counts", "tpm", "fpkm", "log"] = "counts"
    """Unit of the bulk table, checked against its numbers."""
    panel: str = "colotype-partial"
    """Genes to read: `colotype-partial` (with MUC2), a file with one gene a line; or gene sets, of
    which each gives one value: a GMT file, `catalog:hallmark`, or `templates`."""
    templates: Path | None = None
    """Table of template genes (columns `class` and `symbol` or `probe`) for nearest-template
    prediction; the catalog brings its own."""
    claims: str | None = None
    """File of stated claims (gene, class, sign, source), frozen by its sha256, or `crc-talk`; by
    default `crc-talk` for catalog:tcga-crc."""
    hold: Mapping[str, Literal["rising", "falling", "flat"]] = {}
    """Expert knowledge: the shape that the function of a gene keeps in a class, as CLASS:GENE."""
    predicted: Files = ()
    """Expression that images predict, one file or one a fold: `bulk.h5ad` of `predict --per
    patient` or of a benchmark, or a table of genes x patients."""
    folds: int = Field(default=5, ge=2)
    """Parts of the patients; each is held out once."""
    repeats: int = Field(default=3, ge=1)
    """How often the patients are divided anew."""
    permutations: int = Field(default=5, ge=2)
    """How often labels are permuted over patients for the level of chance."""
    bootstraps: int = Field(default=30, ge=2)
    """Samples of patients, drawn with replacement, for the spread of shapes and importances."""


def _plan(request: "ExplainRequest", settings: SubtypesQuestionSettings) -> "AnswerPlan":
    from histoscribe.explain.subtypes.plan import plan_subtypes

    return plan_subtypes(request, settings)


SUBTYPES = Question(
    name="subtypes",
    summary="Which molecular subtype does expression tell, by which genes, and can images tell it?",
    settings=SubtypesQuestionSettings,
    plan=_plan,
    predictors="any number",
    needs_cohort=False,
    bulk="optional",
)

"""Tables of the question `subtypes`."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from histoscribe.explain.subtypes.class_answer import METHODS, ClassAnswer
from histoscribe.explain.subtypes.gene_visibility import GeneVisibility
from histoscribe.explain.subtypes.held_out import chance_range
from histoscribe.explain.subtypes.panel import SubtypePanel
from histoscribe.explain.subtypes.results import SubtypeResults
from histoscribe.explain.subtypes.survival import Survival
from histoscribe.explain.subtypes.templates import TemplateCalls


def score_table(results: SubtypeResults) -> pd.DataFrame:
    """One row for each class and classifier."""
    return pd.DataFrame([row for answer in results.answers for row in _score_rows(answer)])


def importance_table(results: SubtypeResults, genes: tuple[str, ...]) -> pd.DataFrame:
    """One row for each class and gene, the most important ones first."""
    parts = []
    for answer in results.answers:
        shapes = answer.shapes
        low, high = shapes.range_of_importance()
        part = pd.DataFrame(
            {
                "class": answer.name,
                "gene": genes,
                "importance": shapes.median_importance,
                "low": low,
                "high": high,
                "chance_95": shapes.chance_level,
                "rising": (shapes.direction == 1).mean(axis=0),
                "falling": (shapes.direction == -1).mean(axis=0),
                "held": [answer.hold.get(at, "") for at in range(len(genes))],
            }
        )
        parts.append(part.sort_values(["importance", "gene"], ascending=[False, True]))
    return pd.concat(parts)


def shape_table(results: SubtypeResults, genes: tuple[str, ...]) -> pd.DataFrame:
    """One row for each class, gene and value: what it adds, with the spread over bootstraps."""
    parts = []
    for answer in results.answers:
        shapes = answer.shapes
        low, median, high = np.percentile(shapes.drawn, [2.5, 50, 97.5], axis=0)
        for at, gene in enumerate(genes):
            part = {
                "class": answer.name,
                "gene": gene,
                "value": shapes.at[:, at],
                "added_log_odds": shapes.added[:, at],
                "median": median[:, at],
                "low": low[:, at],
                "high": high[:, at],
            }
            if shapes.constrained is not None:
                part["held"] = shapes.constrained[:, at]
            parts.append(pd.DataFrame(part))
    return pd.concat(parts)


def claim_table(results: SubtypeResults) -> pd.DataFrame:
    """One row for each stated claim."""
    return pd.DataFrame(
        [
            {
                "gene": of.claim.gene,
                "class": of.claim.subtype,
                "sign": of.claim.sign,
                "source": of.claim.source,
                "verdict": of.verdict,
                "share_of_bootstraps": of.share,
                "share_by_chance": " ".join(f"{share:.2f}" for share in of.chance_shares),
                "alone_auroc": of.alone,
                "alone_low": of.alone_low,
                "alone_high": of.alone_high,
                "alone_p": of.p,
            }
            for of in results.claims
        ]
    )


def panel_table(panel: SubtypePanel) -> pd.DataFrame:
    """Coverage table: one row a panel gene or gene set, with its name in the bulk table."""
    rows = [{"name": of.name, "in_table": of.present or "missing"} for of in panel.coverage]
    return pd.DataFrame(rows)


def survival_table(survival: Survival) -> pd.DataFrame:
    """One row for each class and step of its curve."""
    return pd.concat(
        pd.DataFrame(
            {
                "class": curve.subtype,
                "days": curve.days,
                "alive": curve.alive,
                "censored": curve.censored,
                "patients": curve.n_patients,
                "deaths": curve.n_deaths,
            }
        )
        for curve in survival.curves
    )


def visibility_table(of: GeneVisibility) -> pd.DataFrame:
    """One row for each gene of the panel: how well images predict it, and its importance."""
    columns: dict[str, object] = {"gene": of.genes, "correlation": of.correlation}
    columns |= {f"importance_{name}": of.importance[at] for at, name in enumerate(of.classes)}
    return pd.DataFrame({**columns, "chance_correlation": of.chance})


def visible_gene_table(
    genes: tuple[str, ...],
    correlation: Float[np.ndarray, " A"],
    alone: Mapping[str, Float[np.ndarray, " A"]],
    panels: tuple[SubtypeResults, Int[np.ndarray, " A"]],
) -> pd.DataFrame:
    """One row for every predicted gene, the most visible first: which others images could tell.

    `alone` has the AUROC of each gene by class; `panels` the results and the columns of the genes.
    """
    results, columns = panels
    content: dict[str, object] = {"gene": genes, "correlation": correlation}
    for answer in results.answers:
        content[f"auroc_alone_{answer.name}"] = alone[answer.name]
        if answer.scores.share_of_panels is not None:
            content[f"share_of_panels_{answer.name}"] = answer.scores.share_of_panels[columns]
    return pd.DataFrame(content).sort_values(["correlation", "gene"], ascending=[False, True])


def call_table(
    patients: tuple[str, ...], subtypes: tuple[str, ...], calls: TemplateCalls
) -> pd.DataFrame:
    """One row for each patient: its label, and its nearest template."""
    return pd.DataFrame(
        {
            "patient": patients,
            "label": subtypes,
            "nearest_template": calls.subtype,
            "similarity": calls.similarity,
            "p": calls.p,
            "q": calls.q,
        }
    )


def _score_rows(answer: ClassAnswer) -> Iterator[Mapping[str, object]]:
    for method, auroc in answer.aurocs():
        low, high = answer.interval(auroc)
        row: dict[str, object] = {
            "label": answer.label,
            "class": answer.name,
            "patients": answer.n_positive,
            "rest": answer.n_rest,
            "classifier": METHODS[method],
            "auroc": auroc,
            "low": low,
            "high": high,
        }
        if method in answer.scores.auroc:
            draws = answer.chance_draws(method)
            row["chance"] = draws.mean()
            row["chance_low"], row["chance_high"] = chance_range(draws)
            row["permuted"] = " ".join(f"{draw:.3f}" for draw in draws)
        yield row

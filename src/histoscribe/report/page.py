"""A run as one self-contained page."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from markupsafe import Markup

from histoscribe.benchmark.card import card_text
from histoscribe.benchmark.tables import chance_counts
from histoscribe.io.atomic import write_text
from histoscribe.metrics.chance import CHANCE_Q, least_q
from histoscribe.report.alerts import alerts, worst
from histoscribe.report.alignment import grids
from histoscribe.report.best_genes import best_genes
from histoscribe.report.blocks import CardBlock, blocks
from histoscribe.report.charts import charts, page_choice, unit_of
from histoscribe.report.figures import OVERLAY_BYTES, OVERLAY_WIDTHS_PX, embedded
from histoscribe.report.findings import FindingBlock, finding_blocks
from histoscribe.report.foreign import foreign_in_words
from histoscribe.report.gene_table import gene_table
from histoscribe.report.glossary import row_in_words, unit_in_words
from histoscribe.report.head import key_numbers, question
from histoscribe.report.page_budget import Choice
from histoscribe.report.part_bars import PART_NAMES, part_chart
from histoscribe.report.pathways import pathway_tables
from histoscribe.report.patients import FEWEST_FOR_INTERVALS, patient_tables
from histoscribe.report.run import Run, read_run
from histoscribe.report.run_files import run_files
from histoscribe.report.script import (
    chart_script,
    content_policy,
    json_for_script,
    own_script,
)
from histoscribe.report.summary import (
    HEADLINE,
    REFERENCE_ROWS,
    all_metrics,
    models_of,
    n_patients,
    summary_rows,
)
from histoscribe.report.template import environment, style
from histoscribe.report.training_curves import training_curves
from histoscribe.report.verdict import headline, verdict

_CONTENTS = (
    ("result", "Result"),
    ("models", "Models"),
    ("maps", "Maps"),
    ("explore", "Which genes"),
    ("genes", "Genes in a table"),
    ("checks", "Checks"),
    ("fit", "Do image and spots fit?"),
    ("targets", "The values to predict"),
    ("pathways", "Pathways"),
    ("findings", "Findings"),
    ("training", "Training"),
    ("card", "Protocol"),
    ("files", "Files"),
)


def write(run: Path, findings: Sequence[Path] = ()) -> Path:
    """Write `report.html` into a run folder and return its path.

    Folders of findings become a section each; `explain` wrote them, about predictors of this run.

    The page depends only on the files of the run, so the same run gives the same bytes. Names from
    data are escaped; nothing is loaded from elsewhere, and the policy of the page forbids a browser
    to load or run anything else.

    Raises
    ------
    DataContractError
        if the folder is not that of a finished benchmark; every missing file is listed. Also for a
        finding of another predictor.
    """
    path = run / "report.html"
    contents = read_run(run)
    write_text(path, _html(run, contents, finding_blocks(findings, path, (run, contents))))
    return path


def write_findings(findings: Sequence[Path], page: Path) -> Path:
    """Write a page of findings alone, without a run, and return its path.

    Raises DataContractError that lists every folder without a readable finding.
    """
    html = (
        environment()
        .get_template("findings_page.html.j2")
        .render(findings=finding_blocks(findings, page, None), css=style(), policy=content_policy())
    )
    write_text(page, html)
    return page


def _html(folder: Path, run: Run, findings: tuple[FindingBlock, ...]) -> str:
    choice = page_choice(run)
    training = training_curves(folder, tuple(run.card.models))
    parts = {
        **_head(run),
        **_tables(run),
        **_maps(run, choice),
        **_fit(run),
        "training": training,
        "findings": findings,
        "files": run_files(folder),
        "card": _card(run),
    }
    optional = {name: bool(parts[name]) for name in ("pathways", "findings", "training")}
    contents = [entry for entry in _CONTENTS if optional.get(entry[0], True)]
    template = environment().get_template("page.html.j2")
    return template.render(run=run, contents=contents, **parts, **_scripts(run, choice))


def _card(run: Run) -> list[CardBlock]:
    """Protocol in words, without the checks and the parts of scores, which have their places."""
    names = [name for name in models_of(run) if name not in REFERENCE_ROWS]
    brief = replace(run.card, checks=(), parts={})
    return blocks(card_text(brief, chance_counts(run.genes, names)))


def _head(run: Run) -> dict[str, object]:
    found = alerts(run.checks)
    return {
        "origin": run.origin,
        "headline_words": headline(run),
        "question": question(run),
        "key_numbers": key_numbers(run),
        "verdict": verdict(run),
        "alerts": found,
        "worst_alerts": worst(found),
        "best_genes": best_genes(run),
        "n_patients": n_patients(run),
        "fewest": FEWEST_FOR_INTERVALS,
        "chance_q": f"{CHANCE_Q:g}",
        "least_q": f"{least_q(run.card.shuffled_runs):.2g}",
    }


def _tables(run: Run) -> dict[str, object]:
    metrics, metric_rows = all_metrics(run)
    models, beside = summary_rows(run)
    return {
        "headline": HEADLINE,
        "models": models,
        "beside": beside,
        "meaning": REFERENCE_ROWS,
        "words": {
            name: foreign_in_words(run, name) or row_in_words(name, run.card.models)
            for name in models_of(run)
        },
        "part_chart": part_chart(run),
        "part_names": PART_NAMES,
        "patients": patient_tables(run),
        "genes": gene_table(run),
        "pathways": pathway_tables(run),
        "metrics": metrics,
        "metric_rows": metric_rows,
    }


def _maps(run: Run, choice: Choice) -> dict[str, object]:
    unit = unit_of(run)
    pictures = embedded([item.path for item in run.pathway_maps])
    return {
        "shown": _shown(choice),
        "charted": _charted(choice),
        "unit": unit,
        "unit_words": unit_in_words(unit),
        "levels": choice.levels,
        "pathway_maps": list(zip(run.pathway_maps, pictures, strict=False)),
    }


def _fit(run: Run) -> dict[str, object]:
    alignment, n_grids_left = grids(run)
    pictures = embedded([item.path for item in run.overlays], OVERLAY_BYTES, OVERLAY_WIDTHS_PX)
    return {
        "grids": alignment,
        "n_grids_left": n_grids_left,
        "overlays": list(zip(run.overlays, pictures, strict=False)),
        "n_overlays_left": len(run.overlays) - len(pictures),
    }


def _scripts(run: Run, choice: Choice) -> dict[str, object]:
    library, script = chart_script(), own_script()
    return {
        "css": style(),
        "policy": content_policy(library, script),
        "chart_library": Markup(library),
        "script": Markup(script),
        "data": Markup(json_for_script(charts(run, choice))),
    }


def _charted(choice: Choice) -> str:
    """Sentence about genes that the charts leave out; empty if there are none."""
    if len(choice.charted) == choice.n_genes:
        return ""
    return (
        f"To keep this page small, the charts and the list have {len(choice.charted)} of "
        f"{choice.n_genes} genes, chosen over all ranks from the best to the worst "
        "pcc_given_depth. All are in genes.csv."
    )


def _shown(choice: Choice) -> str:
    """Sentence about the maps on the page, and about those left out."""
    if not choice.views:
        return ""
    names = ", ".join(choice.others)
    genes = f"Maps of {_how_many(choice.genes, choice.n_genes)}"
    if not choice.others or len(choice.shared) == len(choice.genes):
        genes += " by all models" if choice.others else f" by {choice.best}"
    elif choice.shared:
        genes += f" by {choice.best}, {_how_many(choice.shared, choice.n_genes)} by {names} too"
    else:
        genes += f" by {choice.best} only: the other models do not fit on this page"
    views = (
        f"all {choice.n_views} tested sections"
        if len(choice.views) == choice.n_views
        else f"{len(choice.views)} of {choice.n_views} tested sections, evenly spaced by name"
    )
    return f"{genes}, in {views}."


def _how_many(genes: Sequence[str], n_genes: int) -> str:
    if len(genes) == n_genes:
        return f"all {n_genes} genes"
    return f"{len(genes)} of {n_genes} genes (over all ranks, best to worst)"

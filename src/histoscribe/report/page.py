"""A run as one plain page that needs nothing beside itself."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from histoscribe.io.atomic import write_text
from histoscribe.report.blocks import blocks
from histoscribe.report.figures import embedded
from histoscribe.report.genes import gene_tables
from histoscribe.report.patients import FEWEST_FOR_INTERVALS, patient_tables
from histoscribe.report.run import Run, read_run
from histoscribe.report.summary import (
    BESIDE,
    HEADLINE,
    all_metrics,
    n_patients,
    summary_rows,
)


def write(run: Path) -> Path:
    """Write `report.html` into a run folder and give its path.

    The page depends on the files of the run only, so the same run gives the same bytes. Names
    that come from data are escaped; nothing is loaded from anywhere.

    Raises
    ------
    DataContractError
        The folder is not that of a finished benchmark; every missing file is listed.
    """
    path = run / "report.html"
    write_text(path, _html(read_run(run)))
    return path


def _html(run: Run) -> str:
    models, beside = summary_rows(run)
    pictures = embedded((*(item.path for item in run.maps), *run.overlays))
    metrics, metric_rows = all_metrics(run)
    page = Environment(
        loader=PackageLoader("histoscribe", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html.j2")
    return page.render(
        run=run,
        card=blocks(run.card_text),
        headline=HEADLINE,
        models=models,
        beside=beside,
        meaning=BESIDE,
        n_patients=n_patients(run),
        fewest=FEWEST_FOR_INTERVALS,
        patients=patient_tables(run),
        genes=gene_tables(run),
        metrics=metrics,
        metric_rows=metric_rows,
        maps=list(zip(run.maps, pictures, strict=False)),
        overlays=pictures[len(run.maps) :],
        n_left_out=len(run.maps) + len(run.overlays) - len(pictures),
    )

"""`histoscribe explain QUESTION PREDICTOR COHORT --out DIR`."""

from pathlib import Path
from typing import Annotated

import typer

from histoscribe.cli.console import OutFolder, Weights, named_files, say, weight_files

Question = Annotated[
    str,
    typer.Argument(
        help="exemplars: what was a model shown beside a spot, and does it lean on it? "
        "latent: does a network see spots by what they are, or by whose?"
    ),
]
Folder = Annotated[Path, typer.Argument(help="Folder that `train` or `benchmark` wrote.")]
CohortName = Annotated[
    str, typer.Argument(metavar="COHORT", help="Manifest, catalog:NAME, hest:FOLDER, stnet:FOLDER.")
]
Sections = Annotated[
    list[str] | None,
    typer.Option("--section", metavar="ID", help="This section; of `latent`, repeatable."),
]
Gene = Annotated[str | None, typer.Option(metavar="NAME", help="Of `exemplars`: id or symbol.")]
SpotIds = Annotated[
    list[str] | None,
    typer.Option("--spot", metavar="ID", help="Of `exemplars`: draw this spot (repeatable)."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SECTION=FILE",
        help="Of `latent`: table with spot (or x, y of the array) and label (repeatable).",
    ),
]


def run(  # noqa: PLR0913 - one parameter an option
    question: Question,
    predictor: Folder,
    cohort: CohortName,
    out_folder: OutFolder,
    *,
    section: Sections = None,
    gene: Gene = None,
    spot: SpotIds = None,
    labels: Labels = None,
    weights: Weights = None,
) -> None:
    """Ask a predictor how it came to its predictions; each answer is held against chance.

    Writes DIR/finding.json with its figure and table.
    """
    from histoscribe.explain.questions import explain
    from histoscribe.explain.request import ExplainRequest
    from histoscribe.io.cohorts.cohort import read_cohort
    from histoscribe.io.weights import cache_folder
    from histoscribe.predictor.saving import load_predictor

    asked = ExplainRequest(
        predictor=load_predictor(predictor, weight_files(weights)),
        cohort=read_cohort(cohort),
        cache=cache_folder(),
        sections=tuple(section or ()),
        gene=gene,
        spots=tuple(spot or ()),
        labels=named_files("--labels", labels),
    )
    finding = explain(question, asked, out_folder)
    for title, numbers in (("found", finding.statistic), ("beside", finding.null)):
        for number in numbers:
            say(f"{title}: {number}")
    for words in finding.caveat:
        say(f"beware: {words}")
    for name in (finding.figure, finding.table, "finding.json"):
        say(str(out_folder / name))

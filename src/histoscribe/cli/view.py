"""`histoscribe view PREDICTION...`."""

import webbrowser
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from histoscribe.cli.console import say

if TYPE_CHECKING:
    from histoscribe.viewer.views import ViewRequest

Predictions = Annotated[
    list[Path],
    typer.Argument(
        metavar="PREDICTION...",
        help="Files of `predict` (.h5ad, or .zarr of SpatialData), or a run of `benchmark`.",
    ),
]
Sections = Annotated[
    list[str] | None,
    typer.Option("--section", metavar="ID", help="Section to view (repeatable; default: all)."),
]
SlideFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--slide",
        metavar="[SECTION=]FILE",
        help="The slide that was predicted (repeatable, with the section in front).",
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="Model of a run (default: the best one)."),
]
Findings = Annotated[
    list[Path] | None,
    typer.Option(
        "--findings", metavar="DIR", help="Folder that `explain` wrote, to show it (repeatable)."
    ),
]
TissUUmaps = Annotated[
    Path | None,
    typer.Option(
        "--tissuumaps",
        metavar="FILE.tmap",
        help="Write a project for TissUUmaps in place of the page: one prediction and its slide.",
    ),
]
Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, metavar="N", help="Port; 0 for any free one.")
]
NoOpen = Annotated[bool, typer.Option("--no-open", help="Do not open the browser.")]


def run(  # noqa: PLR0913 - one parameter an option
    predictions: Predictions,
    *,
    section: Sections = None,
    slide: SlideFiles = None,
    model: Model = None,
    findings: Findings = None,
    tissuumaps: TissUUmaps = None,
    port: Port = 0,
    no_open: NoOpen = False,
) -> None:
    """View predictions over their slides in a browser on this machine; Ctrl-C ends it.

    The page is served from 127.0.0.1 only, under a secret address; nothing leaves the machine.
    """
    from histoscribe.viewer.views import ViewRequest

    request = ViewRequest(
        predictions=tuple(predictions),
        slides=_slide_files(slide or ()),
        sections=tuple(section or ()),
        model=model,
        findings=tuple(findings or ()),
    )
    if tissuumaps is None:
        _serve(request, port, browser=not no_open)
    else:
        from histoscribe.viewer.tissuumaps_project import write_project

        write_project(request, tissuumaps)
        say(str(tissuumaps))


def _serve(request: "ViewRequest", port: int, *, browser: bool) -> None:
    """Serve the page until Ctrl-C."""
    from histoscribe.io.weights import cache_folder
    from histoscribe.viewer.answers import Answers
    from histoscribe.viewer.server import ViewServer
    from histoscribe.viewer.views import open_views

    views = open_views(request)
    with ViewServer(Answers(views, cache_folder()), port) as server:
        say(server.url)
        for view in views:
            n_places, n_genes = view.head.shape
            say(f"{view.name}: {n_places:,} places, {n_genes:,} genes")
            for warning in view.head.warnings:
                say(f"{view.name}: warning: {warning}")
        say("Ctrl-C ends it")
        if browser:
            # a browser in the terminal runs until it is left: the page is served meanwhile
            Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended")


def _slide_files(given: Iterable[str]) -> dict[str, Path]:
    """Slides by section; a file that exists is no section with a name in front."""
    split = [("", text) if Path(text).exists() else text.rpartition("=")[::2] for text in given]
    times = Counter(section for section, _ in split)
    if twice := [section for section, n in times.items() if n > 1]:
        of = f"section {twice[0]}" if twice[0] else "one section"
        raise typer.BadParameter(f"two slides for {of}", param_hint="--slide")
    return {section: Path(file) for section, file in split}

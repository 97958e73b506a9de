"""The viewer from Python: a page that is served while the work goes on."""

import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread

from histoscribe.io.weights import cache_folder
from histoscribe.viewer.answers import Answers
from histoscribe.viewer.server import ViewServer
from histoscribe.viewer.views import ONLY, ViewRequest, open_views


def view(  # noqa: PLR0913 - one parameter an option
    predictions: str | Path | Sequence[str | Path],
    *,
    slide: str | Path | Mapping[str, str | Path] | None = None,
    section: str | Sequence[str] = (),
    model: str | None = None,
    findings: Sequence[str | Path] = (),
    port: int = 0,
    open_browser: bool = True,
) -> ViewServer:
    """View predictions over their slides in a browser on this machine.

    Parameters
    ----------
    predictions
        Files of `predict` (`.h5ad`, or `.zarr` of SpatialData), folders of them, and run folders
        of `benchmark`.
    slide
        The slide that was predicted; of several sections, slides by the name of the section.
    section
        Sections to view; all by default.
    model
        Model of the runs; by default the best one.
    findings
        Folders that `explain` wrote.
    port
        0 for any free one.
    open_browser
        Whether to open the page; its address is `url` of what is returned.

    Returns
    -------
    The server of the page, which runs beside this Python until its `close`, or with it ends.

    Raises
    ------
    DataContractError
        listing every file that cannot be viewed, and sections and slides that belong to none; for
        a port in use.

    Examples
    --------
    >>> import histoscribe as hs
    >>> page = hs.view("biopsy.h5ad", slide="biopsy.svs")  # doctest: +SKIP
    >>> page.close()  # doctest: +SKIP
    """
    listed = [predictions] if isinstance(predictions, str | Path) else predictions
    slides = {} if slide is None else slide
    named = slides if isinstance(slides, Mapping) else {ONLY: slides}
    request = ViewRequest(
        predictions=tuple(Path(path) for path in listed),
        slides={name: Path(path) for name, path in named.items()},
        sections=(section,) if isinstance(section, str) else tuple(section),
        model=model,
        findings=tuple(Path(path) for path in findings),
    )
    server = ViewServer(Answers(open_views(request), cache_folder()), port)
    Thread(target=server.serve_forever, daemon=True).start()
    if open_browser:
        webbrowser.open(server.url)
    return server

"""`histoscribe data [NAME]`."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from histoscribe.cli.console import say, show_problems

if TYPE_CHECKING:
    from histoscribe.io.cohorts.catalog_records import DataSet
    from histoscribe.io.cohorts.download import LocalFile

_WORDS = {
    "published": "as published",
    "as first downloaded": "as first downloaded; no published checksum is known",
    "not verified": "not verified: no checksum is known",
    "differs": "DIFFERS",
    "missing": "not here",
}


def run(
    name: Annotated[str | None, typer.Argument(help="Data set (default: list all).")] = None,
    *,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download the missing files.")] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="DIR",
            help="Download folder (default: $HISTOSCRIBE_DATA, else the cache folder).",
        ),
    ] = None,
) -> None:
    """List public data sets; with NAME its sections and files, verified; --fetch downloads them."""
    if to is not None and not fetch:
        raise typer.BadParameter("--to is the folder for --fetch: give both")
    if name is None:
        if fetch:
            raise typer.BadParameter("name the data set to fetch")
        _list()
        return
    from histoscribe.io.cohorts.catalog import data_set

    dataset = data_set(name)
    if fetch:
        _fetch(dataset, to)
    else:
        _show(dataset)


def _list() -> None:
    """Print description, licence, size and local folder of each data set."""
    from histoscribe.io.cohorts.catalog import CATALOG

    for dataset in CATALOG.values():
        say(f"{dataset.name}: {dataset.title}")
        size = _known_size(dataset)
        say(f"  licence: {dataset.licence}; paper: https://doi.org/{dataset.paper}{size}")
        say(f"  here: {_place(dataset)}")
    say("")
    say("histoscribe data NAME: sections, files and checksums; with --fetch: download")


def _known_size(dataset: "DataSet") -> str:
    files = {file.place: file for section in dataset.sections for file in section.files}
    known = [sum_ for file in files.values() if (sum_ := dataset.expected(file))]
    if not known:
        return ""
    part = "" if len(known) == len(files) else f" in {len(known)} of {len(files)} files"
    return f"; {_size(sum(checksum.size for checksum in known))}{part}"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.1f} kB"


def _place(dataset: "DataSet") -> str:
    """Local folder of a data set and the number of its files there; files are not read."""
    from histoscribe.io.cohorts.catalog_records import data_folders, find_file

    roots = data_folders(dataset)
    files = [file for section in dataset.sections for file in section.files]
    here = sum(find_file(roots, file) is not None for file in files)
    folder = next((str(root) for root in roots if root.is_dir()), "")
    if not folder or (files and not here):
        return "not here"
    return folder if here == len(files) else f"{folder} ({here} of {len(files)} files)"


def _show(dataset: "DataSet") -> None:
    """Print all facts of a data set, and verify its local files."""
    from histoscribe.io.cohorts.download import local_files

    for what, text in (
        (dataset.name, dataset.title),
        ("source", dataset.source),
        ("paper", f"https://doi.org/{dataset.paper}"),
        ("licence", dataset.licence),
        ("read as", f"catalog:{dataset.name}"),
    ):
        say(f"{what}: {text}")
    for remark in dataset.remarks:
        say(f"  {remark}")
    if not dataset.sections:
        say(f"here: {_place(dataset)}")
        return
    files = list(local_files(dataset))
    for section in dataset.sections:
        say("")
        say(f"{section.section}" + (f" (patient {section.patient})" if section.patient else ""))
        for note in section.notes:
            say(f"  {note}")
        for file in files:
            if file.section == section.section:
                say(f"  {_line(dataset, file)}")
    _sum_up(dataset, files)


def _line(dataset: "DataSet", file: "LocalFile") -> str:
    known = dataset.expected(file.file)
    size = f", {_size(known.size)}" if known else ""
    sha256 = f", sha256 {known.sha256[:12]}" if known else ""
    found = f" (sha256 {file.sha256})" if file.state == "differs" else ""
    where = file.path or file.file.place
    return f"{_WORDS[file.state]}: {where}{size}{sha256}{found}"


def _sum_up(dataset: "DataSet", files: "list[LocalFile]") -> None:
    """Count the files by state; a file that differs is a problem."""
    from histoscribe.errors import Problem

    counted = Counter(file.state for file in files)
    say("")
    say("files: " + ", ".join(f"{n} {state}" for state, n in counted.items()))
    if any(file.state == "missing" and file.file.url for file in files):
        say(f"download the files that have an address: histoscribe data {dataset.name} --fetch")
    differing = [file for file in files if file.state == "differs"]
    if differing:
        show_problems(
            [
                Problem(
                    where=str(file.path),
                    found=f"sha256 {file.sha256}",
                    expected="the published file, or the file as first downloaded",
                    remedy=f"move it away and run `histoscribe data {dataset.name} --fetch`",
                )
                for file in differing
            ]
        )
        sys.exit(2)


def _fetch(dataset: "DataSet", to: Path | None) -> None:
    from histoscribe.io.cohorts.download import default_folder, fetch

    folder = to or default_folder()
    say(f"{dataset.name}: licence {dataset.licence}; {dataset.source}")
    n_fetched = fetch(dataset, folder)
    say(f"{n_fetched} files downloaded to {folder / dataset.folder}")
    if to is not None:
        say(f"set HISTOSCRIBE_DATA={to} to use them as catalog:{dataset.name}")

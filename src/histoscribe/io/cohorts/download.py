"""Download the published files of a data set, and verify local files against them."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pooch
import requests

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import remove_leftovers, replacing, write_json
from histoscribe.io.cohorts.catalog_records import DataSet, PublicFile, data_folders, find_file
from histoscribe.io.weights import cache_folder
from histoscribe.progress import track

LOCK = "downloads.json"
"""In the data set's folder: address, sha256 and bytes of each file as it was first downloaded."""
_TIMEOUT_S = 60
State = Literal["published", "as first downloaded", "not verified", "differs", "missing"]


@dataclass(frozen=True)
class LocalFile:
    """One file of a data set on this machine."""

    section: str
    file: PublicFile
    path: Path | None
    state: State
    """`published`: its sha256 matches the recorded one; `not verified`: none is recorded."""
    sha256: str | None
    """Of the local file; None where it is missing."""


def local_files(dataset: DataSet) -> Iterator[LocalFile]:
    """Find and hash every file of a data set."""
    roots = data_folders(dataset)
    files = [(section.section, file) for section in dataset.sections for file in section.files]
    for section, file in track(files, "files checked"):
        yield _local(dataset, roots, section, file)


def default_folder() -> Path:
    """`$HISTOSCRIBE_DATA`, else the folder `data` of the cache."""
    given = os.environ.get("HISTOSCRIBE_DATA")
    return Path(given) if given else cache_folder() / "data"


def fetch(dataset: DataSet, to: Path) -> int:
    """Download missing files into `to/<folder of the data set>`; gives the number of files.

    A file is kept only if it is complete and correct: by its published sha256 if recorded, else by
    the sha256 of its first download, which is trusted. If a download stops, finished files stay and
    the next call continues with the others.

    Raises
    ------
    DataContractError
        listing every file that could not be downloaded, is not correct, or must be fetched by hand.
        All others have been downloaded, unless the connection was lost: then no more are tried.
    """
    root = to / dataset.folder
    files = {file.place: file for section in dataset.sections for file in section.files}
    if not files:
        how = "; ".join(dataset.remarks)
        raise DataContractError(
            Problem(f"data set {dataset.name}", "no file has an address", "public addresses", how)
        )
    if root.is_dir():
        remove_leftovers(root)
    missing = [file for file in files.values() if find_file((root,), file) is None]
    problems = [_by_hand(dataset, root, file) for file in missing if file.url is None]
    published = [file for file in missing if file.url is not None]
    n_fetched = 0
    for n_tried, file in enumerate(track(published, f"files of {dataset.name}"), start=1):
        try:
            _fetch_file(dataset, root, file)
        except DataContractError as error:
            problems += error.problems
        except requests.ConnectionError as error:  # every other file would wait in vain
            problems.append(_unreachable(file, error, len(published) - n_tried))
            break
        else:
            n_fetched += 1
    if problems:
        raise DataContractError(problems)
    return n_fetched


def _local(dataset: DataSet, roots: tuple[Path, ...], section: str, file: PublicFile) -> LocalFile:
    path = find_file(roots, file)
    if path is None:
        return LocalFile(section, file, None, "missing", None)
    found, known = _sha256(path), dataset.expected(file)
    root = next(root for root in roots if path.is_relative_to(root))
    locked = _locked(root).get(file.place)
    state: State = "not verified"
    if known is not None:
        state = "published" if found == known.sha256 else "differs"
    elif locked is not None:
        state = "as first downloaded" if found == locked else "differs"
    return LocalFile(section, file, path, state, found)


def _fetch_file(dataset: DataSet, root: Path, file: PublicFile) -> None:
    known = dataset.expected(file)
    expected = known.sha256 if known else _locked(root).get(file.place)
    with replacing(root / file.place) as temporary:
        _download(file, temporary)
        found = _sha256(temporary)
        if expected is not None and found != expected:
            raise DataContractError(_differs(file, found, expected, published=known is not None))
    if known is None:
        _write_lock(root, file, found)


def _download(file: PublicFile, temporary: Path) -> None:
    """Download the whole file to a temporary path; the caller reports a lost connection."""
    downloader = pooch.HTTPDownloader(timeout=_TIMEOUT_S)
    try:
        downloader(str(file.url), str(temporary), None)
    except requests.ConnectionError:
        raise
    except requests.RequestException as error:
        raise DataContractError(
            Problem(
                where=str(file.url),
                found=f"could not be downloaded ({type(error).__name__}: {error})",
                expected="the whole file",
                remedy="run the same command again later: finished files are kept"
                + (f"; or fetch it from {file.public}" if file.public else ""),
            )
        ) from error


def _unreachable(file: PublicFile, error: requests.ConnectionError, n_left: int) -> Problem:
    return Problem(
        where=str(file.url),
        found=f"no connection ({error})"
        + (f"; {n_left} more files were not tried" if n_left else ""),
        expected="a connection to the network, perhaps through a proxy (HTTPS_PROXY)",
        remedy="run the same command again with a connection: finished files are kept; or fetch "
        "the files on another machine and set HISTOSCRIBE_DATA to their folder",
    )


def _by_hand(dataset: DataSet, root: Path, file: PublicFile) -> Problem:
    return Problem(
        where=f"data set {dataset.name}",
        found=f"no address is recorded for {file.place}",
        expected=f"the file at {root / file.place}",
        remedy=f"fetch it by hand from {file.public}"
        if file.public
        else "it was made from the published data and is not part of it; leave out its section",
    )


def _differs(file: PublicFile, found: str, expected: str, *, published: bool) -> Problem:
    what = "the published file" if published else "the file as first downloaded"
    return Problem(
        where=str(file.url),
        found=f"sha256 {found}",
        expected=f"sha256 {expected}, of {what}",
        remedy="nothing was kept. Try again; if it happens again, the published file has changed"
        + (f": look at {file.public}" if file.public else ""),
    )


def _locked(root: Path) -> dict[str, str]:
    """Sha256 of each file as first downloaded, by path."""
    path = root / LOCK
    if not path.is_file():
        return {}
    try:
        return {place: entry["sha256"] for place, entry in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataContractError(
            Problem(
                str(path),
                f"broken ({error})",
                "what was downloaded",
                "remove it: the next download is trusted again",
            )
        ) from error


def _write_lock(root: Path, file: PublicFile, sha256: str) -> None:
    path = root / LOCK
    entries = json.loads(path.read_text()) if path.is_file() else {}
    size = (root / file.place).stat().st_size
    entries[file.place] = {"url": file.url, "sha256": sha256, "bytes": size}
    write_json(path, entries)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

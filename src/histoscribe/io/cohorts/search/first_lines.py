"""First lines of a text file, zipped or not, without reading all of it."""

import gzip
import zlib
from pathlib import Path

from histoscribe.errors import DataContractError
from histoscribe.io.sections.delimited import utf8

_GZIP = b"\x1f\x8b"
_BYTES = 1 << 21
"""A header of 30,000 genes has 0.3 MB, one of 5,000 barcodes 0.1 MB."""
_LINES = 6


def first_lines(path: Path) -> list[bytes]:
    """First whole lines in UTF-8, at most six; none for a file that is no text or broken."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_GZIP))
            file.seek(0)
            raw = gzip.GzipFile(fileobj=file).read(_BYTES) if start == _GZIP else file.read(_BYTES)
        whole = len(raw) < _BYTES
        text, _ = utf8(path, raw if whole else raw[: raw.rfind(b"\n") + 1])
    except (OSError, EOFError, zlib.error, DataContractError):
        return []
    lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return [line for line in lines if line.strip()][:_LINES]

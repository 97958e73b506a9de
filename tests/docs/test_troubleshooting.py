"""The messages on the page of troubleshooting are messages of the code."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
ROWS = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
QUOTED = [text for row in ROWS for text in re.findall(r"`([^`]+)`", row)]
SOURCE = re.sub(  # a message may be written in several pieces
    r'"\s*\n\s*f?"',
    "",
    "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "src").rglob("*.py"))),
)


@pytest.mark.parametrize("text", QUOTED)
def test_what_the_page_quotes_is_said_somewhere(text):
    assert text in SOURCE


def test_the_bibtex_has_the_version_of_the_citation_file():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    (version,) = re.findall(r"^version: (\S+)$", citation, re.M)
    assert f"version = {{{version}}}" in (ROOT / "docs" / "cite.md").read_text("utf-8")

"""Pages name files of the repository; here they are held to that, and to the glossary."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for path in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
    if path.parent.name not in ("cards", "figures")
]
FOLDERS = ("src/", "docs/", "tests/", "recipes/", "benchmarks/")
GENERATED_BY_TYPER = "commands.md"


def named_paths(text):
    """Paths in backquotes that start at the root of the repository and have no placeholder."""
    for words in re.findall(r"`([^`\n]+)`", text):
        yield from (w for w in words.split() if w.startswith(FOLDERS) and not set(w) & set("<>*"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_path_that_a_page_names_exists(page):
    named = set(named_paths(page.read_text("utf-8")))
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_every_page_links_the_glossary():
    pages = [path for path in PAGES if path.name not in ("glossary.md", GENERATED_BY_TYPER)]
    assert [path.name for path in pages if "glossary.md" not in path.read_text("utf-8")] == []


def test_contributing_lists_every_room():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    source = ROOT / "src" / "histoscribe"
    rooms = [f"{path.name}/" for path in source.iterdir() if (path / "__init__.py").exists()]
    rooms += [path.name for path in source.glob("*.py") if path.name != "__init__.py"]
    assert [room for room in rooms if f"`{room}`" not in text] == []

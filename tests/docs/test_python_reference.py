"""The pages of the Python reference name everything that is public, under the name it has."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import histoscribe as hs

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES = [page.read_text("utf-8") for page in sorted((FOLDER / "api").glob("*.md"))]
NAMED = [path for page in PAGES for path in re.findall(r"^::: (\S+)$", page, re.M)]


@pytest.mark.parametrize("name", hs.__all__)
def test_every_public_name_is_on_a_page_and_in_the_overview(name):
    assert name in {path.rpartition(".")[2] for path in NAMED}
    assert f"`hs.{name}`" in (FOLDER / "python.md").read_text("utf-8")


@pytest.mark.parametrize("path", NAMED)
def test_every_name_of_a_page_is_there(path):
    module, _, name = path.rpartition(".")
    assert hasattr(import_module(module), name)

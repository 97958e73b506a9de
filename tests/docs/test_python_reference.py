"""The page of the Python reference names everything that is public, under the name it has."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import histoscribe as hs

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "python.md"
NAMED = re.findall(r"^::: (\S+)$", PAGE.read_text("utf-8"), re.M)


@pytest.mark.parametrize("name", hs.__all__)
def test_every_public_name_is_on_the_page(name):
    assert name in {path.rpartition(".")[2] for path in NAMED}


@pytest.mark.parametrize("path", NAMED)
def test_every_name_of_the_page_is_there(path):
    module, _, name = path.rpartition(".")
    assert hasattr(import_module(module), name)

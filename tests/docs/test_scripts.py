"""Scripts of the gallery become pages: their text, their code, and what it showed."""

import json
from pathlib import Path

import pytest

from docs.site.execution import execute
from docs.site.pages import FOLDERS, ORDER, write_page
from docs.site.script import notebook, read_script

DOCS = Path(__file__).parents[2] / "docs"
SCRIPTS = sorted(path for folder in FOLDERS for path in (DOCS / folder).glob("*.py"))
TOY = '''"""A toy.

What it shows.
"""

# %% [markdown]
# ## A heading
#
# Some text.

# %%
import pandas as pd

total = 1 + 1
print("printed", total)
total

# %%
pd.DataFrame({"column": [7]})

# %% [markdown]
# A figure:

# %%
from matplotlib import pyplot as plt

plt.plot([1, 2])
plt.title("x")
'''


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "toy.py"
    path.write_text(TOY)
    return read_script(path)


def test_a_page_has_text_code_and_what_each_cell_showed(toy, tmp_path):
    write_page(toy, execute(toy, tmp_path), tmp_path / "out")
    page = (tmp_path / "out" / "toy.md").read_text()
    assert page.startswith("# A toy\n\nWhat it shows.\n")
    assert "## A heading\n\nSome text.\n" in page
    assert 'print("printed", total)\ntotal\n```\n\n```text\nprinted 2\n2\n```' in page
    assert "<td>7</td>" in page
    assert "![picture toy-1.png](toy-1.png)" in page
    assert "Text(" not in page, "a figure says more than the object of its title"
    assert (tmp_path / "out" / "toy-1.png").stat().st_size > 1000


def test_a_notebook_has_the_same_cells(toy):
    cells = json.loads(notebook(toy))["cells"]
    assert [cell["cell_type"] for cell in cells] == [
        *("markdown", "markdown", "code", "code", "markdown", "code")
    ]
    assert "".join(cells[3]["source"]) == 'pd.DataFrame({"column": [7]})'


def test_an_error_of_a_cell_ends_the_page_and_names_the_cell(toy, tmp_path):
    toy.path.write_text(TOY.replace("plt.title", "plt.no_such"))
    with pytest.raises(AttributeError, match="no_such") as failure:
        execute(read_script(toy.path), tmp_path)
    assert str(failure.traceback[-1].path) == "toy.py, cell 5"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_says_what_it_shows_and_is_in_the_navigation(path):
    script = read_script(path)
    assert script.introduction
    name = f"{path.parent.name}/{path.stem}.md"
    assert f": {name}\n" in (DOCS.parent / "mkdocs.yml").read_text("utf-8")


def test_the_overview_has_every_script_of_the_gallery():
    assert sorted(ORDER) == sorted(path.stem for path in (DOCS / "gallery").glob("*.py"))

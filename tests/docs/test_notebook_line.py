"""The line that README promises to users of notebooks, in the kernel of one."""

import base64
import os
import re
import shutil

import pytest
from jupyter_client.manager import start_new_kernel

from tests.docs.workspace import make_workspace

LINE = """
r = hs.benchmark("cohort.csv", ["knn", "ridge"]); r
r.genes
r.plot("ERBB2")
p = hs.train("cohort.csv", "ridge", scores=r)
p
m = p.predict("biopsy.svs")
m
m.plot("ERBB2")
m.to_anndata()
r.plot(str(r.genes["gene"][0]), model="knn", section="A1").savefig("map.pdf")
r.figure("models", width="single").savefig("models.svg")
"""
LONG_S = 300


class Notebook:
    """A kernel, and what its cells display."""

    def __init__(self, client):
        self.client = client

    def run(self, code):
        """Messages of a cell: (kind, content) in their order."""
        told = []
        reply = self.client.execute_interactive(
            code,
            timeout=LONG_S,
            store_history=True,
            output_hook=lambda message: told.append((message["msg_type"], message["content"])),
        )
        assert reply["content"]["status"] == "ok", reply["content"]["traceback"][-1]
        return told


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    make_workspace(folder, genes_per_family=30)  # as many genes as a default run predicts
    shutil.copy(folder / "biopsy.svs", folder / "slide.svs")
    environment = {**os.environ, "HISTOSCRIBE_CACHE": str(folder / "cache")}
    manager, client = start_new_kernel(cwd=str(folder), env=environment)
    try:
        yield folder, Notebook(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def values(told):
    return [content["data"] for kind, content in told if kind == "execute_result"]


@pytest.mark.slow
def test_the_line_works_as_it_stands_and_shows_what_it_makes(notebook):
    folder, kernel = notebook
    assert kernel.run("import histoscribe as hs; hs.__version__")
    told = [kernel.run(line) for line in LINE.strip().splitlines()]
    shown = [values(one) for one in told]
    bars = [
        (kind, c["data"]["text/html"]) for kind, c in told[0] if "text/html" in c.get("data", {})
    ]
    bars = [(kind, html) for kind, html in bars if kind != "execute_result"]
    said = [c["data"]["text/plain"] for kind, c in told[0] if kind == "display_data"]
    assert any("models" in line for line in said)
    assert [kind for kind, _ in bars].count("display_data") == 1
    assert any("models x folds 1/6" in html for _, html in bars)
    assert bars[-1][1] == ""
    assert [len(one) for one in shown] == [1, 1, 1, 0, 1, 0, 1, 1, 1, 0, 0]
    for cell, words in ((0, "pcc_given_depth"), (4, "Predictor ridge@"), (6, "Prediction of")):
        assert words in shown[cell][0]["text/html"]
    for cell in (2, 7):
        assert base64.b64decode(shown[cell][0]["image/png"]).startswith(b"\x89PNG")
    assert "AnnData object with" in shown[8][0]["text/plain"]
    assert (folder / "map.pdf").read_bytes().startswith(b"%PDF")
    assert re.search(r'width="249\.4\d*pt"', (folder / "models.svg").read_text("utf-8"))


@pytest.mark.slow
def test_a_figure_is_shown_once_where_pyplot_is_imported_too(notebook):
    _, kernel = notebook
    kernel.run("import histoscribe as hs, matplotlib.pyplot as plt")
    kernel.run('p = hs.train("cohort.csv", "mean", target={"n_genes": 3})')
    kernel.run('m = p.predict("slide.svs")')
    told = kernel.run("m.plot(m.genes[0])")
    assert [kind for kind, content in told if "image/png" in content.get("data", {})] == [
        "execute_result"
    ]

"""The page in a real browser: its script runs under its own policy, and choosing redraws."""

import html
import json
import re
import shutil
import subprocess

import pandas as pd
import pytest

from histoscribe.report import write
from tests.report.made import keep_values, make_run

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
]

CHOOSES = """
const wanted = data.genes.indexOf("ERBB2");
const gene = document.getElementById("pick-gene");
gene.value = String(wanted);
gene.dispatchEvent(new Event("change"));
const model = document.getElementById("pick-model");
model.value = "depth";
model.dispatchEvent(new Event("change"));
const view = document.getElementById("pick-view");
view.value = "1";
view.dispatchEvent(new Event("change"));
"""


def shown_by(browser_page, tmp_path, *flags):
    """The document after its script has run."""
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", *flags,
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,4000",
        "--virtual-time-budget=8000", "--dump-dom", browser_page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout


def text_of(page, id_):
    (found,) = re.findall(rf'id="{id_}"[^>]*>(.*?)</', page, flags=re.DOTALL)
    return html.unescape(found)


@pytest.fixture
def folder(tmp_path):
    folder = make_run(tmp_path / "run")
    scores = pd.read_csv(folder / "scores.csv", keep_default_na=False)
    scores["section"] = scores["section"].replace({"S0a": "A", "S0b": "B"})
    scores.to_csv(folder / "scores.csv", index=False)
    for section in ("A", "B"):
        keep_values(folder, section)
    return folder


def test_the_page_draws_its_charts_under_its_own_policy(folder, tmp_path):
    page = shown_by(write(folder), tmp_path)
    for chart in (
        "chart-detection",
        "chart-skewness",
        "map-measured",
        "chart-values",
        "chart-depth",
    ):
        (box,) = re.findall(rf'<div id="{chart}"[^>]*class="js-plotly-plot"', page)
        assert box
    # the best of the made-up genes is the last: pcc_given_depth grows by 0.1 a gene
    assert text_of(page, "gene-words").startswith("NA, predicted by ridge: pcc 0.200")
    assert "chosen as the best gene of ridge on these same spots" in text_of(page, "gene-words")
    assert "Over the spots of this section pcc is 0.200" in text_of(page, "map-words")
    assert text_of(page, "map-measured-title") == "NA, measured in section A (patient 000)"


def test_choosing_gene_model_and_section_changes_every_chart(folder, tmp_path):
    text = write(folder).read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    driven = tmp_path / "driven.html"
    driven.write_text(
        text.replace("</body>", f"<script>{CHOOSES}</script></body>"), encoding="utf-8"
    )
    page = shown_by(driven, tmp_path)
    assert text_of(page, "gene-words").startswith("ERBB2, predicted by depth: pcc 0.100")
    assert "picked" not in text_of(page, "gene-words")
    assert text_of(page, "map-measured-title") == "ERBB2, measured in section B (patient 000)"
    assert text_of(page, "chart-values-title") == "ERBB2: measured values"
    assert "pcc is 0.100" in text_of(page, "map-words")


def test_a_finger_on_a_chart_scrolls_the_page(folder, tmp_path):
    text = write(folder).read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    asks = """setTimeout(() => { document.getElementById("gene-words").textContent =
        [...document.querySelectorAll(".js-plotly-plot")].map((box) => box._fullLayout.dragmode); },
        4000);"""
    driven = tmp_path / "driven.html"
    driven.write_text(text.replace("</body>", f"<script>{asks}</script></body>"), encoding="utf-8")
    touch = "--blink-settings=primaryPointerType=2,availablePointerTypes=2"
    assert text_of(shown_by(driven, tmp_path, touch), "gene-words") == ",".join(6 * ["false"])
    with_mouse = text_of(shown_by(driven, tmp_path), "gene-words").split(",")
    assert sorted(with_mouse) == ["pan", "pan", "zoom", "zoom", "zoom", "zoom"]


def test_a_narrow_page_does_not_scroll_sideways(folder, tmp_path):
    text = write(folder).read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    outer = tmp_path / "outer.html"  # the browser's own window is never narrower than 500 px
    outer.write_text(
        '<body><iframe id="phone" style="width:390px;height:4000px"></iframe><p id="seen"></p>'
        "<script>const phone = document.getElementById('phone');"
        f"phone.srcdoc = {srcdoc(text)};"
        "setTimeout(() => { const page = phone.contentDocument.documentElement;"
        "document.getElementById('seen').textContent ="
        "`${page.scrollWidth - page.clientWidth}`; }, 5000);</script>",
        encoding="utf-8",
    )
    assert text_of(shown_by(outer, tmp_path), "seen") == "0"


def srcdoc(text):
    """The page as a JavaScript string."""
    return json.dumps(text).replace("</", "<\\/")

import ast
import html
import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from histoscribe.benchmark import checks_of_data
from histoscribe.errors import DataContractError
from histoscribe.report import write
from histoscribe.report.alerts import MEANING, alerts, worst
from histoscribe.report.best_genes import best_genes
from histoscribe.report.figures import embedded
from histoscribe.report.glossary import model_in_words
from histoscribe.report.head import key_numbers
from histoscribe.report.part_bars import part_chart
from histoscribe.report.patients import patient_tables
from histoscribe.report.run import read_run
from histoscribe.report.summary import summary_rows
from histoscribe.report.verdict import headline
from histoscribe.types import Check
from tests.report.made import draw, keep_values, make_run, save


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def page_of(run):
    return write(run).read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Collects tags and attributes, and fails on a tag closed out of order."""

    void = ("meta", "img", "br", "wbr", "input")

    def __init__(self, page):
        super().__init__()
        self.seen, self.attributes, self._open = [], [], []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in self.void:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag


def test_page_is_one_file_that_loads_nothing(run):
    keep_values(run, "S0a")
    tags = Tags(page_of(run))
    loads = ("src", "srcset", "data", "poster", "background", "action", "formaction")
    sources = [value for name, value in tags.attributes if name in loads]
    assert sources
    assert all(value.startswith("data:image/") for value in sources)
    addresses = [value for name, value in tags.attributes if name == "href"]
    files = {path.relative_to(run).as_posix() for path in run.rglob("*")}
    assert all(value.startswith("#") or value.rstrip("/") in files for value in addresses)
    assert not {"link", "iframe", "object", "embed", "base"} & set(tags.seen)


def test_the_page_forbids_a_browser_to_load_or_run_anything_else(run):
    page = page_of(run)
    policy = policy_of(page)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert allowed == [b64encode(sha256(text.encode()).digest()).decode() for text in scripts]
    assert "http" not in policy
    assert policy.endswith("base-uri 'none'; form-action 'none'")


def policy_of(page):
    (found,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    return html.unescape(found)


def test_the_script_asks_for_no_address(run):
    for script in re.findall(r"<script>(.*?)</script>", page_of(run), flags=re.DOTALL):
        assert not re.search(
            r"sourceMappingURL|fetch\(|XMLHttpRequest|WebSocket|sendBeacon", script
        )


def test_page_is_well_formed_and_its_tables_are_labelled(run):
    tags = Tags(page_of(run))
    assert tags.seen.count("table") >= 4
    assert ("lang", "en") in tags.attributes
    assert ("scope", "row") in tags.attributes
    assert ("scope", "col") in tags.attributes


def test_names_from_data_are_escaped(run):
    page = page_of(run)
    assert "<script>alert" not in page
    assert page.count("<script") == 3  # data, Chart.js, ours
    assert page.count("</script>") == 3
    assert "&lt;script&gt;alert" in page
    assert "cohort &lt;b&gt;.csv" in page
    assert "cohort <b>" not in page


def test_same_run_gives_the_same_bytes_wherever_it_lies(tmp_path):
    one, two = make_run(tmp_path / "a"), make_run(tmp_path / "elsewhere" / "b")
    assert write(one).read_bytes() == write(two).read_bytes()


def test_a_leaky_protocol_is_branded_with_its_reason(tmp_path):
    leaky = page_of(make_run(tmp_path / "leaky", leaky="sections of one patient on both sides"))
    assert "This protocol is leaky" in leaky
    assert "sections of one patient on both sides" in leaky
    assert "(leaky)</title>" in leaky
    captions = re.findall(r"<caption>(.*?)</caption>", leaky)
    assert len(captions) >= 4
    assert all(caption.endswith("leaky protocol") for caption in captions)
    assert "This protocol is leaky" not in page_of(make_run(tmp_path / "honest"))


def test_oracle_and_shuffled_stand_apart_with_their_meaning(run):
    models, beside = summary_rows(read_run(run))
    assert [row.model for row in models] == ["mean", "depth", "ridge"]
    assert [row.model for row in beside] == ["oracle-depth", "shuffled"]
    page = page_of(run)
    assert "No model can use it" in page
    assert "what chance alone reaches" in re.sub(r"\s+", " ", page)


def test_a_row_that_is_no_model_says_of_which_it_is_and_where_it_differs(run):
    card = json.loads((run / "card.json").read_text())
    row = {"model": "egn", "settings": {"model": "egn", "exemplars": {"draw": "random"}}}
    own = {"model": "depth", "settings": {}, "n_parameters": {}}
    card["models"] = {"ridge": {**row, "n_parameters": {}}, "depth": own}
    (run / "card.json").write_text(json.dumps(card))
    page = html.unescape(page_of(run))
    assert f"{model_in_words('egn')} This row is egn with exemplars.draw random." in page
    assert model_in_words("depth") in page


def test_a_model_inside_the_shuffled_band_is_not_called_better(run):
    models, _ = summary_rows(read_run(run))
    assert [row.band for row in models] == ["inside", "above", "above"]


def test_below_five_patients_values_are_listed_and_no_interval_is_given(tmp_path):
    few = page_of(make_run(tmp_path / "few", n_patients=3))
    assert "there are no\n  intervals" in few
    assert few.index("by patient</caption>") < few.index("All metrics")
    many = page_of(make_run(tmp_path / "many", n_patients=6))
    assert "there are no\n  intervals" not in many
    assert "95 % interval" in many


def test_folds_are_not_counted_as_patients(run):
    summary = pd.read_csv(run / "summary.csv")
    summary.loc[summary["metric"] == "scc", "n_patients"] = 9
    summary.to_csv(run / "summary.csv", index=False)
    page = page_of(run)
    assert "3 patients" in page
    assert "95 % interval" not in page.partition("<script")[0]


def test_patient_values_are_means_of_sections_of_means_of_genes(tmp_path):
    folder = make_run(tmp_path / "run")
    rows = [
        ("ridge", "f", "S1", "007", "A", "pcc", 0.0),
        ("ridge", "f", "S1", "007", "B", "pcc", 0.4),
        ("ridge", "f", "S1", "007", "C", "pcc", None),
        ("ridge", "f", "S2", "007", "A", "pcc", 0.8),
        ("ridge", "f", "*", "007", "A", "pcc", 9.0),
        ("ridge", "f", "S1", "007", "*", "pcc", 9.0),
        ("ridge", "f", "S3", "8", "A", "pcc", None),
    ]
    save(folder, "scores", "model fold section patient gene metric value", rows)
    (table,) = patient_tables(read_run(folder))
    assert table.patients == ("007", "8")  # a patient's name is text, never a number
    assert table.rows == (("ridge", "0.500", "—"),)


def test_undefined_scores_are_counted_beside_the_mean(run):
    assert "2 undefined" in page_of(run)


def test_missing_files_are_all_named_and_nothing_is_written(run):
    (run / "genes.csv").unlink()
    (run / "card.json").unlink()
    with pytest.raises(DataContractError) as caught:
        write(run)
    assert len(caught.value.problems) == 2
    assert not (run / "report.html").exists()


def test_a_run_on_bags_is_named_with_what_to_read(tmp_path):
    (tmp_path / "summary.csv").write_text("model,metric,fold,mean,low,high,n_bags\n")
    with pytest.raises(DataContractError) as caught:
        read_run(tmp_path)
    (problem,) = caught.value.problems
    assert "on bags" in problem.found
    assert "card.md" in problem.remedy


def test_a_missing_column_is_named(run):
    (run / "summary.csv").write_text("model,metric,mean\nridge,pcc,0.1\n")
    with pytest.raises(DataContractError, match="low, high, n_patients, n_undefined"):
        write(run)


@pytest.mark.parametrize(("text", "found"), [("{", "no JSON"), ('{"leaky": null}', "best_model")])
def test_a_card_that_is_broken_or_of_another_version_is_refused(run, text, found):
    (run / "card.json").write_text(text)
    with pytest.raises(DataContractError, match=found):
        write(run)
    assert not (run / "report.html").exists()


def test_the_card_is_on_the_page_in_words(run):
    page = html.unescape(page_of(run))
    assert "Genes: 2 in each fold, panel <code>list</code>: named in the settings." in page
    assert "standard deviations above" in page
    assert '<th scope="row">S1</th><td>P1</td><td>240</td>' in page
    assert "torch 2.13.0" in page
    assert "histoscribe benchmark settings.toml --out again" in page
    (run / "settings.toml").write_text('cohort = "memory"')
    assert "handed over in Python" in page_of(run)


def test_nothing_is_printed_as_python(run):
    keep_values(run, "S0a")
    card = json.loads((run / "card.json").read_text())
    settings = {"model": "egn", "depths": [2, 4], "bias": False, "exemplars": {"draw": "random"}}
    card["models"] = {"ridge": {"model": "egn", "settings": settings, "n_parameters": {"P1": 3}}}
    next(iter(card["target"].values()))["absent_taken_as_zero"] = {"S1": 1712, "S1-HLA": 3}
    (run / "card.json").write_text(json.dumps(card))
    page = html.unescape(re.sub("<(script|style).*?</\\1>", "", page_of(run), flags=re.DOTALL))
    text = re.sub("<[^>]*>", "", page)
    assert not re.search(r"\{'|\['|\bNone\b|\bTrue\b|\bFalse\b|\('", text)
    assert "depths 2 and 4, bias no, exemplars.draw random" in text
    assert "taken as zero: S1 1,712, S1-HLA 3." in text


def test_the_head_says_what_was_asked(run):
    card = json.loads((run / "card.json").read_text())
    card["facts"] = {"species": "human", "organ": "breast", "batch": "7"}
    (run / "card.json").write_text(json.dumps(card))
    (run / "settings.toml").write_text('cohort = "catalog:her2st"')
    page = page_of(run)
    head = page[page.index("<header>") : page.index("</header>")]
    for fact in (
        "catalog:her2st: HER2-positive breast cancer",
        "<dd>human, breast</dd>",
        "2 sections of 1 patient (P1), 480 spots",
        "whole patients, 1 fold",
        "2 genes in each fold (list), as Pearson residual<",
        "colour_texture, tiles of 64 px at 0.69 µm/px",
        '<time datetime="2026-01-31">',
    ):
        assert fact in head
    assert "batch" not in head


def test_the_folders_of_this_machine_are_not_on_the_page(run):
    assert "/data/" not in page_of(run)


def test_four_numbers_stand_on_top_with_what_to_compare(run):
    score, genes, depth, patients = key_numbers(read_run(run))
    assert (score.value, score.comparison) == ("0.160", "by chance −0.050 to 0.050")
    assert (genes.value, genes.comparison) == ("0 of 4", "q < 0.05")
    assert (depth.value, depth.comparison) == ("+0.100", "pcc 0.200; depth alone 0.100")
    assert patients.value == "0.160 to 0.360"
    assert "too few" in patients.comparison


def test_the_title_claims_no_more_than_the_scores(run, tmp_path):
    assert headline(read_run(run)) == (
        "ridge scores above chance on average, and no single gene stands out"
    )
    genes = pd.read_csv(run / "genes.csv", keep_default_na=False)
    genes.assign(q=0.01).to_csv(run / "genes.csv", index=False)
    assert headline(read_run(run)) == "ridge predicts more than chance: 2 of 4 genes stand out"
    leaky = read_run(make_run(tmp_path / "leaky", leaky="of one patient on both sides"))
    assert "nothing about new patients" in headline(leaky)
    summary = pd.read_csv(run / "summary.csv")
    summary.loc[summary["model"] == "ridge", "mean"] = 0.01
    summary.to_csv(run / "summary.csv", index=False)
    assert headline(read_run(run)) == "No model predicts more than chance"


def test_the_best_genes_are_drawn_in_the_section_of_their_median_score(run):
    for section in ("S0a", "S1a", "S2a"):
        keep_values(run, section, fold=f"P{section[1]}", patient=f"00{section[1]}")
    best = best_genes(read_run(run))
    assert [gene.label for gene in best] == ["NA", "<script>alert(1)</script>", "KRT19"]
    assert {gene.section for gene in best} == {"S1a"}
    assert all(gene.measured != gene.predicted for gene in best)
    page = page_of(run)
    assert page.count('<img src="data:image/png') == 6
    assert 'href="#gene=KRT19&amp;model=ridge&amp;section=S1a"' in page


def test_every_check_of_the_code_has_its_meaning():
    codes = set()
    for path in Path(checks_of_data.__file__).parent.glob("checks_of_*.py"):
        tree = ast.parse(path.read_text())
        codes |= {
            call.args[0].value
            for call in ast.walk(tree)
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Check"
        }
    assert len(codes) > 15
    assert codes == set(MEANING)


def test_the_worst_findings_stand_on_top_and_notes_last():
    checks = (
        Check("shallow", "info", "median low.", "expect low scores"),
        *(Check(code, "warning", "of it", "") for code in ("leaky", "collapsed", "one-patient")),
        Check("random-weights", "warning", "the encoder", "give weights"),
    )
    found = alerts(checks)
    assert [alert.level for alert in found] == 4 * ["warning"] + ["info"]
    assert (found[-1].finding, found[-1].remedy) == ("Median low.", "Expect low scores.")
    assert [alert.title for alert in worst(found)] == [MEANING[c.code][0] for c in checks[1:4]]


def test_the_parts_of_a_score_add_up_on_its_bar(run):
    assert part_chart(read_run(run)) is None
    assert "Where the correlation comes from" not in page_of(run)
    card = json.loads((run / "card.json").read_text())
    card["parts"] = {"ridge": {"gene_means": 0.5, "depth": -0.1, "rest": 0.2}}
    (run / "card.json").write_text(json.dumps(card))
    (bar,) = part_chart(read_run(run)).bars
    assert bar.numbers == ("0.600", "0.500", "−0.100", "0.200")
    means, depth, rest = bar.segments
    assert depth.place + depth.width == pytest.approx(means.place, abs=0.2)
    assert means.place + means.width == pytest.approx(rest.place, abs=0.2)
    assert rest.width == pytest.approx(2 * depth.width, abs=0.2)
    assert "Where the correlation comes from" in page_of(run)


def test_training_is_drawn_where_the_run_kept_it(run):
    assert "Training of the networks" not in page_of(run)
    card = json.loads((run / "card.json").read_text())
    card["models"] = {"ridge": {"model": "mlp", "settings": {}, "n_parameters": {"P1": 3}}}
    (run / "card.json").write_text(json.dumps(card))
    folder = run / "predictors" / "ridge" / "P1"
    folder.mkdir(parents=True)
    (folder / "training.csv").write_text(
        "member,epoch,loss,inner_score,metric,kept\n"
        "1,1,2.0,0.1,pcc,0\n1,2,1.0,0.3,pcc,1\n1,3,0.5,,pcc,0\n"
    )
    page = page_of(run)
    assert "Training of the networks" in page
    assert "Epochs kept: 2 of 3." in page
    assert page.count("<polyline") == 2
    loss, score = re.findall('points="([^"]*)"', page)
    assert len(loss.split()) == 3
    assert len(score.split()) == 2  # an undefined score is no point


def test_overlays_are_on_the_page(run):
    draw(run / "figures" / "overlays" / "S1.png")
    assert 'alt="Spots outlined on the image, Section S1"' in page_of(run)


def test_pictures_stay_within_their_budget(run):
    paths = list((run / "figures").rglob("*.png")) * 5
    whole = embedded(paths)
    assert len(whole) == 5
    size = len(whole[0].uri)
    assert len(embedded(paths, most_bytes=3 * size)) == 3


def test_genes_go_by_their_symbols_where_the_run_knows_them(run):
    before = page_of(run)
    card = json.loads((run / "card.json").read_text())
    (run / "card.json").write_text(json.dumps({**card, "gene_labels": {"ERBB2": "Neu<1>"}}))
    after = page_of(run)
    # <td>, still picture and the script's list, which keeps the id beside it
    assert before.count("ERBB2") > 2
    words = re.sub(r"figures/[^\s\"]+|data:image[^\"]+", "", after)
    assert words.count("ERBB2") == 1
    assert "Neu&lt;1&gt;" in after
    assert "Neu<1>" not in after

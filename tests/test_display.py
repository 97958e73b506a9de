"""Results in a notebook: small, escaped, readable on light and dark pages."""

import inspect
import pydoc
import re

import numpy as np
import pytest

import histoscribe as hs
from histoscribe.display import MOST_ROWS, result_html, table_html
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Cohort, CohortEntry, Fold, Folds, Head, Prediction, Spots

EVIL = "<script>alert(1)</script>\x1b[31m"


def prediction(n_genes=30):
    spots = Spots(("a", "b"), np.array([[1.0, 2.0], [3.0, 4.0]]), 55.0, 100.0)
    head = Head(
        section=EVIL,
        spots=spots,
        genes=tuple(f"ENSG{gene}" for gene in range(n_genes)),
        unit="log1p",
        predictor="ridge@1234",
        gene_names=tuple(f"<b>G{gene}</b>" for gene in range(n_genes)),
        gene_facts={"pcc_given_depth": np.linspace(0, 1, n_genes)},
    )
    return Prediction(head, np.arange(2.0 * n_genes).reshape(2, n_genes))


def fold(name):
    return Fold(name, "patient", {"S2": np.arange(20)}, {"S1": np.arange(5)}, (), "patient")


def records():
    cohort = Cohort([CohortEntry(EVIL, "P1", lambda: None, {"site": EVIL})])
    return [cohort, prediction(), fold("P1"), Folds([fold("P1"), fold(EVIL)])]


@pytest.mark.parametrize("record", records(), ids=lambda record: type(record).__name__)
def test_a_record_shows_itself_small_escaped_and_without_colours(record):
    html = record._repr_html_()
    assert len(html) < 10_000
    assert "<script" not in html
    assert "\x1b" not in html
    assert not re.search(r"(?<!border-)color:(?!inherit)|background:(?!none)|#[0-9a-f]{3}", html)
    assert max(map(len, repr(record).splitlines())) < 200


def test_the_best_gene_comes_first_and_many_rows_are_cut():
    html = prediction()._repr_html_()
    assert html.index("G29") < html.index("G28")
    assert f"{MOST_ROWS} of 30 rows" in html
    assert html.count("<tr>") == MOST_ROWS + 1


def test_undefined_numbers_are_a_dash_and_numbers_stand_right():
    html = table_html(("model", "pcc"), [("ridge", 0.25), ("mean", float("nan"))])
    assert "0.250" in html
    assert "–" in html
    assert html.count("text-align:right") == 3
    assert result_html("x", []) == "<div><div><b>x</b></div></div>"


def test_a_method_of_a_higher_room_is_its_function_with_signature_and_help():
    function = list(inspect.signature(hs.predict_slide).parameters)
    assert list(inspect.signature(Predictor.predict).parameters) == function
    assert "Predict a slide on a square grid" in pydoc.render_doc(Predictor.predict)
    assert "predict_slide" in pydoc.render_doc(Predictor, renderer=pydoc.plaintext)


def test_the_package_says_its_version():
    assert re.fullmatch(r"\d+\.\d+.*", hs.__version__)

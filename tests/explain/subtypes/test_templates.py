"""Nearest-template prediction."""

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.subtypes.templates import (
    in_table,
    read_templates,
    template_calls,
    template_scores,
)

TEXT = "class,symbol\nA,G0\nA,G1\nB,G2\nB,G3\n"


def made(tmp_path, text=TEXT):
    path = tmp_path / "templates.csv"
    path.write_text(text)
    return in_table(read_templates(path), [f"{n}" for n in range(30)], [f"G{n}" for n in range(30)])


def test_the_similarity_is_the_cosine_with_the_template(tmp_path):
    templates = made(tmp_path)
    values = np.zeros((4, 30))
    values[:, :4] = [[1, 1, -1, -1], [-1, -1, 1, 1], [1, -1, 1, -1], [-1, 1, -1, 1]]
    scores = template_scores(templates, values, np.arange(4))
    half = np.sqrt(0.5)
    assert scores == pytest.approx(np.array([[half, -half], [-half, half], [0, 0], [0, 0]]))


def test_ids_name_template_genes_as_symbols_do(tmp_path):
    by_id = made(tmp_path, TEXT.replace("symbol", "probe").replace("G", ""))
    assert by_id.columns.tolist() == made(tmp_path).columns.tolist()


def test_planted_classes_are_called_and_unrelated_patients_are_not(tmp_path):
    text = "class,symbol\n" + "".join(f"{'AB'[n % 2]},G{n}\n" for n in range(12))
    templates, rng = made(tmp_path, text), np.random.default_rng(0)
    values = rng.standard_normal((20, 30))
    values[:10, :12:2] += 3
    values[10:, 1:12:2] += 3
    called = template_calls(templates, values, seed=0)
    assert called.subtype == ("A",) * 10 + ("B",) * 10
    assert (called.q < 0.2).all()
    noise = template_calls(templates, rng.standard_normal((40, 30)), seed=0)
    assert 0.3 < np.mean(noise.p) < 0.7


def test_templates_of_other_genes_or_one_class_are_told(tmp_path):
    with pytest.raises(DataContractError, match="no template gene of B is in the bulk table"):
        made(tmp_path, TEXT.replace("G2", "X2").replace("G3", "X3"))
    with pytest.raises(DataContractError, match="1 classes"):
        made(tmp_path, "class,symbol\nA,G0\nA,G1\n")

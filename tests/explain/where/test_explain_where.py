"""`explain where`: the maps are those of the predictors, and asking changes nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from histoscribe.data.images import SlideTiles
from histoscribe.errors import DataContractError
from histoscribe.explain.run import explain
from histoscribe.explain.where.gradients import genes_of_pixels
from histoscribe.io.weights import cache_folder
from tests.explain.where.planted_region import trained

FEW = {"tiles": ("S5-9", "S5-20"), "other_genes": ("G1",)}


@pytest.fixture(scope="module")
def finding(members, cohort, tmp_path_factory):
    return explain(
        "where", members, cohort, out=tmp_path_factory.mktemp("w") / "f", genes="G0", **FEW
    )


def test_the_maps_are_the_mean_prediction_and_evidence_of_the_members(finding, members, cohort):
    table = pd.read_csv(finding.folder / "where-spots.csv")
    section = cohort["S5"]
    predicted = [member(section, keep_unlike=True) for member in members]
    values = np.mean([one.values[:, 0] for one in predicted], axis=0)
    np.testing.assert_allclose(table["prediction"], values, rtol=1e-4)
    for kind in ("attention", "instance_score", "contribution"):
        of_members = np.array([one.head.evidence[kind][:, 0] for one in predicted])
        np.testing.assert_allclose(table[kind], of_members.mean(axis=0), rtol=1e-4)
        deviation = of_members.std(axis=0, ddof=1)
        np.testing.assert_allclose(table[f"{kind}_disagreement"], deviation, rtol=1e-3, atol=1e-9)
    product = [
        one.head.evidence["attention"] * one.head.evidence["instance_score"] for one in predicted
    ]
    np.testing.assert_allclose(table["contribution"], np.mean(product, axis=0)[:, 0], rtol=1e-4)


def test_every_number_stands_beside_chance(finding):
    headline = {item.name for item in finding.statistic if not item.name.startswith("p_")}
    assert {
        *("agreement_attention", "gene_difference_prediction", "upper_third"),
        *("correlation_measured_G0", "auroc_predicted_G1", "deletion_attention"),
    } <= headline
    assert headline <= {item.name for item in finding.null}
    names = [item.name for item in (*finding.statistic, *finding.null)]
    assert len(names) == len(set(names)) + len(headline), "each name once on each side"
    assert all(
        (finding.folder / name).stat().st_size for name in (*finding.figures, *finding.tables)
    )
    assert finding.figures == ("where-01-G0.png", "where-tiles.png")
    text = " ".join(finding.caveat)
    assert "Completeness error" in text
    assert "no map with more than one cell" in text
    assert "one attention for all genes" in text


def test_tables_have_a_line_for_each_map_and_each_tile(finding):
    genes = pd.read_csv(finding.folder / "where.csv")
    assert list(genes["map"]) == ["prediction", "attention", "instance_score", "contribution"]
    assert genes["agreement"].between(-1, 1).all()
    tiles = pd.read_csv(finding.folder / "where-tiles.csv")
    assert list(tiles["spot"].unique()) == list(FEW["tiles"])
    assert len(tiles) == 2 * 4, "two methods, against white and against a blurred tile"


def test_asking_changes_nothing(members, cohort, tmp_path):
    before = [member(cohort["S5"]).values for member in members]
    for member in members:
        member.model.train().zero_grad(set_to_none=True)
    explain("where", members, cohort, out=tmp_path / "out", deletion=False, tiles="S5-9")
    assert all(member.model.training for member in members)
    for member, values in zip(members, before, strict=True):
        member.model.eval()
        assert np.array_equal(member(cohort["S5"]).values, values, equal_nan=True)
        for module in (*member.model.modules(), *member.encoder.modules()):
            assert not module._forward_hooks
            assert not module._backward_hooks
        assert all(weight.grad is None for weight in member.model.parameters())


@pytest.mark.slow
def test_the_same_question_gives_the_same_bytes(finding, members, cohort, tmp_path):
    again = explain("where", members, cohort, out=tmp_path / "again", genes="G0", **FEW)
    for name in ("finding.json", "question.json", *finding.figures, *finding.tables):
        assert (again.folder / name).read_bytes() == (finding.folder / name).read_bytes()


def test_one_member_has_maps_and_no_agreement(members, cohort, tmp_path):
    short = {"attribution": False, "deletion": False}
    finding = explain("where", members[0], cohort, out=tmp_path / "one", **short)
    assert not any(item.name.startswith("agreement") for item in finding.statistic)
    assert any("There is one member" in words for words in finding.caveat)
    assert finding.figures == (f"where-01-{finding.about['genes']}.png",)


@pytest.mark.parametrize("model", ["ridge", "knn"])
def test_closed_form_models_have_maps_and_linear_ones_pixels(model, cohort, tmp_path):
    predictor = trained(cohort, tmp_path / model, model)
    finding = explain(
        "where", predictor, cohort, out=tmp_path / "out", **({} if model == "knn" else FEW)
    )
    assert ("where-tiles.png" in finding.figures) == (model == "ridge")
    assert any(f"{model} has no attention" in words for words in finding.caveat)
    if model == "knn":
        with pytest.raises(DataContractError, match=r"expected: a predictor of .*ridge.*abmil"):
            explain("where", predictor, cohort, out=tmp_path / "no", **FEW)
        return
    queries = predictor.queries(cohort["S5"], cache_folder())
    expected = predictor.fitted.predict(queries).values[:3]
    image = SlideTiles(cohort["S5"], predictor.encoding.tiles).read(np.arange(3))
    with genes_of_pixels([predictor], predictor.target.genes) as (function, _), torch.no_grad():
        np.testing.assert_allclose(function(image.float()), expected, rtol=1e-4)


def test_wrong_requests_come_at_once(members, cohort, tmp_path):
    with pytest.raises(DataContractError) as error:
        explain("where", members, cohort, out=tmp_path / "x", genes=["G00", "nope"], section="S9")
    assert [problem.where for problem in error.value.problems] == [
        "section S9",
        "gene G00",
        "gene nope",
    ]
    assert "did you mean G0" in error.value.problems[1].remedy
    points, labels = tmp_path / "points.csv", tmp_path / "labels.csv"
    points.write_text("x,y,x2,y2\n1,1,1,1\n2,2,2,2\n")
    files = {"points": points, "labels": labels, "mask": tmp_path / "none.geojson"}
    with pytest.raises(DataContractError) as error:
        explain("where", members, cohort, out=tmp_path / "x", tiles="nowhere", **files)
    found = [problem.where for problem in error.value.problems]
    assert found[0] == "spot nowhere"
    assert any("points.csv" in where for where in found)
    assert any("labels.csv" in where for where in found)
    with pytest.raises(DataContractError, match="at most 6"):
        explain("where", replace_panel(members[0], 7), cohort, out=tmp_path / "x", genes=more(7))
    assert not (tmp_path / "x").exists()


def test_members_share_test_patients_panel_and_unit(members, cohort, tmp_path):
    first, other = members
    fewer = dict(list(other.card.sections.items())[1:])
    card = replace(other.card, sections=fewer)
    target = replace(other.target, genes=("G0", "X1", "X2", "X3", "X4", "X5"))
    wrong = replace(other, card=card, target=target, _encoder=other.encoder)
    with pytest.raises(DataContractError) as error:
        explain("where", [first, wrong], cohort, out=tmp_path / "x")
    found = [problem.found for problem in error.value.problems]
    assert "different test patients" in found[0]
    assert "of which they share 1" in found[1]
    with pytest.raises(DataContractError, match="one predictor, twice"):
        explain("where", [first, first], cohort, out=tmp_path / "x")


def more(n_genes):
    return tuple(f"M{gene}" for gene in range(n_genes))


def replace_panel(predictor, n_genes):
    """The same predictor with another panel; it is refused before anything is predicted."""
    names = more(n_genes)
    target = replace(predictor.target, genes=names)
    return replace(predictor, target=target, card=replace(predictor.card, gene_names=names))

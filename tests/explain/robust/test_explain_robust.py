"""The question `robust`: its answer, its files, and what it refuses."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.estimate import WORTH_TELLING_S
from histoscribe.explain.finding import defined_mean
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.progress import told_to
from tests.explain.concepts.painted import GENES, TILE_PX, painted_cohort
from tests.explain.robust.chance import ask
from tests.explain.robust.toy import (
    LinearPixels,
    NoPixels,
    cohort_of,
    pixel_predictor,
    template,
    training_cohort,
)

SETTINGS = {
    "changes": ("tile-stain", "compression", "rotation", "gradient"),
    "stains": (0.1, 0.3),
    "jpegs": (90, 30),
    "angles": (30, 90),
    "greys": (1, 4),
}


@pytest.fixture(scope="module", autouse=True)
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histoscribe.plot.canvas._DPI", 20)
        patch.setattr("histoscribe.explain.robust.runs.N_PIXEL_TILES", 6)
        patch.setattr("histoscribe.explain.robust.chance.N_DRAWS", 40)
        yield


@pytest.fixture(scope="module")
def cohort():
    return painted_cohort(0, n_patients=2)


@pytest.fixture(scope="module")
def answered(cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("robust") / "answer"
    return ask(template(), cohort, folder, **SETTINGS)


def test_it_writes_figures_and_tables_and_nothing_else(answered):
    assert {path.name for path in answered.folder.iterdir()} == {
        *("scores.png", "changes.png", "tiles.png", "distance.png"),
        *("steps.csv", "patients.csv", "genes.csv", "distance.csv"),
        *("question.json", "finding.json"),
    }
    assert [one.name for one in answered.statistic] == [one.name for one in answered.null]
    assert all(one.low is not None for one in answered.null)


def test_the_table_has_every_step_behind_the_tiles_as_they_are(answered):
    steps = pd.read_csv(answered.folder / "steps.csv")
    listed = {name: rows["step"].tolist() for name, rows in steps.groupby("change")}
    assert listed == {
        "tile-stain": [0.0, 0.1, 0.3],
        "compression": [100.0, 90.0, 30.0],
        "rotation": [0.0, 30.0, 90.0],
        "gradient": [0.0, 1.0, 4.0],
        "noise": [0.0, 1.0, 4.0],
    }
    first = steps.groupby("change").first()
    assert (first[["drop", "mean_change", "largest_change"]] == 0).all(axis=None)
    all_spots = first.drop(["gradient", "noise"])
    assert np.allclose(all_spots["score"], answered.number("score").value, atol=1e-5)


def test_the_first_score_is_that_of_the_prediction(answered, cohort):
    predictor = template()
    places = [predictor.target.genes.index(gene) for gene in GENES]
    scores = []
    for section in cohort:
        values = predictor(section, keep_unlike=True).values[:, places].astype(float)
        measured = predictor.target.apply(section)[:, places].astype(float)
        scores.append(defined_mean(pearson_per_gene(values, measured)))
    assert np.isclose(answered.number("score").value, np.mean(scores), atol=0.02)  # it clips


def test_the_same_question_gives_the_same_bytes(answered, cohort, tmp_path):
    again = ask(template(), cohort, tmp_path / "again", **SETTINGS)
    for path in sorted(answered.folder.iterdir()):
        assert path.read_bytes() == (again.folder / path.name).read_bytes(), path.name


def test_a_network_that_ignores_pixels_loses_nothing(cohort, tmp_path):
    finding = ask(pixel_predictor(NoPixels), cohort, tmp_path / "blind", **SETTINGS)
    steps = pd.read_csv(finding.folder / "steps.csv")
    assert (steps[["drop", "mean_change", "largest_change"]] == 0).all(axis=None)
    assert finding.number("score").value == 0
    assert steps["kept"].isna().all()  # there was no score to keep
    assert finding.number("change_gradient_4").value == 0


def test_a_linear_network_changes_as_much_as_its_weights_allow(cohort, tmp_path):
    weights = np.random.default_rng(0).normal(size=(10, 3, TILE_PX, TILE_PX)).astype(np.float32)
    predictor = pixel_predictor(LinearPixels, weights)
    settings = {"changes": "gradient", "greys": (1, 2), "genes": "PINK"}
    finding = ask(predictor, cohort, tmp_path / "linear", **settings)
    place = predictor.target.genes.index("PINK")
    sections = list(cohort)
    queries = [predictor.queries(section, tmp_path / "cache") for section in sections]
    values = [predictor.from_queries(*pair).values for pair in zip(sections, queries, strict=True)]
    deviation = np.concatenate(values)[:, place].astype(float).std()
    for size in (1, 2):
        most = size * np.abs(weights[place]).sum() / deviation
        assert np.isclose(finding.number(f"change_gradient_{size}").value, most, rtol=1e-3)
        assert finding.chance(f"change_gradient_{size}").high < 0.2 * most


def test_training_tissue_is_named(cohort):
    both = cohort_of([*training_cohort(0), *cohort])
    settings = {"changes": "compression", "jpegs": 50}
    finding = ask(template(), both, sections=("Old0", "New0"), **settings)
    assert "section Old0 was in training" in finding.caveat[0]
    assert ask(template(), both, **settings).about["sections"] == "New0 New1"


def test_long_work_is_told_first(cohort, monkeypatch):
    monkeypatch.setattr("histoscribe.explain.estimate.WORTH_TELLING_S", 0.0)
    lines = []
    with told_to(lines.append):
        ask(template(), cohort, changes=("compression", "gradient"), jpegs=50, greys=1)
    assert WORTH_TELLING_S == 10
    assert [line.partition(":")[0] for line in lines] == [
        "2 predictions of 2 sections",
        "changes of the pixels of 12 tiles",
    ]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"changes": "blurr"}, "did you mean blur?"),
        ({"stains": 0.95}, "stains 0.95: a step outside its range"),
        ({"blurs": (0.0, 2.0)}, "blurs 0: a step outside its range"),
        ({"blurs": 6.1}, "above 0 and up to 6"),
        ({"factors": 1.0}, "above 1 and up to 4"),
        ({"jpegs": 50.5}, "a whole number above 0 and up to 100"),
        ({"angles": 360}, "angles 360: a step outside its range"),
        ({"greys": 33}, "a whole number above 0 and up to 32"),
        ({"greys": ()}, "greys: no step"),
        ({"genes": "NONE"}, "NONE"),
        ({"sections": "NONE"}, "no such section"),
        ({"factors": 1.5}, "images that are too coarse for these steps"),
        ({"sections": "Bare", "changes": "blur"}, "section Bare: no counts"),
    ],
)
def test_what_cannot_be_answered_is_refused(cohort, settings, words):
    bare = replace(next(iter(cohort)), id="Bare", counts=None)
    with pytest.raises(DataContractError) as error:
        ask(template(), cohort_of([*cohort, bare]), **{"sections": "New0", **settings})
    assert words in str(error.value).replace("\n", " ")


def test_all_problems_are_told_at_once(cohort):
    with pytest.raises(DataContractError) as error:
        ask(template(), cohort, stains=2, jpegs=0, sections="NONE", changes=("warp", "tile-stain"))
    assert [one.where for one in error.value.problems] == [
        "section NONE",
        "change warp",
        "explain robust, stains 2",
        "explain robust, jpegs",
    ]


def test_steps_of_a_change_that_is_not_named_are_refused(cohort):
    with pytest.raises(DataContractError) as error:
        ask(template(), cohort, changes="blur", factors=1.5, jpegs=50)
    factors, jpegs = error.value.problems
    assert factors.found == jpegs.found == "steps of a change that is not asked about"
    assert factors.remedy == "leave them out, or add coarser or finer"
    assert jpegs.remedy == "leave them out, or add compression"


def test_a_cohort_without_new_patients_is_refused():
    with pytest.raises(DataContractError, match="sections that were held out"):
        ask(template(), training_cohort(0))


def test_what_the_image_or_the_model_does_not_allow_is_left_out(cohort):
    predictor = template("knn")
    quick = {"stains": 0.1, "blurs": 1, "jpegs": 50, "angles": 90}
    finding = ask(predictor, cohort, **quick)
    assert "finer" not in finding.about
    assert "gradient" not in finding.about
    assert any(
        "`finer` that tiles or images do not allow: 1.25, 1.5, 2" in words
        for words in finding.caveat
    )
    assert any("no gradient to the pixels" in words for words in finding.caveat)
    with pytest.raises(DataContractError, match="has no gradient to the pixels"):
        ask(predictor, cohort, changes=("gradient", "blur"))

"""The table `steer`: what it refuses, all at once, and what it measures of the tiles."""

from dataclasses import replace

import numpy as np
import pytest

import histoscribe as hs
from histoscribe.data.tile_measures.section_measures import STAIN_STRENGTHS
from histoscribe.errors import DataContractError
from histoscribe.predictor.steer_lines import steer_lines
from histoscribe.predictor.steering_curve import STEERING
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import RunSettings
from histoscribe.train.steer_checks import steer_problems
from histoscribe.train.steer_record import steer_card
from histoscribe.train.steer_settings import SteerSettings
from histoscribe.train.tables import training_table

INPUTS = {"tile_px": 64, "mpp": 0.7}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    return hs.simulate(folder, 3, families=("density",), genes_per_family=4, spots_per_section=24)


def opened(cohort, tmp_path, steer, models=("mlp",), **inputs):
    settings = RunSettings(
        cohort=str(cohort),
        models=models,
        inputs={**INPUTS, **inputs},
        target={"n_genes": 4},
        steer=steer,
    )
    return RunData(settings, hs.read_cohort(cohort), {}, tmp_path)


def refusal(cohort, tmp_path, steer, models=("mlp",), sections=None, **inputs):
    run_data = opened(cohort, tmp_path, steer, models, **inputs)
    whole = hs.read_cohort(cohort)
    part = whole if sections is None else whole.subset(whole.ids[:sections])
    with pytest.raises(DataContractError) as error:
        run_data.check(hs.patient_folds(part, seed=0))
    return error.value


def test_every_wrong_name_is_listed_at_once():
    steer = {"learn": ["nuclear_densty", "stain"], "unlearn": ["sit", "darkness", "darkness"]}
    with pytest.raises(ValueError, match="did you mean nuclear_density") as error:
        RunSettings(cohort="none", models=("mlp",), steer=steer)
    for words in ("stain", "sit: did you mean site", "darkness stands there twice"):
        assert words in str(error.value)


def test_concepts_that_no_training_can_have_are_refused_together(cohort, tmp_path):
    steer = {"learn": ["nuclear_density"], "unlearn": ["site", "stain"]}
    error = refusal(cohort, tmp_path, steer, ("mean", "ridge"), mpp=1.0)
    text = str(error)
    for words in ("at most 0.7 um/px", "no network: mean, ridge", "one site only"):
        assert words in text
    assert len(error.problems) == 3


def test_a_network_without_weights_before_its_last_step_is_refused_early(cohort, tmp_path):
    text = str(refusal(cohort, tmp_path, {"unlearn": ["stain"]}, ("mlp", "linear-probe")))
    assert "model linear-probe" in text
    assert "no weights before its representation" in text


def test_classes_are_counted_in_the_training_of_each_member(cohort, tmp_path):
    run_data = opened(cohort, tmp_path, {"unlearn": ["patient"]})
    (fold, *_) = hs.patient_folds(run_data.cohort, seed=0)
    whole, part = fold.train, dict([*fold.train.items()][:1])
    inner = tuple(replace(fold.inner[0], fit=rows) for rows in (whole, part, part))
    for members, n_problems in ((1, 0), (3, 1)):
        train = run_data.settings.train.model_copy(update={"members": members})
        settings = run_data.settings.model_copy(update={"train": train})
        split = replace(fold, inner=inner)
        problems = [*steer_problems(settings, run_data.cohort, [split])]
        assert len(problems) == n_problems
        assert all(problem.where.endswith(f"training of fold {fold.name}") for problem in problems)


def test_a_card_has_the_mean_share_and_the_warnings_of_every_member():
    settings = SteerSettings(unlearn=("site",))
    choices = [
        {"epoch": 1, STEERING: {name: {"aim": aim, "share": [share]} for name, aim, share in parts}}
        for parts in (
            (("genes", "main", 1.0), ("site", "unlearn", 0.0)),
            (("genes", "main", 0.4), ("site", "unlearn", 0.6)),
        )
    ]
    card = steer_card(settings, choices)
    assert card.shares == {"genes": pytest.approx(0.7), "site": pytest.approx(0.3)}
    (stayed,), (outweighs,) = card.not_unlearned, card.warnings
    assert stayed.startswith("network 1: the concept site was not unlearned")
    assert outweighs.startswith("network 2: the concept site outweighs the genes")
    assert "**A concept was not unlearned**: network 1" in "\n".join(steer_lines(card))
    assert steer_card(SteerSettings(), choices) is None


def test_a_single_patient_cannot_be_unlearned(cohort, tmp_path):
    text = str(refusal(cohort, tmp_path, {"unlearn": ["patient"]}))
    # of three patients one is tested, and one chooses the epoch
    assert "one patient only" in text
    assert "leave patient out of steer.unlearn" in text


def test_measures_of_the_training_tiles_have_mean_zero_and_deviation_one(cohort, tmp_path):
    steer = {"learn": ["nuclear_density"], "unlearn": ["stain"]}
    run_data = opened(cohort, tmp_path, steer)
    fold = hs.patient_folds(run_data.cohort, seed=0)[0]
    table = training_table(run_data, fold, run_data.target(fold.train), None)
    assert table.concept.shape == (len(table), 1 + len(STAIN_STRENGTHS))
    np.testing.assert_allclose(np.nanmean(table.concept, axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.nanstd(table.concept, axis=0), 1, atol=1e-5)
    again = training_table(opened(cohort, tmp_path, steer), fold, run_data.target(fold.train), None)
    np.testing.assert_array_equal(table.concept, again.concept)
    assert len(list((tmp_path / "measures").iterdir())) == len(fold.train)


def test_measures_that_tell_no_tile_from_another_are_refused_together(
    cohort, tmp_path, monkeypatch
):
    run_data = opened(cohort, tmp_path, {"learn": ["fat_share"], "unlearn": ["nuclear_area"]})
    fold = hs.patient_folds(run_data.cohort, seed=0)[0]
    monkeypatch.setattr(
        "histoscribe.train.concept_values.section_measures",
        lambda section, *_, **__: np.float32([[0.5, np.nan]]).repeat(len(section.spots), 0),
    )
    with pytest.raises(DataContractError) as error:
        training_table(run_data, fold, run_data.target(fold.train), None)
    assert "0.5 in every tile" in str(error.value)
    assert "undefined in all" in str(error.value)


def test_a_run_without_concepts_measures_nothing(cohort, tmp_path):
    run_data = opened(cohort, tmp_path, {})
    fold = hs.patient_folds(run_data.cohort, seed=0)[0]
    assert training_table(run_data, fold, run_data.target(fold.train), None).concept is None
    assert not (tmp_path / "measures").exists()

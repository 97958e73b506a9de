"""The question `memory`: its answer, its files, and what it refuses."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import histoscribe as hs
from histoscribe.errors import DataContractError
from histoscribe.explain.memory.trainings import MemoryTrainings
from histoscribe.explain.run import explain
from histoscribe.predictor.folder import read_training_card
from histoscribe.progress import told_to
from histoscribe.train.checkpoint_file import CHECKPOINT
from histoscribe.train.epoch_end import EpochEnd
from histoscribe.train.run import train
from tests.contracts.fitting import KilledError, killed_after
from tests.explain.memory.toy import MPP, PITCH_PX, toy_cohort, toy_predictor


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory") / "answer"
    return explain("memory", toy_predictor(), toy_cohort(0), out=folder)


def test_it_writes_figures_tables_and_the_marked_probe_and_nothing_else(answered):
    names = {path.name for path in answered.folder.iterdir()}
    assert names == {
        *("losses.png", "mixture.png", "roc.png", "spots.csv", "separations.csv", "epochs.csv"),
        *("probe", "question.json", "finding.json"),
    }
    card = read_training_card(answered.folder / "probe")
    assert card.made_up_labels == "labels of 20% of the training spots permuted within each section"
    words = (answered.folder / "probe" / "MODEL_CARD.md").read_text()
    assert f"it is a probe of training ({card.made_up_labels})" in words
    assert "made_up_labels" not in (toy_predictor().folder / "predictor.json").read_text()
    for use in (
        lambda: hs.load_predictor(answered.folder / "probe"),
        lambda: explain("memory", answered.folder / "probe", toy_cohort(0)),
    ):
        with pytest.raises(DataContractError, match="a probe of training"):
            use()


def test_the_tables_hold_the_fitted_spots_and_every_epoch(answered):
    spots = pd.read_csv(answered.folder / "spots.csv")
    assert set(spots["patient"]) == {"P2", "P3"}  # P0 is held out, the epoch is chosen on P1
    assert spots["relative_loss"].is_monotonic_decreasing
    assert spots["probe_permuted"].sum() == 2 * round(0.2 * 49)
    own = spots["spot"] == spots["probe_label_of"]
    assert (own == ~spots["probe_permuted"]).all()
    epochs = pd.read_csv(answered.folder / "epochs.csv")
    assert epochs["epoch"].tolist() == list(range(len(epochs)))
    best = epochs.loc[epochs["counts"], "epoch"].max()
    assert epochs["inner_pcc"].idxmax() == best


def test_label_norm_and_depth_do_not_tell_permuted_labels(answered):
    table = pd.read_csv(answered.folder / "separations.csv").set_index("value")
    for rule in ("depth", "mean_count", "label_norm", "distance"):
        assert abs(table.loc[rule, "auroc"] - 0.5) < 0.2  # 98 spots: chance alone gives 0.14
        assert np.isclose(answered.chance(f"auroc_{rule}").value, table.loc[rule, "auroc"])


def test_a_killed_question_goes_on_to_the_same_bytes(answered, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(EpochEnd, "on_train_epoch_end", killed_after(3))
        patch.setattr(MemoryTrainings, "tell_estimate", lambda *_: None)
        with pytest.raises(KilledError):
            explain("memory", toy_predictor(), toy_cohort(0), out=tmp_path / "again")
    assert (tmp_path / "again" / "trainings" / "probe" / CHECKPOINT).exists()
    again = explain("memory", toy_predictor(), toy_cohort(0), out=tmp_path / "again")
    for path in sorted(answered.folder.rglob("*.*")):
        other = again.folder / path.relative_to(answered.folder)
        assert path.read_bytes() == other.read_bytes(), path.name
    assert not (again.folder / "trainings").exists()


def test_one_patient_has_no_made_up_labels_and_the_answer_says_so(tmp_path):
    finding = explain("memory", toy_predictor(), toy_cohort(0, 2), out=tmp_path / "two", share=0.4)
    with pytest.raises(KeyError):
        finding.number("score_made_up_labels")
    assert any("Fewer than three patients" in words for words in finding.caveat)


def test_long_work_says_its_estimate_first(monkeypatch):
    lines = []
    monkeypatch.setattr("histoscribe.explain.estimate.WORTH_TELLING_S", 0.0)
    with told_to(lines.append):
        explain("memory", toy_predictor(), toy_cohort(0, 2))
    assert lines[0].startswith("2 trainings of at most 8 epochs: about ")


def test_what_cannot_be_trained_again_is_refused(tmp_path):
    tiles = {"tile_px": PITCH_PX, "mpp": MPP}
    closed = train(toy_cohort(0), "ridge", target={"n_genes": 4}, inputs=tiles)
    lost = replace(toy_predictor(), folder=tmp_path)
    for predictor, words in (
        (closed, "ridge is no network"),
        (lost, r"no settings\.toml beside it"),
    ):
        with pytest.raises(DataContractError, match=words):
            explain("memory", predictor, toy_cohort(0))
    with pytest.raises(DataContractError) as both:
        explain("memory", lost, toy_cohort(0), sections=["P9S"])
    assert len(both.value.problems) == 2
    for share, words in ((0.9, "share"), (0.05, "4 labels to permute")):
        with pytest.raises(DataContractError, match=words):
            explain("memory", toy_predictor(), toy_cohort(0), share=share)

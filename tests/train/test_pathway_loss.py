"""The loss of scores of pathways, from the table to the trained network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.data.activity import activity_of_values
from histoscribe.data.items.spots import SpotItems
from histoscribe.models.base import create_model
from histoscribe.train.fit import fit
from histoscribe.train.loss import training_loss
from histoscribe.train.settings import MachineSettings, RunSettings, TrainSettings
from histoscribe.types import Labels, Output, Pathways
from tests import pathway_toy
from tests.contracts.tables import planted_table, queries_of
from tests.pathway_toy import SCORES, correlations

SETS = Pathways(("A", "B"), np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0]], dtype=bool))


@pytest.fixture(scope="module", autouse=True)
def _toy():
    with pathway_toy.registered():
        yield


@pytest.fixture(scope="module")
def table():
    planted = planted_table()
    section = planted.keys.section
    activity = np.zeros((len(planted), 2), dtype=np.float32)
    for code in np.unique(section):
        rows = section == code
        activity[rows] = activity_of_values(planted.target[rows], SETS)
    return replace(planted, pathways=activity, gene_sets=SETS)


def trained(table, tmp_path, weight, epochs=15):
    settings = RunSettings(
        cohort="none",
        models=(SCORES,),
        pathways={"sets": "sets.gmt"},
        train=TrainSettings(epochs=epochs, batch_size=2, pathway_weight=weight),
        run=MachineSettings(device="cpu"),
    )
    return fit(settings.row(SCORES), table, settings, tmp_path / f"resume-{weight}")


def network():
    return create_model(SCORES, n_genes=3, feature_width=4)


def scores_of(made, table):
    items = made.items(queries_of(table))
    with torch.no_grad():
        inputs = items.inputs(("context_feature", "present"), np.arange(len(items)))
        heads = made.model(**inputs).heads["pathways"]
    return heads[inputs["present"]].numpy()


def test_a_weight_brings_the_scores_to_the_measured_activity(table, tmp_path):
    on, off = trained(table, tmp_path, 1.0), trained(table, tmp_path, 0.0)
    assert on.pathways is SETS
    followed = correlations(scores_of(on, table), table.pathways)
    assert min(followed) > 0.6
    assert np.mean(followed) > np.mean(correlations(scores_of(off, table), table.pathways))


def test_the_loss_is_one_minus_the_correlation_within_each_section():
    rng = np.random.default_rng(0)
    activity = rng.normal(size=(2, 6, 2)).astype(np.float32)
    present = torch.arange(6)[None] < torch.tensor([6, 4])[:, None]
    # as good as can be within each section, at another level and scale in each; noise in padding
    scores = activity * np.array([2.0, 5.0])[:, None, None] + np.array([0.0, 100.0])[:, None, None]
    scores[1, 4:] = 1e3 * rng.normal(size=(2, 2))
    zeros = torch.zeros(2, 6, 3)
    labels = Labels(target=zeros, present=present, pathways=torch.from_numpy(activity))
    model = network()
    for sign, expected in ((1, 0.0), (-1, 2.0)):
        output = Output(zeros, heads={"pathways": torch.from_numpy(sign * scores).float()})
        with_weight = training_loss(
            model, TrainSettings(loss="mse", pathway_weight=0.5), output, labels
        )
        torch.testing.assert_close(with_weight, torch.tensor(0.5 * expected), atol=1e-4, rtol=0)


def test_a_network_without_scores_cannot_have_the_weight():
    zeros = torch.zeros(3, 2)
    labels = Labels(target=zeros, pathways=torch.zeros(3, 1))
    settings = TrainSettings(loss="mse", pathway_weight=1.0)
    with pytest.raises(ValueError, match="needs scores of pathways by toy-pathways"):
        training_loss(network(), settings, Output(zeros), labels)
    scores = Output(zeros, heads={"pathways": torch.zeros(3, 1)})
    with pytest.raises(ValueError, match="needs measured activity"):
        training_loss(network(), settings, scores, replace(labels, pathways=None))


def test_items_give_the_activity_of_their_spots(table):
    rows = np.array([5, 200, 3])
    found = SpotItems(table).labels(rows).pathways
    np.testing.assert_array_equal(found.numpy(), table.pathways[rows])

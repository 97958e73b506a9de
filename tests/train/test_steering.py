"""Heads of concepts: known answers for signs, sizes, uncertainties and labels that are missing."""

import math

import pytest
import torch
from torch import nn

from histoscribe.models.base import ExpressionModel, Facts
from histoscribe.train.steer_plan import SteeredConcept
from histoscribe.train.steering import LEAST_LOSS, Steering
from histoscribe.types import Labels, Output


@pytest.fixture(autouse=True)
def _heads_follow(monkeypatch):
    """Heads that tell their concepts better than a constant after a single batch."""
    monkeypatch.setattr("histoscribe.train.steering._N_STEPS", 8)
    monkeypatch.setattr("histoscribe.train.steering._LEARNING_RATE", 0.01)


class Passing(ExpressionModel):
    """A network whose representation is its only parameter, and whose genes are its sum."""

    def __init__(self, representation):
        super().__init__(Facts.plain(1), None)
        self.values = nn.Parameter(representation)

    def forward(self):
        return self.read(self.represent())

    def represent(self):
        return 1.0 * self.values

    def read(self, representation):
        return Output(representation.sum(dim=-1, keepdim=True))


def made(aim="unlearn", weight=1.0, **kind):
    """One concept on a representation of four items, its network and labels."""
    draw = torch.Generator().manual_seed(0)
    network = Passing(torch.randn(4, 3, generator=draw))
    torch.manual_seed(0)
    concept = SteeredConcept("c", aim, weight, **({"columns": (0,)} | kind))
    labels = Labels(torch.randn(4, 1, generator=draw), concept=torch.randn(4, 1, generator=draw))
    return Steering((concept,), network.represent()), network, labels


def stepped(steering, network, labels):
    """One backward pass; gives both losses and the gradient of the network."""
    network.zero_grad()
    output = steering.output(network, {})
    genes = (output.expression - labels.target).square().mean()
    loss = steering.loss(genes, output, labels)
    loss.backward()
    return genes.item(), (loss - genes).item(), network.values.grad.clone()


def gradients(steering, network, labels):
    """Gradients of both losses for the representation, without any steering."""
    found = []
    for number in range(2):
        values = network.values.detach().requires_grad_()
        wide = (values - steering.center) / steering.scale
        losses = (
            (network.read(values).expression - labels.target).square().mean(),
            (steering.heads[0](wide) - labels.concept).square().mean(),
        )
        found += torch.autograd.grad(losses[number], values)
    return found


@pytest.mark.parametrize(("aim", "sign"), [("learn", 1.0), ("unlearn", -1.0)])
@pytest.mark.parametrize("weight", [0.3, 1.0, 3.0])
def test_a_reversed_gradient_has_the_other_sign_and_the_size_of_the_formula(aim, sign, weight):
    steering, network, labels = made(aim, weight)
    genes, concept, gradient = stepped(steering, network, labels)
    of_genes, of_concept = gradients(steering, network, labels)
    # exp(s_genes - s_concept) is the ratio of the losses in a first step
    torch.testing.assert_close(gradient, of_genes + sign * weight * genes / concept * of_concept)


def test_a_head_follows_its_loss_whether_reversed_or_not():
    heads = []
    for aim, weight in (("unlearn", 0.0), ("unlearn", 3.0)):
        steering, network, labels = made(aim, weight)
        stepped(steering, network, labels)
        heads.append([*steering.heads.parameters()])
    for plain, reversed_ in zip(*heads, strict=True):
        assert torch.equal(plain, reversed_)


def test_a_head_that_tells_nothing_reverses_nothing(monkeypatch):
    monkeypatch.setattr("histoscribe.train.steering._N_STEPS", 0)
    steering, network, labels = made("unlearn", 3.0)
    with torch.no_grad():
        steering.heads[0][-1].bias += 10.0
    _, _, gradient = stepped(steering, network, labels)
    of_genes, _ = gradients(steering, network, labels)
    assert torch.equal(gradient, of_genes)


def test_an_uncertainty_settles_at_the_minimum_of_its_formula(monkeypatch):
    monkeypatch.setattr("histoscribe.train.steering._N_STEPS", 0)
    steering, network, labels = made("unlearn", 0.0)
    for _ in range(200):
        genes, concept, _ = stepped(steering, network, labels)
    assert steering.uncertainty.tolist() == pytest.approx([math.log(genes), math.log(concept)])
    s = steering.uncertainty[1].clone().requires_grad_()
    (s.neg().exp() * concept + s).backward()
    assert s.grad.item() == pytest.approx(0.0, abs=1e-6)


def test_the_uncertainty_of_a_concept_that_is_solved_has_a_floor():
    steering, network, labels = made("learn")
    stepped(steering, network, labels)
    steering.running[1] = 1e-9
    assert steering.uncertainty[1].item() == pytest.approx(math.log(LEAST_LOSS))


def test_a_weight_of_zero_leaves_the_gradient_as_it_is():
    steering, network, labels = made("unlearn", 0.0)
    of_genes, _ = gradients(steering, network, labels)
    _, _, gradient = stepped(steering, network, labels)
    assert torch.equal(gradient, of_genes)


def test_sizes_of_gradients_are_those_at_the_representation_after_their_weight():
    steering, network, labels = made("unlearn", 3.0)
    genes, concept, _ = stepped(steering, network, labels)
    of_genes, of_concept = gradients(steering, network, labels)
    squares, totals, counts = steering.take_epoch()
    expected = [of_genes.square().sum(), (3 * genes / concept * of_concept).square().sum()]
    torch.testing.assert_close(squares, torch.stack(expected).double(), rtol=1e-5, atol=0)
    assert totals.tolist() == pytest.approx([genes, concept])
    assert counts.tolist() == [1, 1]
    assert not steering.take_epoch().any()


class PassingBags(Passing):
    """The same with one representation of each tile of a bag."""

    item = "bag"

    def read(self, representation):
        return Output(representation.sum(dim=-1, keepdim=True).mean(dim=1))


def test_sizes_of_gradients_in_bags_are_those_for_the_mean_of_their_tiles():
    draw = torch.Generator().manual_seed(0)
    bags = torch.randn(4, 3, generator=draw)
    sizes = []
    for kind, values in ((Passing, bags), (PassingBags, bags[:, None].repeat(1, 5, 1))):
        torch.manual_seed(0)
        network, labels = kind(values), made()[2]
        concept = SteeredConcept("c", "unlearn", 1.0, columns=(0,))
        steering = Steering((concept,), network.represent())
        stepped(steering, network, labels)
        sizes.append(steering.take_epoch()[0])
    torch.testing.assert_close(sizes[0], sizes[1], rtol=1e-5, atol=0)


def predicted(steering, network):
    return steering.heads[0]((network.values.detach() - steering.center) / steering.scale)


def test_undefined_measures_take_no_part():
    steering, network, labels = made()
    some = Labels(labels.target, concept=labels.concept.clone())
    some.concept[1:] = torch.nan
    loss = steering.loss(torch.tensor(1.0), steering.output(network, {}), some) - 1.0
    first = (predicted(steering, network) - labels.concept).square()[0, 0]
    assert loss.item() == pytest.approx(first.item(), abs=1e-6)
    none = Labels(labels.target, concept=torch.full((4, 1), torch.nan))
    before = steering.running.clone()
    empty = steering.loss(torch.tensor(1.0), steering.output(network, {}), none)
    assert empty.item() == 1.0
    assert steering.running[1] == before[1]


def test_classes_stand_for_every_spot_of_a_section_and_not_for_padding():
    concept = SteeredConcept("patient", "unlearn", 1.0, n_classes=2)
    network = Passing(torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0)))
    steering = Steering((concept,), network.represent())
    present = torch.tensor([[True, True, False], [True, False, False]])
    labels = Labels(torch.zeros(2, 3, 1), present=present, patient=torch.tensor([0, 1]))
    found = steering.loss(torch.tensor(0.0), steering.output(network, {}), labels)
    logits = predicted(steering, network).log_softmax(dim=-1)
    expected = -(logits[0, 0, 0] + logits[0, 1, 0] + logits[1, 0, 1]) / 3
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)

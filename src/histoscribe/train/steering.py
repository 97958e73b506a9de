"""Concepts that steer a training: heads on the representation, gradient reversal, uncertainty.

A head predicts each concept from the representation. Its own weights follow its loss as it is, some
steps for each of the network. To the network its gradient comes with a factor: positive for a
concept to learn, negative for one to unlearn (Ganin and Lempitsky 2015, arXiv:1409.7495; for
concepts of histology Graziani et al. 2022, arXiv:2208.13776), and in size the weight by uncertainty
of Kendall, Gal and Cipolla 2018 (arXiv:1705.07115). There each loss L stands as exp(-s) L + s with
s of its own, and s = log L makes this least; so the s here is the log of the running mean of L,
which no learning rate delays. That of the genes is divided out of all: their loss stays as it is
without concepts, and that of concept i is weighted by exp(s_genes - s_i). A reversed head has the s
of an ordinary one, for it is fitted to L and not to the reversed gradient: the network cannot win
by making it large. Where a head tells a concept no better than a constant does, nothing is left to
reverse, and its gradient is left out. The constant is the best one for the batch; in a batch of one
class or one label, where that would be the answer itself, it is the one that knows nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.models.base import ExpressionModel
from histoscribe.models.layers.count_head import with_counts
from histoscribe.train.steer_plan import SteeredConcept
from histoscribe.types import Labels, Output

_HIDDEN = 64
"""Units between the representation and a concept to unlearn."""
_LEARNING_RATE = 2e-3
_N_STEPS = 5
"""Steps of the heads for each of the network: one that lags behind is evaded, not answered."""
_RECENT = 0.1
"""Share of a step in the running mean of a loss."""
LEAST_LOSS = 0.01
"""A concept whose loss is below counts as this, so that one that is solved does not outweigh all:
the loss of the mean is about 1."""
_READ = "representation"  # its name in an output


@dataclass(frozen=True, eq=False)
class _HeadLoss:
    """Loss of a head for a batch."""

    mean: Float[Tensor, ""]
    constant: Float[Tensor, ""]
    """That of the best prediction that does not look at the representation; in a batch of one class
    or one label, that of equal frequencies or of the training mean.
    """
    n: Int[Tensor, ""]
    """Labels that it counts."""


@final
class Steering(nn.Module):
    """Heads of the concepts of a training, and the running means of all losses.

    Number 0 is the loss of the genes, the others are the concepts in their order.
    """

    running: Tensor
    squares: Tensor
    totals: Tensor
    counts: Tensor
    center: Tensor
    scale: Tensor

    def __init__(
        self, concepts: tuple[SteeredConcept, ...], representation: Float[Tensor, "*B R"]
    ) -> None:
        """Make the heads for representations like these ones, of some training items."""
        super().__init__()
        self.concepts = concepts
        wide = representation.detach().float().flatten(0, -2)
        self.heads = nn.ModuleList(_head(concept, wide.shape[1]) for concept in concepts)
        center = wide.mean(dim=0)
        self.register_buffer("center", center)
        self.register_buffer("scale", (wide - center).square().mean().sqrt().clamp_min(1e-6))
        n_losses = 1 + len(concepts)
        for name, start in (("running", torch.nan), ("squares", 0.0), ("totals", 0.0)):
            self.register_buffer(name, torch.full((n_losses,), start, dtype=torch.float64))
        self.register_buffer("counts", torch.zeros(n_losses, dtype=torch.float64))
        self.optimiser = torch.optim.Adam(self.heads.parameters(), lr=_LEARNING_RATE)
        self._told: list[Tensor] = []
        self._are_bags = False

    def output(self, model: ExpressionModel, inputs: Mapping[str, Any]) -> Output:
        """Predict the genes of a batch as the network itself does, with the representation."""
        representation = model.represent(**inputs)
        self._are_bags = model.item == "bag"
        read = model.read(_Passed.apply(representation, self, 0))
        output = with_counts(model.count_head, read)
        if self._are_bags:
            representation = _pooled(representation, inputs.get("present"))
        return replace(output, heads={**output.heads, _READ: representation})

    def loss(self, of_genes: Float[Tensor, ""], output: Output, labels: Labels) -> Tensor:
        """Loss of the genes and of the concepts of a step; first the heads follow the network.

        Keeps the running means of all losses.
        """
        representation = output.heads[_READ]
        self._follow(representation.detach(), labels)
        parts = []
        for number, concept in enumerate(self.concepts, start=1):
            if concept.weight == 0:
                passed = representation.detach()
            else:
                passed = _Passed.apply(representation, self, number)
            parts.append(self._loss(number, passed, labels))
        self._keep(of_genes, parts)
        return of_genes + torch.stack([part.mean for part in parts]).sum()

    @property
    def uncertainty(self) -> Float[Tensor, " n"]:
        """The s of each loss, that of the genes first; NaN for one that was never defined."""
        least = torch.full_like(self.running, LEAST_LOSS)
        least[0] = torch.finfo(torch.float32).tiny
        return self.running.maximum(least).log()

    def passed(self, number: int, gradient: Tensor) -> Tensor:
        """Gradient of a loss as the network gets it; its size is kept for the shares."""
        if number > 0:
            concept, s = self.concepts[number - 1], self.uncertainty
            sign = 1.0 if concept.aim == "learn" else -1.0
            factor = sign * concept.weight * (s[0] - s[number]).exp().nan_to_num(0.0)
            if concept.aim == "unlearn":  # beyond that, it would learn to mislead the head
                factor = factor * self._told[number - 1]
            gradient = gradient * factor.to(gradient.dtype)
        size = gradient.detach().double()
        if number == 0 and self._are_bags and size.ndim == 3:
            size = size.sum(dim=1)  # for the mean of the tiles, as those of the concepts
        self.squares[number] += size.square().sum()
        return gradient

    def take_epoch(self) -> Float[Tensor, "3 n"]:
        """Squared sizes of the gradients, sums of the losses, and their counts; back to zero."""
        found = torch.stack([self.squares, self.totals, self.counts]).cpu()
        for buffer in (self.squares, self.totals, self.counts):
            buffer.zero_()
        return found

    def _follow(self, representation: Tensor, labels: Labels) -> None:
        """Train the heads alone on a batch for several steps."""
        with torch.enable_grad():
            for _ in range(_N_STEPS):
                self.optimiser.zero_grad()
                numbers = range(1, 1 + len(self.concepts))
                losses = [self._loss(number, representation, labels).mean for number in numbers]
                torch.stack(losses).sum().backward()
                self.optimiser.step()
        self.optimiser.zero_grad()

    def _keep(self, of_genes: Tensor, parts: Sequence[_HeadLoss]) -> None:
        """Keep the losses of a step, and which concepts a head tells better than a constant."""
        with torch.no_grad():
            known = torch.stack([torch.ones_like(of_genes).bool(), *(of.n > 0 for of in parts)])
            values = torch.stack([of_genes.abs(), *(of.mean for of in parts)]).double()
            before = torch.where(self.running.isnan(), values, self.running)
            running = torch.lerp(before, values, _RECENT)
            self.running.copy_(torch.where(known, running, self.running))
            self.totals += torch.where(known, values, 0.0)
            self.counts += known
            self._told = [of.mean < of.constant for of in parts]

    def _loss(self, number: int, representation: Tensor, labels: Labels) -> _HeadLoss:
        """Mean loss of a head; spots without its concept are left out."""
        concept = self.concepts[number - 1]
        predicted = self.heads[number - 1]((representation.float() - self.center) / self.scale)
        if concept.n_classes:
            codes = labels.patient if concept.name == "patient" else labels.site
            if codes is None:
                raise ValueError(f"steer: the labels have no {concept.name}")
            if predicted.ndim == 3:
                codes = codes[:, None].expand(predicted.shape[:2])
            return _class_loss(predicted, codes.long(), _present(codes >= 0, labels))
        if labels.concept is None:
            raise ValueError(f"steer: the labels have no {concept.name}")
        measured = labels.concept[..., list(concept.columns)]
        return _measure_loss(predicted, measured, _present(measured.isfinite(), labels))


class _Passed(torch.autograd.Function):
    """The same representation; its gradient is what `Steering.passed` makes of it."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, steering: Steering, number: int) -> Tensor:
        ctx.steering, ctx.number = steering, number
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.steering.passed(ctx.number, gradient), None, None


def _head(concept: SteeredConcept, width: int) -> nn.Module:
    n_out = concept.n_classes or len(concept.columns)
    if concept.aim == "learn":
        return nn.Linear(width, n_out)
    return nn.Sequential(nn.Linear(width, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, n_out))


def _pooled(
    representation: Float[Tensor, "*B R"], present: Bool[Tensor, "B K"] | None
) -> Float[Tensor, "B R"]:
    """One representation of each bag: the mean where a network reads one of each tile."""
    if representation.ndim == 2:
        return representation
    if present is None or present.shape != representation.shape[:2]:
        return representation.mean(dim=1)
    weight = present[..., None].to(representation.dtype)
    return (representation * weight).sum(dim=1) / weight.sum(dim=1)


def _measure_loss(
    predicted: Float[Tensor, "*B c"], measured: Float[Tensor, "*B c"], known: Bool[Tensor, "*B c"]
) -> _HeadLoss:
    """Squared error, and that of the mean of each measure; labels are standardised."""
    measured = torch.where(known, measured, 0.0)
    places = tuple(range(known.ndim - 1))
    n = known.sum(dim=places)
    mean = torch.where(n > 1, measured.sum(dim=places) / n.clamp_min(1), 0.0)
    return _HeadLoss(
        _mean((predicted - measured).square(), known),
        _mean((measured - mean).square(), known),
        known.sum(),
    )


def _class_loss(
    logits: Float[Tensor, "*B c"], codes: Int[Tensor, "*B"], known: Bool[Tensor, "*B"]
) -> _HeadLoss:
    """Cross entropy, and that of the frequencies of the classes."""
    chosen = functional.one_hot(codes.clamp_min(0), logits.shape[-1]) * known[..., None]
    shares = chosen.flatten(0, -2).sum(dim=0) / known.sum().clamp_min(1)
    losses = -(logits.log_softmax(dim=-1) * chosen).sum(dim=-1)
    alike = shares.new_tensor(math.log(logits.shape[-1]))
    constant = torch.where((shares > 0).sum() > 1, torch.special.entr(shares).sum(), alike)
    return _HeadLoss(_mean(losses, known), constant, known.sum())


def _mean(losses: Float[Tensor, "*B"], known: Bool[Tensor, "*B"]) -> Float[Tensor, ""]:
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp_min(1)


def _present(known: Bool[Tensor, "..."], labels: Labels) -> Bool[Tensor, "..."]:
    """Where a label counts: not in padding."""
    present = labels.present
    if present is None or known.ndim == 1 or known.shape[:2] != present.shape:
        return known
    return known & present.view(*present.shape, *[1] * (known.ndim - 2))

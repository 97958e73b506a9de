"""Concepts that steer a training: heads on the representation, gradient reversal, uncertainty.

A head predicts each concept from the representation. Its own weights follow its loss as it is. To
the network its gradient comes with a factor: positive for a concept to learn, negative for one to
unlearn (Ganin and Lempitsky 2015, arXiv:1409.7495; for concepts of histology Graziani et al. 2022,
arXiv:2208.13776), and in size the weight by uncertainty of Kendall, Gal and Cipolla 2018
(arXiv:1705.07115). There each loss L stands as exp(-s) L + s with s of its own, and s = log L makes
this least; so the s here is the log of the running mean of L, which no learning rate delays. That
of the genes is divided out of all: their loss stays as it is without concepts, and that of concept
i is weighted by exp(s_genes - s_i). A reversed head has the s of an ordinary one, for it is fitted
to L and not to the reversed gradient: the network cannot win by making it large.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.models.base import ExpressionModel
from histoscribe.models.layers.count_head import with_counts
from histoscribe.train.steer_plan import SteeredConcept
from histoscribe.types import Labels, Output

_HIDDEN = 64
"""Units between the representation and a concept to unlearn."""
_LEARNING_RATE = 2e-3
_RECENT = 0.1
"""Share of a step in the running mean of a loss."""
LEAST_LOSS = 0.01
"""A concept whose loss is below counts as this, so that one that is solved does not outweigh all:
the loss of the mean is about 1."""
_BEFORE = "concept: "  # before the names of heads in an output


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

    def optimiser(self) -> torch.optim.Optimizer:
        """Optimiser of the heads: another recipe of the network does not slow them down."""
        return torch.optim.Adam(self.heads.parameters(), lr=_LEARNING_RATE)

    def output(
        self, model: ExpressionModel, inputs: Mapping[str, Any], present: Bool[Tensor, "B K"] | None
    ) -> Output:
        """Predict genes and concepts of a batch; the genes are those of the network itself."""
        representation = model.represent(**inputs)
        read = model.read(_Passed.apply(representation, self, 0))
        output = with_counts(model.count_head, read)
        heads = dict(output.heads)
        for number, (concept, head) in enumerate(zip(self.concepts, self.heads, strict=True), 1):
            if concept.weight == 0:
                passed = representation.detach()
            else:
                passed = _Passed.apply(representation, self, number)
            if model.item == "bag":
                passed = _pooled(passed, present)
            heads[_BEFORE + concept.name] = head((passed - self.center) / self.scale)
        return replace(output, heads=heads)

    def loss(self, of_genes: Float[Tensor, ""], output: Output, labels: Labels) -> Tensor:
        """Loss of the genes and the losses of the heads; keeps their running means."""
        parts = [self._loss(concept, output, labels) for concept in self.concepts]
        known = torch.stack([torch.ones_like(of_genes).bool(), *(n > 0 for _, n in parts)])
        values = torch.stack([of_genes.abs(), *(loss for loss, _ in parts)]).detach().double()
        with torch.no_grad():
            before = torch.where(self.running.isnan(), values, self.running)
            running = torch.lerp(before, values, _RECENT)
            self.running.copy_(torch.where(known, running, self.running))
            self.totals += torch.where(known, values, 0.0)
            self.counts += known
        return of_genes + torch.stack([loss for loss, _ in parts]).sum()

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
            gradient = gradient * factor.to(gradient.dtype)
        self.squares[number] += gradient.detach().double().square().sum()
        return gradient

    def take_epoch(self) -> Float[Tensor, "3 n"]:
        """Squared sizes of the gradients, sums of the losses, and their counts; back to zero."""
        found = torch.stack([self.squares, self.totals, self.counts]).cpu()
        for buffer in (self.squares, self.totals, self.counts):
            buffer.zero_()
        return found

    def _loss(
        self, concept: SteeredConcept, output: Output, labels: Labels
    ) -> tuple[Float[Tensor, ""], Tensor]:
        """Mean loss of a head over the spots or items that have the concept, and their number."""
        predicted = output.heads[_BEFORE + concept.name]
        if concept.n_classes:
            codes = labels.patient if concept.name == "patient" else labels.site
            if codes is None:
                raise ValueError(f"steer: the labels have no {concept.name}")
            if predicted.ndim == 3:
                codes = codes[:, None].expand(predicted.shape[:2])
            known = _present(codes >= 0, labels, predicted)
            losses = functional.cross_entropy(
                predicted.flatten(0, -2), codes.clamp_min(0).flatten().long(), reduction="none"
            ).view(known.shape)
        else:
            if labels.concept is None:
                raise ValueError(f"steer: the labels have no {concept.name}")
            measured = labels.concept[..., list(concept.columns)]
            defined = measured.isfinite()
            known = _present(defined, labels, predicted)
            losses = (predicted - torch.where(defined, measured, 0.0)).square()
        number = known.sum()
        return torch.where(known, losses, 0.0).sum() / number.clamp_min(1), number


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


def _present(known: Bool[Tensor, "..."], labels: Labels, predicted: Tensor) -> Bool[Tensor, "..."]:
    """Where a label counts: not in padding."""
    if labels.present is None or predicted.ndim == 2:
        return known
    return known & labels.present.view(*labels.present.shape, *[1] * (known.ndim - 2))

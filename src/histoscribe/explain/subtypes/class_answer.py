"""The answer for one class: its numbers with their level of chance, and stated claims about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import mannwhitneyu

from histoscribe.explain.finding import Number
from histoscribe.explain.subtypes.claims import Claim
from histoscribe.explain.subtypes.classifiers import HeldShape
from histoscribe.explain.subtypes.held_out import (
    auroc_interval,
    aurocs_alone,
    chance_range,
    rank_sum_range,
)
from histoscribe.explain.subtypes.one_class import (
    MEASURED,
    PREDICTED,
    VISIBLE,
    AdditiveScores,
    Expression,
    LabelledPatients,
    additive_scores,
    compared_aurocs,
    constrained_auroc,
)
from histoscribe.explain.subtypes.shapes import Shapes, shapes_of
from histoscribe.explain.subtypes.templates import TableTemplates

SUPPORTED_SHARE = 0.9
"""Share of bootstraps from which a claim is supported; at most 1 minus this contradicts it."""
CONSTRAINED = "held"
METHODS = {
    MEASURED: "boosting machine",
    PREDICTED: "boosting machine, applied to image-predicted expression",
    VISIBLE: "boosting machine on genes that images predict, applied to predicted expression",
    "logistic": "logistic regression",
    "trees": "gradient-boosted trees",
    "templates": "nearest template",
    CONSTRAINED: "boosting machine with the shapes held",
}
_SUFFIX = {MEASURED: "", **{name: f"_{name}" for name in METHODS if name != MEASURED}}


@dataclass(frozen=True)
class Protocol:
    """How often a class is fitted, and the shapes that genes keep in it."""

    permutations: int
    bootstraps: int
    seed: int

    def n_fits(self, n_folds: int, n_panels: int) -> int:
        """Number of boosting machines of one class."""
        return (1 + self.permutations) * (1 + n_folds * n_panels) + self.bootstraps


@dataclass(frozen=True, eq=False)
class ClassAnswer:
    """What expression says about one class."""

    name: str
    label: str
    n_positive: int
    n_rest: int
    scores: AdditiveScores
    by_chance: tuple[AdditiveScores, ...]
    """The same with permuted labels."""
    compared: Mapping[str, float]
    """AUROC of the other classifiers."""
    shapes: Shapes
    hold: Mapping[int, HeldShape]
    """Genes of the panel whose function keeps a shape."""

    def aurocs(self) -> Iterator[tuple[str, float]]:
        """Method and AUROC, the boosting machine first."""
        yield from self.scores.auroc.items()
        yield from self.compared.items()

    def interval(self, auroc: float) -> tuple[float, float]:
        """95 % interval of an AUROC by the number of patients."""
        return auroc_interval(auroc, self.n_positive, self.n_rest)

    def chance_draws(self, method: str) -> Float[np.ndarray, " P"]:
        """AUROC with each permutation of the labels."""
        return np.array([draw.auroc[method] for draw in self.by_chance])

    def statistic(self) -> Iterator[Number]:
        """AUROC of the boosting machines."""
        for method, auroc in self.scores.auroc.items():
            yield self._number(method, auroc)

    def null(self) -> Iterator[Number]:
        """The same with permuted labels, and other classifiers on the same folds."""
        for method in self.scores.auroc:
            draws = self.chance_draws(method)
            meaning = f"{self._meaning(method)}, labels permuted {len(draws)} times"
            name = f"auroc_{self.name}{_SUFFIX[method]}"
            yield Number(name, float(draws.mean()), meaning, *chance_range(draws))
        for method, auroc in self.compared.items():
            yield self._number(method, auroc)

    def _number(self, method: str, auroc: float) -> Number:
        name = f"auroc_{self.name}{_SUFFIX[method]}"
        return Number(name, auroc, self._meaning(method), *self.interval(auroc))

    def _meaning(self, method: str) -> str:
        return (
            f"{METHODS[method]}: AUROC of {self.name} ({self.n_positive} patients) against the "
            f"rest ({self.n_rest}), held-out patients"
        )


@dataclass(frozen=True)
class ClaimResult:
    """What the data say to one stated claim."""

    claim: Claim
    share: float
    """Share of bootstraps in which the function has the shape of the claim."""
    chance_shares: tuple[float, ...]
    """The same over the machines of the folds, for each permutation of the labels."""
    alone: float
    """AUROC of the gene alone in the direction of the claim."""
    alone_low: float
    alone_high: float
    p: float
    """Mann-Whitney test of the gene alone, two-sided."""
    n_positive: int
    n_rest: int

    @property
    def verdict(self) -> str:
        """Whether shape and gene alone agree with the claim, both against it, or neither."""
        if self.share >= SUPPORTED_SHARE and self.alone_low > 0.5:
            return "supported"
        if self.share <= 1 - SUPPORTED_SHARE and self.alone_high < 0.5:
            return "contradicted"
        return "open"

    def numbers(self) -> Iterator[tuple[Number, Number]]:
        """Each number with its level of chance."""
        claim, shares = self.claim, np.array(self.chance_shares)
        name = f"{claim.shape}_{claim.gene}_in_{claim.subtype}"
        meaning = f"claim {claim}: share of bootstraps whose function of the gene is {claim.shape}"
        yield (
            Number(name, self.share, meaning),
            Number(
                name,
                float(shares.mean()),
                f"share of machines with a {claim.shape} function, labels permuted",
                *chance_range(shares),
            ),
        )
        name, meaning = (
            f"alone_{claim.gene}_in_{claim.subtype}",
            f"claim {claim}: AUROC of the gene",
        )
        found = Number(
            name,
            self.alone,
            f"{meaning} alone, above 0.5 as claimed",
            self.alone_low,
            self.alone_high,
        )
        low, high = rank_sum_range(self.n_positive, self.n_rest)
        yield found, Number(name, 0.5, f"{meaning} by chance", low, high)


def answer_class(
    of: Expression,
    patients: LabelledPatients,
    name: str,
    rest: tuple[Protocol, Mapping[int, HeldShape], TableTemplates | None],
) -> ClassAnswer:
    """Score, permute, compare and bootstrap one class."""
    protocol, hold, templates = rest
    positive = patients.is_of(name)
    compared = compared_aurocs(of, patients, name, templates)
    if hold:
        compared[CONSTRAINED] = constrained_auroc(of, patients, name, hold)
    x = of.panel.read(of.measured, np.arange(len(positive)))
    permuted = [patients.permuted(draw, protocol.seed) for draw in range(protocol.permutations)]
    draws = (protocol.bootstraps, protocol.seed)
    return ClassAnswer(
        name=name,
        label=patients.label,
        n_positive=int(positive.sum()),
        n_rest=int((~positive).sum()),
        scores=additive_scores(of, patients, name),
        by_chance=tuple(additive_scores(of, again, name) for again in permuted),
        compared=compared,
        shapes=shapes_of(x, positive, [again.is_of(name) for again in permuted], draws, hold),
        hold=hold,
    )


def claim_result(
    claim: Claim,
    answer: ClassAnswer,
    gene: int,
    values: Float[np.ndarray, " N"],
    positive: Bool[np.ndarray, " N"],
) -> ClaimResult:
    """Hold a claim against the shapes of its class and against the gene alone."""
    sign = 1 if claim.shape == "rising" else -1
    directed = sign * values
    alone = float(aurocs_alone(directed[:, None], positive)[0])
    low, high = answer.interval(alone)
    shares = [float((draw.direction[:, gene] == sign).mean()) for draw in answer.by_chance]
    return ClaimResult(
        claim=claim,
        share=answer.shapes.share(gene, claim.shape),
        chance_shares=tuple(shares),
        alone=alone,
        alone_low=low,
        alone_high=high,
        p=float(mannwhitneyu(values[positive], values[~positive]).pvalue),
        n_positive=answer.n_positive,
        n_rest=answer.n_rest,
    )

"""Results of all classes, as numbers with their level of chance and as caveats."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from histoscribe.explain.finding import Number
from histoscribe.explain.subtypes.class_answer import (
    CONSTRAINED,
    METHODS,
    ClaimResult,
    ClassAnswer,
)
from histoscribe.explain.subtypes.gene_visibility import GeneVisibility
from histoscribe.explain.subtypes.held_out import chance_range
from histoscribe.explain.subtypes.one_class import MEASURED, PREDICTED, VISIBLE
from histoscribe.explain.subtypes.survival import LEAST_DEATHS, Survival

_FEW_PATIENTS = 10


@dataclass(frozen=True, eq=False)
class SubtypeResults:
    """Everything that was worked out."""

    answers: tuple[ClassAnswer, ...]
    claims: tuple[ClaimResult, ...]
    visibility: GeneVisibility | None
    """None without image-predicted expression."""
    survival: Survival | None
    """None where it is not known."""

    def numbers(self) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
        """Numbers of the answer, and the same by chance with other classifiers beside."""
        statistic = [number for answer in self.answers for number in answer.statistic()]
        null = [number for answer in self.answers for number in answer.null()]
        if self.visibility is not None:
            means, by_chance_of_means = zip(*self._means(), strict=True)
            statistic, null = [*means, *statistic], [*by_chance_of_means, *null]
        pairs = [pair for result in self.claims for pair in result.numbers()]
        if self.visibility is not None:
            pairs.append(self.visibility.numbers())
        if self.survival is not None and np.isfinite(self.survival.p):
            meaning = f"log-rank test of equal survival, {self.survival.n_deaths} deaths"
            by_chance = Number("p_survival", 0.5, f"{meaning}, by chance", 0.025, 0.975)
            pairs.append((Number("p_survival", self.survival.p, meaning), by_chance))
        return (*statistic, *(of for of, _ in pairs)), (*null, *(of for _, of in pairs))

    def _means(self) -> Iterator[tuple[Number, Number]]:
        """Mean AUROC over the subtypes, with a narrower range of chance than each has."""
        of_label = [answer for answer in self.answers if answer.label == self.answers[0].label]
        for method in (MEASURED, PREDICTED, VISIBLE):
            name = f"auroc_mean_{method}"
            meaning = f"{METHODS[method]}: AUROC, mean over {len(of_label)} classes"
            value = float(np.mean([answer.scores.auroc[method] for answer in of_label]))
            draws = np.mean([answer.chance_draws(method) for answer in of_label], axis=0)
            words = f"{meaning}, labels permuted {len(draws)} times"
            yield (
                Number(name, value, meaning),
                Number(name, float(draws.mean()), words, *chance_range(draws)),
            )

    def caveats(self) -> Iterator[str]:
        """Limits of the numbers: small classes, cost of held shapes, claims, untested survival."""
        yield (
            "Where subtypes were called from expression, as the consensus subtypes were, "
            "classifiers of expression repeat that call: a high AUROC is no new biology."
        )
        yield (
            "No classifier is said to win: all read the same patients on the same folds, and no "
            "difference is tested. Shapes are of one model of correlated genes, no effects of "
            "genes."
        )
        yield (
            "A shape that is the same in all bootstraps is no proof: bootstraps are of the same "
            "patients, and permuted labels give constant shapes, too. Hold it against its level "
            "of chance and the gene alone."
        )
        for answer in self.answers:
            if answer.n_positive < _FEW_PATIENTS:
                low, high = answer.interval(answer.scores.auroc[MEASURED])
                yield (
                    f"{answer.name} has {answer.n_positive} patients: its AUROC may be anything "
                    f"from {low:.2f} to {high:.2f}."
                )
            if CONSTRAINED in answer.compared:
                free, held = answer.scores.auroc[MEASURED], answer.compared[CONSTRAINED]
                yield (
                    f"Holding shapes costs {answer.name} {free - held:.3f} of its AUROC: "
                    f"{free:.3f} free, {held:.3f} held."
                )
        for result in self.claims:
            yield (
                f"Claim {result.claim} ({result.claim.source}): {result.verdict}; "
                f"{result.claim.shape} in {result.share:.0%} of bootstraps, the gene alone has an "
                f"AUROC of {result.alone:.2f} in the direction of the claim."
            )
        survival = self.survival
        if survival is not None and survival.n_deaths < LEAST_DEATHS:
            yield (
                f"Survival is shown and not tested: {survival.n_deaths} deaths with a subtype, "
                f"fewer than {LEAST_DEATHS}."
            )

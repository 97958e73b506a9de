"""Checks of how the networks of a run were trained."""

from collections.abc import Iterator, Mapping

from histoscribe.benchmark.cell import predictor_folder
from histoscribe.benchmark.results import Results
from histoscribe.predictor.folder import read_training_card
from histoscribe.types import Check, SteerCard


def side_tasks(results: Results) -> Iterator[Check]:
    """Concepts that moved a network more than the genes did."""
    found = []
    for where, card in _steered(results).items():
        if card.warnings:
            shares = {name: share for name, share in card.shares.items() if name != "genes"}
            largest = max(shares, key=lambda name: shares[name])
            found.append(f"{where} (most: {largest})")
    if found:
        yield Check(
            "side-task",
            "warning",
            "concepts had a larger share of the gradient at the representation than the genes: "
            + "; ".join(found),
            "lower steer.learn_weight or steer.unlearn_weight, and compare with a run without",
        )


def not_unlearned(results: Results) -> Iterator[Check]:
    """Concepts to unlearn that never changed a network."""
    found = [where for where, card in _steered(results).items() if card.not_unlearned]
    if found:
        yield Check(
            "not-unlearned",
            "warning",
            "a concept was to be unlearned and its head was no better than a constant in any step: "
            + "; ".join(found),
            "where a batch has one section or bag, set train.accumulate; else there was nothing to "
            "unlearn",
        )


def _steered(results: Results) -> Mapping[str, SteerCard]:
    """Cards of the concepts of the networks of a run, by row and fold."""
    plan = results.plan
    if not plan.settings.steer.is_used:
        return {}
    cards = {
        f"{row.name} in fold {fold.name}": read_training_card(
            predictor_folder(plan.out, row.name, fold)
        ).steer
        for row in plan.settings.rows
        if row.is_network
        for fold in plan.folds
    }
    return {where: card for where, card in cards.items() if card is not None}

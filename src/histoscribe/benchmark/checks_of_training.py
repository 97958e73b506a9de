"""Checks of how the networks of a run were trained."""

from collections.abc import Iterator

from histoscribe.benchmark.cell import predictor_folder
from histoscribe.benchmark.results import Results
from histoscribe.predictor.folder import read_training_card
from histoscribe.types import Check


def side_tasks(results: Results) -> Iterator[Check]:
    """Concepts that moved a network more than the genes did."""
    plan = results.plan
    if not plan.settings.steer.is_used:
        return
    found = []
    for row in plan.settings.rows:
        for fold in plan.folds if row.is_network else ():
            card = read_training_card(predictor_folder(plan.out, row.name, fold)).steer
            if card is not None and card.warnings:
                shares = {name: share for name, share in card.shares.items() if name != "genes"}
                largest = max(shares, key=lambda name: shares[name])
                found.append(f"{row.name} in fold {fold.name} (most: {largest})")
    if found:
        yield Check(
            "side-task",
            "warning",
            "concepts had a larger share of the gradient at the representation than the genes: "
            + "; ".join(found),
            "lower steer.learn_weight or steer.unlearn_weight, and compare with a run without",
        )

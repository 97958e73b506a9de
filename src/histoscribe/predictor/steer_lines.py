"""Concepts that steered a training, in words, for the cards of predictors and runs."""

from collections.abc import Iterator

from histoscribe.types import SteerCard


def steer_lines(card: SteerCard) -> Iterator[str]:
    """Aims and weights, shares of the gradient, what outweighed the genes, and what stayed."""
    aims = (
        ("learned", card.learn, card.learn_weight),
        ("unlearned by gradient reversal", card.unlearn, card.unlearn_weight),
    )
    named = [
        f"{', '.join(names)} {aim} (weight {weight:g})" for aim, names, weight in aims if names
    ]
    yield f"- Concepts steered the training: {'; '.join(named)}."
    shares = ", ".join(f"{name} {share:.0%}" for name, share in card.shares.items())
    yield (
        f"- Share of the gradient at the representation: {shares or 'unknown'} (mean of the epochs "
        "up to the one that is kept)."
    )
    for warning in card.warnings:
        yield f"- **A side task outweighed the genes**: {warning}."
    for warning in card.not_unlearned:
        yield f"- **A concept was not unlearned**: {warning}."

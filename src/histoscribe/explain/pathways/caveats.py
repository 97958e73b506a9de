"""Limits of an answer to `pathways`, in sentences."""

from collections.abc import Iterator

from histoscribe.explain.pathways.halves import LEAST_GENES
from histoscribe.explain.pathways.results import PathwayResults
from histoscribe.explain.request import trained_on
from histoscribe.predictor.predictor import Predictor

_FEW_PATIENTS = 6  # below, a test over patients has no power, and none is made


def caveats(predictor: Predictor, results: PathwayResults, *, retrained: bool) -> Iterator[str]:
    """Say what the numbers rest on and what they cannot tell."""
    yield (
        "Genes of a set that follow the same tissue agree with each other. A score that agrees "
        "with genes outside the training can follow that tissue alone: compare with random sets."
    )
    sets = predictor.fitted.pathways
    n_all = 0 if sets is None else len(sets)
    if len(results.names) < n_all:
        yield (
            f"{n_all - len(results.names)} of {n_all} sets are left out: fewer than {LEAST_GENES} "
            "of their genes can be trained on, or measured outside the training."
        )
    if retrained:
        yield (
            "Scores and attention are those of a network that was trained again on half of the "
            "genes of each set, not those of the predictor; the weights to genes are."
        )
    else:
        yield (
            "Genes outside the panel are mostly those with low counts: measured activity is noisy, "
            "and correlations are low even for a perfect score."
        )
    yield "Attention says what a token reads, not what it does with it; its sign is no activity."
    yield from _of_the_model(predictor, results)
    patients = list(results.scores.by_patient)
    if len(patients) < _FEW_PATIENTS:
        yield f"{len(patients)} patients: their values are listed, and no test is made over them."
    known = [trained_on(predictor, section.section) for section in results.sections]
    if words := [of for of in known if of is not None]:
        yield f"Not held out: {'; '.join(words)}."


def _of_the_model(predictor: Predictor, results: PathwayResults) -> Iterator[str]:
    if results.attention is None:
        yield "Pathways do not read spots in this network (interactions): no attention maps."
    if results.pairs is None:
        yield "Pathways do not read each other in this network (interactions)."
    if results.weights is None:
        yield (
            "The weights from pathways to genes are zero outside the membership by construction "
            "(masked), so they are not compared with it."
        )
    elif results.weights.moved:
        yield (
            "The weights from pathways to genes started from the membership (init), so that they "
            "follow it shows nothing. What training added to them is compared."
        )
    elif predictor.card.train.get("pathway_weight", 0) == 0:
        yield (
            "Weights started at random, and no loss read activity: nothing told the network which "
            "token has which name."
        )

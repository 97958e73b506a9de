"""Caveats for finding and report, as sentences, failures first."""

from collections.abc import Sequence

from histoscribe.explain.request import trained_on
from histoscribe.explain.where.results import SectionMaps, WhereResults
from histoscribe.explain.where.tiles import ExplainedTiles
from histoscribe.predictor.predictor import Predictor


def caveats_of(
    maps: SectionMaps,
    results: WhereResults,
    tiles: ExplainedTiles | None,
    predictors: Sequence[Predictor],
) -> tuple[str, ...]:
    """Sentences for this answer; maps that failed a test come first."""
    tested = results.faithfulness
    caveats = [] if tested is None else [*tested.failures]
    caveats.append(
        "A map says where a model looks. It does not say that cells in that place express the "
        "gene, nor that the prediction is right."
    )
    if len(maps.names) == 1:
        caveats.append(
            "There is one member, so how far members agree is unknown: train a bag model with "
            "train.members = 5, or give several predictors of the same training patients."
        )
    else:
        caveats.append(
            "Members were trained on many of the same patients: they also agree on what is wrong "
            "in these labels."
        )
    model = predictors[0].model.name
    if results.attention is None:
        caveats.append(f"{model} has no attention: its map is the prediction of each spot.")
    elif results.attention.is_shared:
        caveats.append(f"{model} has one attention for all genes: it is no map of a gene.")
    caveats += results.comparison.caveats
    if tested is not None:
        caveats += tested.caveats
    training = [words for of in predictors if (words := trained_on(of, maps.section)) is not None]
    caveats += [f"{words[0].upper()}{words[1:]}." for words in training[:1]]
    return (*caveats, *(() if tiles is None else tiles.caveats))

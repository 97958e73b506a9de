"""Rules that settings of a run on bags must keep."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from histoscribe.data.bulk_target import TRANSFORMS_OF
from histoscribe.data.items.labelled_bags import LabelledBags
from histoscribe.data.panel import IN_EACH_SECTION
from histoscribe.encoders.catalog import EXTRACTOR
from histoscribe.models.base import Estimator

if TYPE_CHECKING:
    from histoscribe.train.settings import RunSettings


def bulk_contradictions(settings: "RunSettings") -> Iterator[str]:
    """Reasons why these settings make no run on bags, in words; none for a run on spots."""
    bulk = settings.bulk
    if not bulk.makes_bags:
        if settings.train.members > 1:
            yield "train.members above 1 is for bag models in a run with [bulk]: set it to 1"
        if settings.target.transform == "as-given":
            yield 'the transform as-given is for a bulk table with unit = "log"'
        return
    yield from _target_contradictions(settings)
    for row in settings.rows:
        if row.item != "bag" and not issubclass(row.cls, Estimator):
            yield (
                f"row {row.name} predicts {row.item}s, and [bulk] has bags: take models of bags, "
                "or closed-form ones, which read the mean feature of a bag"
            )
        elif row.item == "bag" and not LabelledBags.built.issuperset(row.inputs):
            yield f"row {row.name} reads tiles, and bags of [bulk] have features only"
    yield from _fold_contradictions(settings)


def _target_contradictions(settings: "RunSettings") -> Iterator[str]:
    bulk = settings.bulk
    kind = "blocks" if bulk.unit is None else bulk.unit
    if settings.target.transform not in TRANSFORMS_OF[kind]:
        yield (
            f"target.transform {settings.target.transform} has no meaning for {kind}: choose "
            f"{' or '.join(TRANSFORMS_OF[kind])}"
        )
    panel = settings.target.panel
    if panel in ("spatially-variable", IN_EACH_SECTION) and bulk.table is not None:
        yield f"the panel {panel} needs spots: choose another, e.g. highly-variable"
    if settings.train.counts is not None and kind not in ("counts", "blocks"):
        yield f'train.loss = "{settings.train.loss}" reads raw counts, and the table is in {kind}'


def _fold_contradictions(settings: "RunSettings") -> Iterator[str]:
    folds, inputs = settings.folds, settings.inputs
    whole = settings.bulk.table is not None
    allowed = ("patient", "site") if whole else ("patient", "site", "section")
    if folds.protocol not in allowed:
        yield f"folds.protocol {folds.protocol} divides bags: choose {' or '.join(allowed)}"
    if folds.max_train_spots is not None or folds.leaks:
        yield "folds.max_train_spots and folds.leaks are for spots: leave them out"
    if inputs.stain != "none" or inputs.hed_jitter > 0 or inputs.encoder == EXTRACTOR:
        yield (
            "features of bags are the same in every fold: leave out inputs.stain and "
            f"inputs.hed_jitter, and take another encoder than {EXTRACTOR}"
        )

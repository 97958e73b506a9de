"""Fit a row of the results on bags: closed-form models on mean features, networks on tiles."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from histoscribe.data.feature_source import mean_and_scale_of
from histoscribe.data.items.bag_table import BagTable
from histoscribe.data.items.kinds import Sides
from histoscribe.data.items.labelled_bags import LabelledBags
from histoscribe.data.target import Target
from histoscribe.data.transform import size_factors
from histoscribe.models.base import Estimator, ExpressionModel, Facts
from histoscribe.models.count_start import CountStart
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.limits import ValueRange
from histoscribe.predictor.predictor import Predictor
from histoscribe.predictor.reference import fit_reference
from histoscribe.predictor.saving import save_predictor
from histoscribe.seed import integer
from histoscribe.threads import fixed_threads
from histoscribe.train.bulk_data import BulkData
from histoscribe.train.row import ModelRow
from histoscribe.train.settings import RunSettings
from histoscribe.train.tables import training_table
from histoscribe.train.training_card import training_card
from histoscribe.types import CountFamily, Fold, SpotTable


def fit_bulk_predictor(
    bulk: BulkData,
    fold: Fold,
    row: ModelRow,
    target: Target,
    folder: Path,
    *,
    by_spot: bool = False,
) -> Predictor:
    """Fit one row on the training bags of a fold and save it as a predictor folder.

    With `by_spot` each training spot of a block is a bag of its own, with its own label: the same
    model with a label for every tile.
    """
    if by_spot:
        spots = training_table(bulk.run_data, fold, target, row.encoder)
        fitted = fit_bags(row, _single_spots(spots), spots, bulk.settings, folder / "resume")
    else:
        spots = bulk.mean_table(fold, target, row.encoder)
        bags = bulk.bag_table(fold, target, row.encoder)
        fitted = fit_bags(row, bags, spots, bulk.settings, folder / "resume")
    drawn = bulk.drawn_tiles(fold, row.encoder)
    reference = fit_reference(drawn.table, bulk.cohort, drawn.rows, bulk.settings.seed)
    predictor = Predictor(
        row.name,
        fitted,
        target,
        bulk.run_data.encoding(row.encoder, fold),
        training_card(bulk.run_data, fold, row, target, fitted, spots),
        reference,
        ValueRange.of(spots.target),
        device=bulk.settings.run.device,
        _encoder=bulk.run_data.source(row.encoder).open(fold),
    )
    return save_predictor(predictor, folder)


def fit_bags(
    row: ModelRow, bags: BagTable, means: SpotTable, settings: RunSettings, resume: Path
) -> Fitted:
    """Fit a row on bags; closed-form models on `means`, one row a bag.

    A network is trained once for each inner split up to `train.members`, each time with other
    validation bags and another start; without inner splits, or with `keep = "last"`, on all bags.
    """
    with fixed_threads(settings.run.threads):
        return _fit_bags(row, bags, means, settings, resume)


def _fit_bags(
    row: ModelRow, bags: BagTable, means: SpotTable, settings: RunSettings, resume: Path
) -> Fitted:
    cls = row.cls
    if issubclass(cls, Estimator):
        return Fitted(cls(row.config).fit(means))
    mean, scale = mean_and_scale_of(bags.feature, bags.runs)
    facts = Facts(
        feature_mean=mean,
        feature_scale=scale,
        target_mean=bags.target.mean(axis=0, dtype=np.float64),
        target_scale=bags.target.std(axis=0, dtype=np.float64),
        counts=settings.train.counts,
        count_start=_count_start(bags, settings.train.counts),
    )
    first, *others = (
        _member(partial(cls, facts, row.config), bags, row.name, settings, resume, number)
        for number in range(settings.train.members)
    )
    return Fitted(first, others=tuple(others))


def _count_start(bags: BagTable, family: CountFamily | None) -> CountStart | None:
    if family is None:
        return None
    if bags.counts is None:
        raise ValueError(f"the loss {family!r} reads counts, and these bags have none")
    factors = size_factors(np.expm1(bags.log_total)).astype(np.float32)
    return CountStart.of_counts(family, bags.counts.astype(np.float32), factors)


def _member(
    make: Callable[[], ExpressionModel],
    bags: BagTable,
    name: str,
    settings: RunSettings,
    resume: Path,
    number: int,
) -> ExpressionModel:
    """Train one network with the validation bags of its own inner split."""
    from histoscribe.train.loop import train_network  # lightning takes two seconds

    seed = settings.seed if number == 0 else integer(settings.seed, f"member-{number}")
    fit, val = np.arange(len(bags)), None
    if settings.train.keep == "best" and bags.inner:
        fit, val = bags.inner[number]
    sides = Sides(LabelledBags(bags), fit, val)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer(seed, f"init-{name}"))
        model = make()
        seeded = settings.model_copy(update={"seed": seed})
        train_network(model, sides, seeded, resume / f"member-{number}")
    return model.eval()


def _single_spots(spots: SpotTable) -> BagTable:
    """Make bags of one spot each from a table."""
    if spots.xy_um is None:
        raise ValueError("these spots have no places")
    return BagTable(
        feature=spots.feature,
        xy_um=spots.xy_um,
        slide=spots.keys.section,
        runs=tuple(np.arange(len(spots))[:, None]),
        target=spots.target,
        log_total=spots.log_total,
        keys=spots.keys,
        inner=spots.inner,
        encoder=spots.encoder,
        counts=spots.counts,
        concept=spots.concept,
        sites=spots.sites,
    )

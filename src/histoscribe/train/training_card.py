"""Training card of a predictor: its data and settings."""

from dataclasses import replace
from pathlib import Path

from histoscribe.data.target import Target
from histoscribe.models.base import Estimator, ExpressionModel
from histoscribe.models.catalog import model_source
from histoscribe.models.recipe import Corners
from histoscribe.predictor.facts import (
    cohort_card,
    encoder_card,
    gene_names,
    rows_card,
    spot_sizes,
    versions,
)
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.folder import sha256
from histoscribe.train.departures import departures
from histoscribe.train.row import ModelRow
from histoscribe.train.run_data import RunData
from histoscribe.train.steer_record import steer_card
from histoscribe.train.turns import Turned, turned_input
from histoscribe.train.weight_needs import initial_weights
from histoscribe.types import Fold, PathwaysCard, SpotTable, TrainingCard


def training_card(
    run_data: RunData, fold: Fold, row: ModelRow, target: Target, fitted: Fitted, table: SpotTable
) -> TrainingCard:
    """Training card of a predictor, without test sections: canaries compare its bytes."""
    source, n_views = run_data.source(row.encoder), run_data.tiles.n_views
    card = TrainingCard(
        protocol=fold.protocol,
        validation=fold.validation if table.leaked is None else "the test section",
        seed=run_data.settings.seed,
        training_spots=rows_card(fold.train),
        sections=cohort_card(run_data.cohort, fold.train),
        spots_um=spot_sizes(run_data.cohort, fold.train),
        target=target.card(),
        gene_names=gene_names(run_data.cohort, fold.train, target.genes),
        n_features=int(table.feature.shape[1]),
        train=run_data.settings.train.of(row.recipe).model_dump(mode="json"),
        versions=versions(),
        encoder=encoder_card(source.open(fold).record, source.needs()),
        n_parameters=n_parameters(fitted.model),
        views=n_views,
        source=model_source(row.model),
        hed_jitter=run_data.settings.inputs.hed_jitter if n_views else 0.0,
    )
    if isinstance(fitted.model, Estimator):
        return card
    return replace(
        card,
        row=row.name,
        departures=departures(run_data.settings, row),
        turned=_turned(fitted.model),
        corners=_corners(fitted.model),
        steer=steer_card(run_data.settings.steer, [of.choice for of in fitted.members]),
        weights=_start(initial_weights(row, run_data.weights)),
        exemplars=None if fitted.lookup is None else fitted.lookup.card(),
        pathways=None if fitted.pathways is None else _pathways_card(run_data, fold, target),
    )


def _pathways_card(run_data: RunData, fold: Fold, target: Target) -> PathwaysCard | None:
    found = run_data.pathways(fold.train, target)
    return None if found is None else found.card


def _turned(model: ExpressionModel) -> Turned | None:
    return (
        turned_input(model.inputs(model.config))
        if model.recipe(model.config).turned != "no"
        else None
    )


def _corners(model: ExpressionModel) -> Corners | None:
    recipe = model.recipe(model.config)
    return recipe.corners if _turned(model) and recipe.turned == "any-angle" else None


def _start(initial: Path | None) -> str:
    """What a network started from, as its card says it."""
    return "none" if initial is None else f"sha256:{sha256(initial)}"


def n_parameters(model: Estimator | ExpressionModel) -> int:
    """Number of fitted parameters: trainable weights of a network, arrays of an estimator."""
    if isinstance(model, Estimator):
        return sum(array.size for array in model.state().values())
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)

"""What egn_simulated.py adds to a run: a blend of rows, and what the exemplars' motifs allow.

The cohort says which motif each spot shows, so each row's exemplars can be counted as right (the
motif of the spot) or wrong. The rows here read the motifs of test spots: they are ceilings, no
predictions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _simulated_scores import correlations
from jaxtyping import Bool, Float, Int

from histoscribe.benchmark.cell import cell_prediction, predictor_folder
from histoscribe.benchmark.plan import RunPlan
from histoscribe.data.exemplars.lookup import read_exemplar_keys, training_exemplars
from histoscribe.data.items.spots import SpotItems
from histoscribe.models.base import ExpressionModel
from histoscribe.models.inner_validation import validation_score
from histoscribe.models.networks.egn_readout import ReadoutEGN
from histoscribe.predictor.forward import predict_items
from histoscribe.predictor.saving import load_predictor
from histoscribe.simulate import read_truth
from histoscribe.ties import first_best
from histoscribe.train.tables import fit_and_val_rows, row_table
from histoscribe.types import Fold, SpotKeys

NETWORK, NEIGHBOURS, BLEND = "egn-alone", "knn-exemplars", "blend"
NEAREST = "egn"
"""Row whose exemplars the ceiling `right-of-nearest` takes."""
OF_NEAREST, OF_ALL, RATE = "right-of-nearest", "right-of-all", "true-rate"
CEILINGS = (OF_NEAREST, OF_ALL, RATE)

_SHARES = np.linspace(0.0, 1.0, 21)
_BySection = Mapping[str, Float[np.ndarray, "N G"]]


@dataclass(frozen=True, eq=False)
class Motifs:
    """Truth of the spots of a cohort, by the folder of its manifest."""

    folder: Path

    def of(self, keys: SpotKeys) -> Int[np.ndarray, " N"]:
        """Motif of each spot."""
        found = np.empty(len(keys), dtype=np.int64)
        for section, _, rows in keys.by_section():
            truth = read_truth(self.folder, section)
            motif = dict(zip(truth.spot_ids, truth.motif.tolist(), strict=True))
            found[rows] = [motif[spot] for spot in keys.spot[rows].tolist()]
        return found

    def of_tested(self, plan: RunPlan, fold: Fold, section: str) -> Int[np.ndarray, " N"]:
        """Motif of each test spot of a section."""
        return self.of(_tested(plan, fold, section))


def retrieval(plan: RunPlan, fold: Fold, motifs: Motifs) -> pd.DataFrame:
    """Right exemplars of each row that has any: mean `share` of a spot, and spots with `any`.

    Of a readout also the `weight` of the right ones, and its learned `gain` and `sharpness`.
    `chance` is the share of right spots in the pool, `spots` the share of spots with any there. One
    row a model and test section.
    """
    parts = []
    for model in plan.settings.models:
        file = predictor_folder(plan.out, model, fold) / "exemplars.safetensors"
        if not file.exists():
            continue
        of_pool = motifs.of(read_exemplar_keys(file))
        for section in sorted(fold.test):
            of_spot = motifs.of_tested(plan, fold, section)[:, None]
            right = of_pool[_exemplar_rows(plan, fold, model, section)] == of_spot
            eligible = of_pool[None] == of_spot
            parts.append(
                {
                    "model": model,
                    "section": section,
                    "patient": str(plan.run_data.cohort.patients[section]),
                    "share": right.mean(),
                    "any": right.any(axis=1).mean(),
                    **_readout(plan, fold, model, section, right),
                    "chance": eligible.mean(),
                    "spots": eligible.any(axis=1).mean(),
                }
            )
    return pd.DataFrame(parts)


def ceiling_scores(plan: RunPlan, fold: Fold, motifs: Motifs) -> pd.DataFrame:
    """Scores of three ceilings, which read the motifs of the test spots.

    `right-of-nearest` is the mean expression of a spot's right exemplars, or of all of its
    exemplars where none is right; `right-of-all` that of all right spots of the pool, or of the
    whole pool; `true-rate` the share of each gene from which the counts were drawn.
    """
    predictor = load_predictor(predictor_folder(plan.out, NEAREST, fold), plan.run_data.weights)
    if predictor.fitted.lookup is None:
        raise ValueError(f"row {NEAREST!r} has no exemplars")
    pool = predictor.fitted.lookup.pool
    of_pool, genes = motifs.of(pool.keys), plan.targets[fold.name].genes
    predicted: dict[str, dict[str, np.ndarray]] = {name: {} for name in CEILINGS}
    for section in sorted(fold.test):
        right = of_pool[None] == motifs.of_tested(plan, fold, section)[:, None]
        near = np.zeros_like(right)
        np.put_along_axis(near, _exemplar_rows(plan, fold, NEAREST, section), values=True, axis=1)
        predicted[OF_NEAREST][section] = _mean_over(right & near, near) @ pool.target
        predicted[OF_ALL][section] = _mean_over(right, np.ones_like(right)) @ pool.target
        truth = read_truth(motifs.folder, section)
        row = {spot: at for at, spot in enumerate(truth.spot_ids)}
        rows = [row[spot] for spot in _tested(plan, fold, section).spot.tolist()]
        columns = [truth.gene_ids.index(gene) for gene in genes]
        predicted[RATE][section] = truth.rates[np.ix_(rows, columns)]
    return pd.concat([correlations(plan, fold, name, predicted[name]) for name in CEILINGS])


def blend_scores(plan: RunPlan, fold: Fold) -> tuple[pd.DataFrame, float]:
    """Scores of a blend of the network without exemplars and their mean, and the share of the mean.

    One share for all genes: that of the best score on the inner validation patient, which chose
    the epoch of the network, too. Raises ValueError for a run without one.
    """
    share = _best_share(plan, fold)
    predicted = {}
    for section in sorted(fold.test):
        network, near = (
            cell_prediction(plan, fold, row, section).values for row in (NETWORK, NEIGHBOURS)
        )
        predicted[section] = (1 - share) * network + share * near
    return correlations(plan, fold, BLEND, predicted), share


def _best_share(plan: RunPlan, fold: Fold) -> float:
    settings = plan.settings
    row = settings.row(NETWORK)
    table = row_table(plan.run_data, fold, plan.targets[fold.name], row)
    fit, val = fit_and_val_rows(table, settings.train.keep)
    folder = predictor_folder(plan.out, NETWORK, fold)
    model = load_predictor(folder, plan.run_data.weights).model
    if val is None or not isinstance(model, ExpressionModel):
        raise ValueError("the blend is chosen on a validation patient, with train.keep = 'best'")
    exemplars = training_exemplars(
        table, fit, settings.exemplars, seed=settings.seed, perceptual=None,
        device=torch.device("cpu"),
    )  # fmt: skip
    near = exemplars.target[exemplars.rows[val]].mean(axis=1)
    network = predict_items(model, SpotItems(table), val).expression
    scores = [
        validation_score(
            ((1 - share) * network + share * near).astype(np.float32),
            table.target[val],
            table.keys.section[val],
        )
        for share in _SHARES
    ]
    return float(_SHARES[first_best(scores)])


def _tested(plan: RunPlan, fold: Fold, section: str) -> SpotKeys:
    of = plan.run_data.cohort[section]
    return SpotKeys.of_section(section, of.patient, of.spots.ids).take(fold.test[section])


def _exemplar_rows(plan: RunPlan, fold: Fold, model: str, section: str) -> Int[np.ndarray, "N E"]:
    """Rows of the pool that a row of the table was given for the test spots of a section."""
    evidence = cell_prediction(plan, fold, model, section).head.evidence
    return evidence["exemplar_row"].astype(np.int64)


def _readout(
    plan: RunPlan, fold: Fold, model: str, section: str, right: Bool[np.ndarray, "N E"]
) -> dict[str, float]:
    """Mean weight of the right exemplars in the readout of a row, and what it learned."""
    folder = predictor_folder(plan.out, model, fold)
    fitted = load_predictor(folder, plan.run_data.weights).fitted
    network, lookup = fitted.model, fitted.lookup
    if not isinstance(network, ReadoutEGN) or lookup is None:
        return {}
    encoder = plan.settings.row(model).encoder
    feature = plan.run_data.features(encoder, section, fold)[fold.test[section]]
    of_exemplars = lookup.pool.feature[_exemplar_rows(plan, fold, model, section)]
    with torch.inference_mode():
        weight = network.exemplar_weights(
            torch.from_numpy(feature), torch.from_numpy(of_exemplars)
        ).numpy()
        gain, sharpness = network.readout_gain.item(), network.sharpness.item()
    of_right = float((weight * right).sum(axis=1).mean())
    return {"weight": of_right, "gain": gain, "sharpness": sharpness}


def _mean_over(
    chosen: Bool[np.ndarray, "N M"], otherwise: Bool[np.ndarray, "N M"]
) -> Float[np.ndarray, "N M"]:
    """Weights of a mean over the marked columns; over `otherwise` in rows without any."""
    weight = np.where(chosen.any(axis=1, keepdims=True), chosen, otherwise)
    return weight / weight.sum(axis=1, keepdims=True)

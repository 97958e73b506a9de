"""Checks of the scores of a run."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from histoscribe.benchmark.cell import predictor_folder
from histoscribe.benchmark.plan import RunPlan
from histoscribe.benchmark.results import NOT_MODELS, Results
from histoscribe.benchmark.score import ORACLE, Truth
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.models.base import model_class
from histoscribe.models.closed_form.depth import DepthModel
from histoscribe.predictor.saving import load_predictor
from histoscribe.types import Check

COLLAPSED = 0.01
"""Share of the measured variance over spots below which a predicted gene counts as collapsed."""

_N_WORST = 5

DEPTH_R = 0.2
"""Correlation of predicted with measured log total above which depth counts as visible."""


def nothing_found(results: Results) -> Iterator[Check]:
    """All models score within the shuffled band."""
    best, top = results.best(), results.band_top("pcc_given_depth")
    score = results.mean(best, "pcc_given_depth")
    if not score > top:
        yield Check(
            "inside-band",
            "warning",
            f"no model is above the shuffled band: the best ({best}) has pcc_given_depth "
            f"{score:.3f}, shuffled labels reach {top:.3f}",
            "claim nothing from this run; check alignment, um/px and depth first",
        )


def depth_is_visible(results: Results) -> Iterator[Check]:
    """The image predicts the depth of spots."""
    by_patient = _depth_correlations(results.plan, results.truths)
    if by_patient and np.mean(list(by_patient.values())) > DEPTH_R:
        listed = ", ".join(f"{name} {r:.2f}" for name, r in sorted(by_patient.items()))
        yield Check(
            "depth-visible",
            "warning",
            "the image predicts the number of molecules of a spot (correlation of predicted with "
            f"measured log total, by test patient: {listed}); a model can score by depth alone",
            "read pcc_given_depth together with pcc, and the rows depth and oracle-depth",
        )


def depth_explains(results: Results) -> Iterator[Check]:
    """Predicted depth alone scores almost as well as the best model."""
    best = results.best()
    if "depth" not in results.plan.settings.models or best == "depth":
        return
    score, depth = results.mean(best, "pcc"), results.mean("depth", "pcc")
    if depth > max(0.5 * score, results.band_top("pcc")):
        robust = results.plan.settings.target.transform == "pearson-residuals"
        change = "" if robust else 'use transform = "pearson-residuals", and '
        yield Check(
            "depth-explains",
            "warning",
            f"predicted depth alone has pcc {depth:.3f}; {best}, the best given depth, {score:.3f}",
            f"{change}judge the models by pcc_given_depth",
        )


def collapsed(results: Results) -> Iterator[Check]:
    """Networks whose predictions hardly vary over spots."""
    rows = [row for row in results.plan.settings.rows if row.is_network and row.item != "bag"]
    listed = [text for row in rows if (text := _collapsed_genes(results.spread, row.name))]
    if listed:
        yield Check(
            "collapsed",
            "warning",
            f"genes whose predicted variance over the spots of a section is below "
            f"{COLLAPSED:.0%} of the measured one: {'; '.join(listed)}",
            "train longer or with another learning rate, and compare with ridge. A prediction "
            "without bias varies as little where its correlation is below 0.1",
        )


def _collapsed_genes(spread: pd.DataFrame, model: str) -> str:
    """Number of collapsed genes of a model and the names of the worst; empty without any."""
    of = spread[spread["model"] == model]
    share = (of["predicted"] / of["measured"]).to_numpy()
    below = np.flatnonzero(share < COLLAPSED)
    worst = below[np.lexsort((of["gene"].to_numpy()[below], share[below]))][:_N_WORST]
    if not len(worst):
        return ""
    names = ", ".join(f"{of['gene'].iloc[gene]} {share[gene]:.2%}" for gene in worst)
    return f"{model} {len(below)} of {len(of)} genes, the worst {names}"


def undefined(results: Results) -> Iterator[Check]:
    """Number of undefined scores."""
    table = results.summary
    pcc = table[(table["metric"] == "pcc") & ~table["model"].isin(NOT_MODELS)]
    n_scores = sum(len(truth.genes) for truth in results.truths)
    n_undefined = int(pcc["n_undefined"].max())
    if n_undefined:
        yield Check(
            "undefined-scores",
            "info",
            f"{n_undefined} of {n_scores} scores (gene and section) are undefined: the gene is "
            "constant or not measured there; they are left out of every mean",
            "a smaller panel of well-detected genes has fewer of them",
        )


def patients_scored(results: Results) -> Iterator[Check]:
    """Rows that predict one value a patient."""
    rows = [row.name for row in results.plan.settings.rows if row.item == "bag"]
    if rows:
        n_patients = len({truth.patient for truth in results.truths})
        yield Check(
            "scored-by-patient",
            "info",
            f"{', '.join(rows)} predict one value a patient: see pcc_over_patients, over "
            f"{n_patients} patients. Other rows have the mean of their spots there. A row that "
            "predicts the mean of its training patients has -1 where each patient is predicted "
            f"from the others. The maps and spot scores of {', '.join(rows)} are of bags of one "
            "spot each, which no such model was trained on",
            "judge these rows by pcc_over_patients, and compare it with the other rows",
        )


def constant(results: Results) -> Iterator[Check]:
    """Number of constant predictions."""
    listed = [f"{m} {n}" for m, n in results.constant.items() if n and m not in ("mean", ORACLE)]
    if listed:
        yield Check(
            "constant-predictions",
            "info",
            f"scores that are 0 because the prediction is constant: {', '.join(listed)}",
            "a model that collapses to the mean has learned nothing for those genes",
        )


def _depth_correlations(plan: RunPlan, truths: Sequence[Truth]) -> dict[str, float]:
    """Correlation of predicted with measured log total, mean over the sections of a patient."""
    if "depth" not in plan.settings.models:
        return {}
    by_patient: dict[str, list[float]] = {}
    encoder = model_class("depth").encoder
    for fold in plan.folds:
        predictor = load_predictor(predictor_folder(plan.out, "depth", fold))
        if not isinstance(predictor.model, DepthModel):
            raise TypeError("the predictor named depth holds another model")
        for section, rows in sorted(fold.test.items()):
            feature = plan.run_data.features(encoder, section, fold)[rows]
            predicted = predictor.model.predict_log_total(feature)
            measured = np.log1p(plan.run_data.cohort[section].measured.total[rows])
            r = float(pearson_per_gene(predicted[:, None], measured[:, None])[0])
            patient = str(plan.run_data.cohort.patients[section])
            by_patient.setdefault(patient, []).append(r)
    return {name: float(np.nanmean(values)) for name, values in by_patient.items()}

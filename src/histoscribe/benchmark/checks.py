"""What a run says against itself: each check has a code, a reason and what to do."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd

from histoscribe.benchmark.band import SHUFFLED
from histoscribe.benchmark.cell import predictor_folder
from histoscribe.benchmark.plan import Plan
from histoscribe.benchmark.score import ORACLE, Truth
from histoscribe.data.folds import leaky
from histoscribe.data.tissue import tissue_mask
from histoscribe.io.twins import twin_images
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.metrics.summary import MIN_PATIENTS
from histoscribe.models.base import list_models, model_class
from histoscribe.models.depth import DepthModel
from histoscribe.progress import track
from histoscribe.train.predictor import load_predictor

SHALLOW = 1000
"""Median total count of a section below which its truth is mostly sampling noise."""
ON_TISSUE = 0.8
"""Share of a section's spots whose centre lies on tissue, below which image and spots may not fit:
it is 0.91 to 1 in the real sections it was tried on."""
COARSE_MPP = 2.0
"""um/px above which a nucleus is a few pixels."""
DEPTH_R = 0.2
"""Correlation of predicted with measured log total above which depth is called visible."""
NOT_MODELS = (ORACLE, SHUFFLED)


@dataclass(frozen=True)
class Check:
    """One finding of a run about itself."""

    code: str
    level: Literal["info", "warning"]
    message: str
    remedy: str

    def to_json(self) -> dict[str, str]:
        """As plain values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Results:
    """What the checks look at."""

    plan: Plan
    truths: Sequence[Truth]
    """Of every fold."""
    summary: pd.DataFrame
    constant: dict[str, int]
    """Scores of each model that are 0 because its prediction was constant."""

    def mean(self, model: str, metric: str) -> float:
        """A model's mean in the summary."""
        return float(self._row(model, metric)["mean"])

    def band_top(self, metric: str) -> float:
        """97.5 percentile of the shuffled runs."""
        return float(self._row(SHUFFLED, metric)["high"])

    def best(self) -> str:
        """The model with the highest `pcc_given_depth`; the mean only where it is alone."""
        models = [name for name in self.plan.settings.models if name != "mean"] or ["mean"]
        means = {model: self.mean(model, "pcc_given_depth") for model in models}
        return max(means, key=lambda model: np.nan_to_num(means[model], nan=-np.inf))

    def _row(self, model: str, metric: str) -> pd.Series:
        table = self.summary
        return table[(table["model"] == model) & (table["metric"] == metric)].iloc[0]


def run_checks(results: Results) -> list[Check]:
    """Every check that has something to say."""
    return [check for of in _CHECKS for check in of(results)]


def _protocol_leaks(results: Results) -> Iterator[Check]:
    reason = leaky(results.plan.settings.folds.protocol)
    if reason is not None:
        yield Check("leaky", "warning", f"leaky protocol: {reason}", 'use protocol = "patient"')


def _few_patients(results: Results) -> Iterator[Check]:
    n_patients = len({truth.patient for truth in results.truths})
    if n_patients < MIN_PATIENTS:
        yield Check(
            "few-patients",
            "warning",
            f"too few patients ({n_patients}) for an interval over them or a ranking of models",
            "read the values per patient; add patients before comparing models",
        )


def _weak_validation(results: Results) -> Iterator[Check]:
    weak = [fold for fold in results.plan.folds if fold.validation != "patient"]
    if weak and results.plan.settings.folds.protocol == "patient":
        held = ", ".join(f"{fold.name} by {fold.validation}" for fold in weak)
        yield Check(
            "inner-validation",
            "info",
            f"choices could not be made on whole patients in every fold: {held}",
            "with two training patients or more in a fold, inner validation is by patient",
        )


def _nothing_found(results: Results) -> Iterator[Check]:
    best, top = results.best(), results.band_top("pcc_given_depth")
    score = results.mean(best, "pcc_given_depth")
    if not score > top:
        yield Check(
            "inside-band",
            "warning",
            f"no model leaves the shuffled band: the best ({best}) has pcc_given_depth "
            f"{score:.3f}, shuffled labels reach {top:.3f}",
            "claim nothing from this run; look at alignment, um/px and depth first",
        )


def _depth_is_visible(results: Results) -> Iterator[Check]:
    by_patient = _depth_correlations(results.plan, results.truths)
    if by_patient and np.mean(list(by_patient.values())) > DEPTH_R:
        listed = ", ".join(f"{name} {r:.2f}" for name, r in sorted(by_patient.items()))
        yield Check(
            "depth-visible",
            "warning",
            "the image predicts how many molecules a spot caught (correlation of predicted with "
            f"measured log total, by test patient: {listed}); a model can score by depth alone",
            "read pcc_given_depth beside pcc, and the rows depth and oracle-depth",
        )


def _depth_explains(results: Results) -> Iterator[Check]:
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


def _no_baselines(results: Results) -> Iterator[Check]:
    asked = results.plan.settings.models
    wanted = ("mean", "colour", "depth", "knn", "ridge", "mlp")
    missing = [name for name in wanted if name not in asked and name in list_models()]
    if missing:
        yield Check(
            "baselines-missing",
            "info",
            f"baselines not run: {', '.join(missing)}",
            "add them to models: a model is judged beside them",
        )


def _shallow(results: Results) -> Iterator[Check]:
    cohort = results.plan.bank.cohort
    medians = {s.id: float(np.median(s.measured.total)) for s in cohort}
    listed = [f"{name} ({median:.0f})" for name, median in medians.items() if median < SHALLOW]
    if listed:
        yield Check(
            "shallow",
            "info",
            f"median total count below {SHALLOW}: {', '.join(listed)}",
            "expect low correlations there whatever the model: the truth is noisy",
        )


def _coarse(results: Results) -> Iterator[Check]:
    mpp = results.plan.settings.inputs.mpp
    if mpp > COARSE_MPP:
        yield Check(
            "coarse-image",
            "warning",
            f"tiles are read at {mpp:g} um/px: nuclei are a few pixels wide",
            "give the full-resolution image; compare no morphology models at this resolution",
        )


def _random_weights(results: Results) -> Iterator[Check]:
    encoding, _ = results.plan.bank.opened(None)
    if encoding.weights.startswith("random"):
        yield Check(
            "random-weights",
            "warning",
            f"the encoder {encoding.encoder} has random weights",
            "give its weights: --weights NAME=FILE",
        )


def _off_tissue(results: Results) -> Iterator[Check]:
    share = {
        section.id: float(tissue_mask(section.slide).at(section.spots.xy).mean())
        for section in track(results.plan.bank.cohort, "tissue under the spots")
    }
    listed = [f"{name} ({100 * on:.0f} %)" for name, on in share.items() if on < ON_TISSUE]
    if listed:
        yield Check(
            "spots-off-tissue",
            "warning",
            f"few spots lie on tissue: {', '.join(listed)}",
            "look at the overlay of these sections: image and positions may not belong together",
        )


def _undefined(results: Results) -> Iterator[Check]:
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
            "a smaller panel of well-detected genes has fewer",
        )


def _constant(results: Results) -> Iterator[Check]:
    listed = [f"{m} {n}" for m, n in results.constant.items() if n and m not in ("mean", ORACLE)]
    if listed:
        yield Check(
            "constant-predictions",
            "info",
            f"scores that are 0 because the prediction is constant: {', '.join(listed)}",
            "a model that collapses to the mean has learned nothing for those genes",
        )


def _twins(results: Results) -> Iterator[Check]:
    found = twin_images(results.plan.bank.cohort)
    if found:
        listed = ", ".join(" = ".join(twin.id for twin in twins) for twins in found)
        yield Check(
            "twin-images",
            "warning",
            f"sections of one patient with equal pixels: {listed}",
            "check that each section has its own image",
        )


def _depth_correlations(plan: Plan, truths: Sequence[Truth]) -> dict[str, float]:
    """Correlation of predicted with measured log total: sections, then patients."""
    if "depth" not in plan.settings.models:
        return {}
    by_patient: dict[str, list[float]] = {}
    encoder = model_class("depth").encoder
    for fold in plan.folds:
        predictor = load_predictor(predictor_folder(plan.out, "depth", fold))
        if not isinstance(predictor.model, DepthModel):
            raise TypeError("the predictor named depth holds another model")
        for section, rows in sorted(fold.test.items()):
            feature = plan.bank.features(encoder, section)[rows]
            predicted = predictor.model.predict_log_total(feature)
            measured = np.log1p(plan.bank.cohort[section].measured.total[rows])
            r = float(pearson_per_gene(predicted[:, None], measured[:, None])[0])
            patient = str(plan.bank.cohort.patients[section])
            by_patient.setdefault(patient, []).append(r)
    return {name: float(np.nanmean(values)) for name, values in by_patient.items()}


_CHECKS: tuple[Callable[[Results], Iterator[Check]], ...] = (
    _protocol_leaks,
    _few_patients,
    _nothing_found,
    _depth_is_visible,
    _depth_explains,
    _random_weights,
    _coarse,
    _off_tissue,
    _twins,
    _weak_validation,
    _no_baselines,
    _shallow,
    _undefined,
    _constant,
)

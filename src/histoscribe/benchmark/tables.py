"""summary.csv and genes.csv, from the scores."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import skew

from histoscribe.benchmark.band import METRICS as BAND_METRICS
from histoscribe.benchmark.band import SHUFFLED, Shuffled
from histoscribe.benchmark.score import EVERY, Truth
from histoscribe.metrics.chance import ChanceCount, q_values, spread_of_noise
from histoscribe.metrics.summary import SectionScores, Summary, pcc_at, summarise

SUMMARY_COLUMNS = ("model", "metric", "mean", "low", "high", "n_patients", "n_undefined")


def summary_table(
    scores: pd.DataFrame,
    band: Sequence[Shuffled],
    seed: int,
    more: Sequence[tuple[object, ...]] = (),
) -> pd.DataFrame:
    """One row per model and metric: mean over patients, with its interval if it has one.

    `more` are rows of metrics that are no mean over sections.

    The rows of `shuffled` give the mean of 100 shuffled runs, with the 2.5 and 97.5 percentiles
    of those runs as `low` and `high`.
    """
    patients = scores[scores["section"] != EVERY].groupby("fold")["patient"].unique()
    rows = [
        _row(model, metric, _summary(of_metric, patients, seed))
        for (model, metric), of_metric in scores.groupby(["model", "metric"], sort=False)
    ]
    for model, of_model in scores.groupby("model", sort=False):
        rows.extend(_named_summaries(str(model), of_model, seed))
    rows.extend(more)
    rows.extend(_band_rows(band))
    table = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    order = {model: i for i, model in enumerate(dict.fromkeys(table["model"]))}
    return table.sort_values("model", key=lambda names: names.map(order), kind="stable")


def section_scores(scores: pd.DataFrame) -> list[SectionScores]:
    """Scores of one model and metric, by fold and section."""
    return [
        SectionScores(str(section), str(patient), part["value"].to_numpy(dtype=np.float64))
        for (_, section, patient), part in scores.groupby(["fold", "section", "patient"])
    ]


def band_runs(band: Sequence[Shuffled], metric: str) -> Float[np.ndarray, " runs"]:
    """One score per shuffled run, averaged as for a model: over genes, sections, then patients."""
    by_patient: dict[str, list[np.ndarray]] = {}
    for part in band:
        by_patient.setdefault(part.patient, []).append(_mean(part.scores[metric], axis=1))
    patients = [_mean(np.stack(sections), axis=0) for sections in by_patient.values()]
    return _mean(np.stack(patients), axis=0)


def genes_table(
    scores: pd.DataFrame, band: Sequence[Shuffled], truths: Sequence[Truth]
) -> pd.DataFrame:
    """One row per model and gene: scores over patients, with the shuffled band of the gene.

    `q` is that of `pcc_given_depth` over the genes of a model, see `metrics.chance.q_values`.
    """
    facts = _gene_facts(truths)
    null, least = null_per_gene(band), least_spread_per_gene(band, scores["fold"].nunique())
    parts = []
    for model, of_model in scores[scores["section"] != EVERY].groupby("model", sort=False):
        table = facts.copy()
        for metric in BAND_METRICS:
            table[metric] = over_patients(of_model[of_model["metric"] == metric])
        table["null_low"], table["null_high"] = limits(null)
        table["q"] = q_values(table["pcc_given_depth"].to_numpy(), null, least)
        parts.append(table.assign(model=model))
    columns = ["model", "gene", *BAND_METRICS, "null_low", "null_high", "q"]
    joined = pd.concat(parts).rename_axis("gene").reset_index()
    return joined[[*columns, "detection_rate", "skewness"]]


def chance_counts(genes: pd.DataFrame, models: Sequence[str]) -> dict[str, ChanceCount]:
    """Number of genes of each model above their band and above chance, from `genes.csv`."""
    columns = ["pcc_given_depth", "null_high", "q"]
    return {
        model: ChanceCount.of(*genes.loc[genes["model"] == model, columns].to_numpy(float).T)
        for model in models
    }


def _summary(scores: pd.DataFrame, patients: pd.Series, seed: int) -> Summary:
    """Summary of one model and metric; `patients` are those of each fold.

    A score pooled over several patients of a fold belongs to none of them, so it has no interval
    over patients.
    """
    summary = summarise(section_scores(scores), seed)
    if (scores["section"] == EVERY).all() and patients.map(len).max() > 1:
        n_patients = len({name for of_fold in patients for name in of_fold})
        return replace(summary, low=None, high=None, n_patients=n_patients)
    return summary


def _row(model: object, metric: object, summary: Summary) -> tuple[object, ...]:
    low, high = summary.low, summary.high
    return (model, metric, summary.mean, low, high, summary.n_patients, summary.n_undefined)


def _named_summaries(model: str, scores: pd.DataFrame, seed: int) -> list[tuple[object, ...]]:
    pooled = scores[scores["metric"] == "pcc_pooled"]
    at = pcc_at([part["value"].to_numpy() for _, part in pooled.groupby("fold")])
    n_undefined = int(pooled["value"].isna().sum())
    n_patients = scores.loc[scores["section"] != EVERY, "patient"].nunique()
    rows: list[tuple[object, ...]] = [
        (model, f"PCC@{letter}", value, None, None, n_patients, n_undefined)
        for letter, value in (("F", at.first_quartile), ("S", at.median), ("M", at.mean))
    ]
    pcc = section_scores(scores[scores["metric"] == "pcc"])
    return [*rows, _row(model, "median_pcc", summarise(pcc, seed, "median"))]


def _band_rows(band: Sequence[Shuffled]) -> list[tuple[object, ...]]:
    n_patients = len({part.patient for part in band})
    rows: list[tuple[object, ...]] = []
    for metric in BAND_METRICS:
        runs = band_runs(band, metric)
        low, high = np.percentile(runs, [2.5, 97.5])
        undefined = sum(int(np.isnan(part.scores[metric][0]).sum()) for part in band)
        rows.append((SHUFFLED, metric, runs.mean(), low, high, n_patients, undefined))
    return rows


def _gene_facts(truths: Sequence[Truth]) -> pd.DataFrame:
    genes = sorted({gene for truth in truths for gene in truth.genes})
    detected = pd.DataFrame(index=genes, columns=range(len(truths)), dtype=float)
    skewness = detected.copy()
    for i, truth in enumerate(truths):
        measured = np.isfinite(truth.measured).all(axis=0)
        of = [gene for gene, is_measured in zip(truth.genes, measured, strict=True) if is_measured]
        detected.loc[of, i] = (truth.counts[:, measured] > 0).mean(axis=0)
        values = truth.measured[:, measured].astype(np.float64)
        varies = np.ptp(values, axis=0) > 0
        skewness.loc[np.array(of)[varies], i] = skew(values[:, varies], axis=0)
    return pd.DataFrame(
        {"detection_rate": detected.mean(axis=1), "skewness": skewness.mean(axis=1)}
    )


def null_per_gene(band: Sequence[Shuffled]) -> Float[np.ndarray, "genes runs"]:
    """`pcc_given_depth` of each gene in each run, over sections, then patients; genes sorted."""
    genes = sorted({gene for part in band for gene in part.genes})
    place = {gene: i for i, gene in enumerate(genes)}
    by_patient: dict[str, list[np.ndarray]] = {}
    for part in band:
        scores = part.scores["pcc_given_depth"]
        padded = np.full((len(genes), len(scores)), np.nan)
        padded[[place[gene] for gene in part.genes]] = scores.T
        by_patient.setdefault(part.patient, []).append(padded)
    patients = [_mean(np.stack(sections), axis=0) for sections in by_patient.values()]
    return _mean(np.stack(patients), axis=0)


def least_spread_per_gene(band: Sequence[Shuffled], n_folds: int) -> Float[np.ndarray, " genes"]:
    """Deviation of the same mean for values that are independent from spot to spot; genes sorted.

    With several folds, for patients who train each other's (see `metrics.chance`). NaN for a gene
    that no test section measured.
    """
    genes = sorted({gene for part in band for gene in part.genes})
    place = {gene: i for i, gene in enumerate(genes)}
    by_patient: dict[str, list[np.ndarray]] = {}
    for part in band:
        variance = np.full(len(genes), np.nan)
        defined = np.isfinite(part.scores["pcc_given_depth"]).any(axis=0)
        columns = [place[gene] for gene in part.genes]
        spread = float(spread_of_noise(np.array(float(part.n_spots))))
        variance[columns] = np.where(defined, spread**2, np.nan)
        by_patient.setdefault(part.patient, []).append(variance)
    patients = [_variance_of_mean(np.stack(sections)) for sections in by_patient.values()]
    return np.sqrt((2 if n_folds > 1 else 1) * _variance_of_mean(np.stack(patients)))


def _variance_of_mean(variances: Float[np.ndarray, "n genes"]) -> Float[np.ndarray, " genes"]:
    """Variance of the mean of independent values with these variances; of defined ones."""
    defined = ~np.isnan(variances)
    count = defined.sum(axis=0)
    total = np.where(defined, variances, 0).sum(axis=0)
    return np.where(count > 0, total / np.square(np.maximum(count, 1)), np.nan)


def limits(null: Float[np.ndarray, "genes runs"]) -> Float[np.ndarray, "2 genes"]:
    """The 2.5 and 97.5 percentiles; NaN for a gene that no test section measured."""
    limits = np.full((2, len(null)), np.nan)
    defined = np.isfinite(null).any(axis=1)
    limits[:, defined] = np.nanpercentile(null[defined], [2.5, 97.5], axis=1)
    return limits


def over_patients(scores: pd.DataFrame) -> pd.Series:
    """Mean score of each gene: over sections within a patient, then over patients."""
    by_patient = scores.groupby(["gene", "patient"])["value"].mean()
    return by_patient.groupby("gene").mean()


def _mean(values: Float[np.ndarray, "*axes"], axis: int) -> Float[np.ndarray, "*less"]:
    """Mean of defined values; NaN without a warning if none are defined."""
    defined = np.isfinite(values)
    count = defined.sum(axis=axis)
    total = np.where(defined, values, 0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)

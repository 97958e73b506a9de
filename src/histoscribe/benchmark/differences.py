"""differences.csv: each model minus the baselines it must beat, paired by patient."""

import numpy as np
import pandas as pd

from histoscribe.benchmark.score import EVERY
from histoscribe.metrics.summary import SectionScores, paired_difference

BASELINES = ("depth", "ridge")
METRICS = ("pcc", "pcc_given_depth")
COLUMNS = ("model", "against", "metric", "mean", "low", "high", "n_patients")


def differences_table(scores: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row per model, baseline and metric: mean difference over patients with its interval.

    Differences are computed score by score (gene and section), so both models have the same genes.
    Below five patients `low` and `high` stay empty. If the interval covers 0, this run cannot
    distinguish the two models.
    """
    models = list(dict.fromkeys(scores["model"]))
    rows = []
    for metric in METRICS:
        parts = {model: _sections(scores, model, metric) for model in models}
        for against in (name for name in BASELINES if name in models):
            for model in (name for name in models if name != against):
                found = paired_difference(parts[model], parts[against], seed)
                interval = (found.low, found.high)
                rows.append((model, against, metric, found.mean, *interval, found.n_patients))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _sections(scores: pd.DataFrame, model: str, metric: str) -> list[SectionScores]:
    rows = scores[
        (scores["model"] == model) & (scores["metric"] == metric) & (scores["section"] != EVERY)
    ]
    # under the protocol `spot` a section is in every fold: the fold's name distinguishes the scores
    return [
        SectionScores(f"{fold}/{section}", str(patient), part["value"].to_numpy(dtype=np.float64))
        for (fold, section, patient), part in rows.groupby(["fold", "section", "patient"])
    ]

"""Results of a run as input of its checks, and their findings."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from histoscribe.benchmark.band import SHUFFLED
from histoscribe.benchmark.plan import RunPlan
from histoscribe.benchmark.score import ORACLE, Truth
from histoscribe.ties import best_first, first_best

NOT_MODELS = (ORACLE, SHUFFLED)


@dataclass(frozen=True, eq=False)
class Results:
    """Results of a run as input of the checks."""

    plan: RunPlan
    truths: Sequence[Truth]
    """Truths of every fold."""
    summary: pd.DataFrame
    constant: dict[str, int]
    """Number of scores of each model that are 0 because its prediction was constant."""
    spread: pd.DataFrame
    """See `spread.spread_table`."""
    parts: pd.DataFrame
    """See `part_tables.parts_table`."""
    alignment: pd.DataFrame
    """See `alignment.alignment_table`; of the best model."""
    foreign_alignment: pd.DataFrame = field(default_factory=pd.DataFrame)
    """The same of each foreign model, with a column `model`; empty in a benchmark."""

    def mean(self, model: str, metric: str) -> float:
        """Mean of a model in the summary."""
        return float(self._row(model, metric)["mean"])

    def band_top(self, metric: str) -> float:
        """97.5 percentile of the shuffled runs."""
        return float(self._row(SHUFFLED, metric)["high"])

    def best(self) -> str:
        """Model of the maps; see `best_model`."""
        return best_model(self.summary, self.plan.models)

    def _row(self, model: str, metric: str) -> pd.Series:
        return _row(self.summary, model, metric)


def best_model(summary: pd.DataFrame, models: Sequence[str]) -> str:
    """The model with the highest `pcc_given_depth`, the first of those that tie.

    The mean only where it is alone.
    """
    candidates = [name for name in models if name != "mean"] or ["mean"]
    means = [float(_row(summary, m, "pcc_given_depth")["mean"]) for m in candidates]
    return candidates[first_best(means)]


def ranked_genes(genes: pd.DataFrame, model: str) -> tuple[str, ...]:
    """Genes of a model in `genes.csv` by falling `pcc_given_depth`; ties by name.

    A gene whose score is undefined has no rank and is left out.
    """
    known = genes[genes["model"] == model].dropna(subset=["pcc_given_depth"]).sort_values("gene")
    order = best_first(known["pcc_given_depth"].to_numpy(dtype=float))
    return tuple(str(name) for name in known["gene"].iloc[order])


def _row(summary: pd.DataFrame, model: str, metric: str) -> pd.Series:
    return summary[(summary["model"] == model) & (summary["metric"] == metric)].iloc[0]

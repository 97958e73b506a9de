"""Shared by the comparisons on simulated cohorts: scores of several seeds, and their table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.benchmark.plan import RunPlan
from histoscribe.benchmark.score import EVERY, truth_of
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.metrics.summary import SectionScores, Summary, paired_difference, summarise
from histoscribe.types import Fold


@dataclass(frozen=True, eq=False)
class SimulatedScores:
    """Correlations by gene and section of the cohorts of several seeds."""

    scores: pd.DataFrame
    families: tuple[str, ...]
    """Families of genes in the table; by the first it also lists every seed."""
    unit: str
    """What the intervals are over: `patient` (of all seeds) or `seed`."""

    @classmethod
    def of_seeds(
        cls, runs: Mapping[int, pd.DataFrame], families: Sequence[str], unit: str
    ) -> "SimulatedScores":
        """Correlations of the runs of several seeds; patients of two seeds are two patients."""
        scores = pd.concat(_of_seed(table, seed) for seed, table in runs.items())
        return cls(scores, tuple(families), unit)

    @property
    def n_patients(self) -> int:
        """Number of test patients of all seeds."""
        return int(self.scores["patient"].nunique())

    def gain(self, pair: tuple[str, str], family: str) -> Summary:
        """Mean difference of two rows, paired by gene and section."""
        first, second = (self._sections(name, family) for name in pair)
        return paired_difference(first, second, seed=0)

    def figures(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, float]]:
        """Name and value of each difference, with the ends of its interval."""
        for pair in pairs:
            for family in self.families:
                found = self.gain(pair, family)
                name = f"{pair[0]}_minus_{pair[1]}_{family}"
                yield name, found.mean
                if found.low is not None and found.high is not None:
                    yield f"{name}_low", found.low
                    yield f"{name}_high", found.high

    def table(
        self,
        rows: Sequence[str],
        pairs: Sequence[tuple[str, str]],
        more: Mapping[str, Mapping[str, str]] | None = None,
    ) -> str:
        """Mean correlation and differences, paired, with 95 % over the units.

        `more` gives further columns: the cells of rows, by the heading of the column.
        """
        more = more or {}
        found: Mapping[str, dict[str, Summary]] = {
            name: {
                family: summarise(self._sections(name, family), seed=0) for family in self.families
            }
            for name in rows
        } | {
            f"{first} - {second}": {
                family: self.gain((first, second), family) for family in self.families
            }
            for first, second in pairs
        }
        seeds, first_family = sorted(self.scores["seed"].unique()), self.families[0]
        heads = [f"{family} | 95 %" for family in self.families]
        heads += [*more, *(f"{first_family}, seed {seed}" for seed in seeds)]
        n_columns = 1 + len(heads) + len(self.families)
        lines = [f"| row | {' | '.join(heads)} |", "|---" * n_columns + "|"]
        for name, summaries in found.items():
            cells = [cell for family in self.families for cell in _cells(summaries[family])]
            cells += [column.get(name, "") for column in more.values()]
            by_unit = summaries[first_family].by_patient
            for seed in seeds:
                of = [value for unit, value in by_unit if unit.split("/")[0] == str(seed)]
                cells.append(f"{sum(of) / len(of):.3f}")
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def _sections(self, model: str, family: str) -> list[SectionScores]:
        rows = self.scores[(self.scores["model"] == model) & (self.scores["family"] == family)]
        return [
            SectionScores(str(section), str(unit), part["value"].to_numpy())
            for (section, unit), part in rows.groupby(["section", self.unit])
        ]


def correlations(
    plan: RunPlan, fold: Fold, model: str, predicted: Mapping[str, Float[np.ndarray, "N G"]]
) -> pd.DataFrame:
    """Correlation of each gene of a row that is no model of the run, by test section.

    `predicted` has the values of the test spots by section, on the scale of the target or any other
    that correlations allow. The table has the columns of `scores.csv`.
    """
    parts = []
    for section, values in predicted.items():
        truth = truth_of(plan, fold, plan.targets[fold.name], section)
        found = pearson_per_gene(values.astype(np.float32), truth.measured)
        parts.append(
            pd.DataFrame(
                {
                    "model": model,
                    "fold": fold.name,
                    "section": section,
                    "patient": truth.patient,
                    "gene": truth.genes,
                    "metric": "pcc",
                    "value": found,
                }
            )
        )
    return pd.concat(parts)


def _of_seed(scores: pd.DataFrame, seed: int) -> pd.DataFrame:
    rows = scores[(scores["metric"] == "pcc") & (scores["section"] != EVERY)]
    return rows.assign(
        seed=seed,
        section=f"{seed}/" + rows["section"],
        patient=f"{seed}/" + rows["patient"],
        family=rows["gene"].str.removeprefix("SIM-").str.rstrip("0123456789").str.lower(),
    )


def _cells(summary: Summary) -> tuple[str, str]:
    interval = "" if summary.low is None else f"{summary.low:.3f} to {summary.high:.3f}"
    return f"{summary.mean:.3f}", interval

"""pathways.csv, and the rows of pathways in summary.csv."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from histoscribe.benchmark.band import METRICS, SHUFFLED, Shuffled
from histoscribe.benchmark.pathway_scores import HEAD, OF_GENES, FoldPathways, Source
from histoscribe.benchmark.score import EVERY
from histoscribe.benchmark.tables import (
    band_runs,
    least_spread_per_gene,
    limits,
    null_per_gene,
    over_patients,
)
from histoscribe.metrics.chance import q_values
from histoscribe.metrics.summary import SectionScores, summarise

FILE = "pathways.csv"
COLUMNS = (
    "model",
    "source",
    "pathway",
    "fold",
    "section",
    "patient",
    "members_in_panel",
    "members",
    *METRICS,
    "null_low",
    "null_high",
    "q",
)
NAMES = {HEAD: "pathway", OF_GENES: "activity"}
"""Source -> first part of its metrics in summary.csv, e.g. `pathway_pcc`."""


def pathways_table(folds: Sequence[FoldPathways]) -> pd.DataFrame:
    """One row per model, source and pathway, over patients and for each test section.

    Rows over patients have `*` as fold, section and patient. Their `null_low`, `null_high` and `q`
    are of `pcc_given_depth`, as in `genes.csv`; for a section the limits are those of its shuffled
    runs. Coverage is that of the fold, over patients the smallest.
    """
    sections = pd.DataFrame(_section_rows(folds), columns=list(COLUMNS))
    parts = [_overall(sections, folds), sections]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    order = {key: place for place, key in enumerate(dict.fromkeys(_keys(sections)))}
    places = [order[key] for key in _keys(table)]
    return table.iloc[np.argsort(places, kind="stable")].reset_index(drop=True)


def pathway_rows(folds: Sequence[FoldPathways], seed: int) -> list[tuple[object, ...]]:
    """Rows of summary.csv: mean of each model over pathways, sections and patients; and the band.

    `pathway_pcc` is of the scores of a head, `activity_pcc` of predicted genes.
    """
    if not folds:
        return []
    parts = [part for of in folds for part in of.scores]
    rows: list[tuple[object, ...]] = []
    for model, source in dict.fromkeys((part.model, part.source) for part in parts):
        own = [part for part in parts if (part.model, part.source) == (model, source)]
        for metric in METRICS:
            values = [SectionScores(p.section, p.patient, p.values[metric]) for p in own]
            found = summarise(values, seed)
            name = f"{NAMES[source]}_{metric}"
            rows.append(
                (model, name, found.mean, found.low, found.high, found.n_patients,
                 found.n_undefined)
            )  # fmt: skip
    band = [part for of in folds for part in of.band]
    return [*rows, *_band_rows(band, {part.source for part in parts})]


def _band_rows(band: Sequence[Shuffled], sources: set[Source]) -> Iterator[tuple[object, ...]]:
    n_patients = len({part.patient for part in band})
    for source in (of for of in NAMES if of in sources):
        for metric in METRICS:
            runs = band_runs(band, metric)
            low, high = np.percentile(runs, [2.5, 97.5])
            name = f"{NAMES[source]}_{metric}"
            undefined = sum(int(np.isnan(part.scores[metric][0]).sum()) for part in band)
            yield (SHUFFLED, name, runs.mean(), low, high, n_patients, undefined)


def _section_rows(folds: Sequence[FoldPathways]) -> Iterator[tuple[object, ...]]:
    for of in folds:
        null = {p.section: limits(p.scores["pcc_given_depth"].T) for p in of.band}
        for part in of.scores:
            low, high = null[part.section]
            for place, name in enumerate(of.names):
                yield (
                    part.model,
                    part.source,
                    name,
                    of.fold,
                    part.section,
                    part.patient,
                    *of.card.coverage[name],
                    *(part.values[metric][place] for metric in METRICS),
                    low[place],
                    high[place],
                    np.nan,
                )


def _overall(sections: pd.DataFrame, folds: Sequence[FoldPathways]) -> pd.DataFrame:
    """Rows over patients."""
    band = [part for of in folds for part in of.band]
    null, least = null_per_gene(band), least_spread_per_gene(band, len({of.fold for of in folds}))
    names = sorted({name for part in band for name in part.genes})
    parts = []
    for (model, source), own in sections.groupby(["model", "source"], sort=False):
        table = pd.DataFrame(index=pd.Index(names, name="pathway"))
        for metric in METRICS:
            scores = own.rename(columns={"pathway": "gene", metric: "value"})
            table[metric] = over_patients(scores[["gene", "patient", "section", "value"]])
        for column in ("members_in_panel", "members"):
            table[column] = own.groupby("pathway")[column].min()
        table["null_low"], table["null_high"] = limits(null)
        table["q"] = q_values(table["pcc_given_depth"].to_numpy(), null, least)
        about = {"model": str(model), "source": str(source), "fold": EVERY, "section": EVERY}
        parts.append(table.reset_index().assign(**about, patient=EVERY)[list(COLUMNS)])
    return pd.concat(parts, ignore_index=True)


def _keys(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    columns = (table[name] for name in ("model", "source", "pathway"))
    return list(zip(*columns, strict=True))

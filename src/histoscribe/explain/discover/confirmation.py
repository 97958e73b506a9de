"""Second step of `discover`: frozen hypotheses, tested once on other patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.stats import false_discovery_control

from histoscribe.explain.discover.effects import (
    PatientEffects,
    effects_by_chance,
    mean_effect,
    patient_effects,
)
from histoscribe.explain.discover.freezing import MOST_DRAWN
from histoscribe.explain.discover.frozen_file import FrozenHypotheses, PastTest, TestRecord
from histoscribe.explain.discover.hypotheses import Hypothesis, is_explained
from histoscribe.explain.discover.tissue_values import (
    CONTROLS,
    TissueReading,
    labels_hashes,
    tissue_values,
)
from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.request import ExplainRequest
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.plot.hypothesis_effects import EffectLine, draw_effects
from histoscribe.predictor.facts import counts_hash
from histoscribe.types import Section

TABLE, FIGURE = "tested.csv", "tested.png"
RATE = 0.05
"""Rate of false discoveries."""


@final
@dataclass(frozen=True, eq=False)
class Confirmation:
    """Tests all hypotheses of a file."""

    request: ExplainRequest
    sections: tuple[Section, ...]
    reading: TissueReading
    frozen: FrozenHypotheses
    file: Path

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, sections and the hash of the hypotheses."""
        predictor = self.request.predictor
        return {
            "step": "test",
            "predictor": f"{predictor.row}@{predictor.hash}",
            "hypotheses": f"sha256:{self.frozen.sha256}",
            "sections": " ".join(of.id for of in self.sections),
            "labels": ", ".join(labels_hashes(self.reading)) or "none",
            "counts": " ".join(counts_hash(of) for of in self.sections),
            "rate": f"q of at most {RATE:g} (Benjamini and Hochberg), within these sections",
        }

    def work(self, out: Path) -> Finding:
        """Note the test, and test every hypothesis."""
        test = PastTest(
            patients=tuple(sorted({str(of.patient) for of in self.sections})),
            images=tuple(of.slide.pixel_hash() for of in self.sections),
            inputs=(*map(counts_hash, self.sections), *labels_hashes(self.reading)),
            folder=str(out.resolve()),
        )
        record = TestRecord.of(self.file, self.frozen, self.request.cache)
        record.begin(test, f"hypotheses {self.file}")
        values = tissue_values(
            self.request.predictor, self.sections, self.reading, self.request.cache
        )
        concepts = tuple(dict.fromkeys(of.concept for of in self.frozen.items))
        patients = patient_effects(values, concepts)
        tested = _tested(
            self.frozen.items,
            self._genes,
            concepts,
            patients,
            effects_by_chance(values, concepts),
        )
        write_text(out / TABLE, csv_text(_table(tested)))
        _draw(tested, len(patients), out / FIGURE)
        statistic, null = tested.numbers()
        return Finding(
            question="discover",
            about=self.about,
            folder=out,
            figures=(FIGURE,),
            tables=(TABLE,),
            statistic=statistic,
            null=null,
            caveat=tuple(_caveats(tested)),
        )

    @property
    def _genes(self) -> tuple[str, ...]:
        panel = self.request.predictor.target.genes
        return tuple(panel[gene] for gene in self.reading.genes)


@final
@dataclass(frozen=True, eq=False)
class TestedHypotheses:
    """Hypotheses with their effects in the direction that was frozen."""

    __test__ = False  # no test of pytest
    items: tuple[Hypothesis, ...]
    effect: Float[np.ndarray, " m"]
    """Mean over patients, positive in the frozen direction; NaN where no patient has the pair."""
    draws: Float[np.ndarray, "draws m"]
    each: Float[np.ndarray, "P m"]
    """Of each patient."""
    p: Float[np.ndarray, " m"]
    """Share of draws at least as far in the frozen direction; 1 where nothing was measured."""
    q: Float[np.ndarray, " m"]
    """By Benjamini and Hochberg over all frozen hypotheses."""
    spurious: tuple[str, ...]
    """Reasons from training and from here."""

    @property
    def discovered(self) -> Bool[np.ndarray, " m"]:
        """Significant, and not spurious."""
        return (self.q <= RATE) & np.array([not why for why in self.spurious], dtype=bool)

    def numbers(self) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
        """Discoveries, new ones and effects, each beside its value by chance."""
        clean = np.array([not why for why in self.spurious], dtype=bool)
        new = np.array([not of.known for of in self.items], dtype=bool)
        by_chance = false_discovery_control(_p_of_draws(self.draws), axis=1) <= RATE
        kept, kept_drawn = (_share_kept(values) for values in (self.effect[None], self.draws))
        known = np.isfinite(self.effect)
        effect = float(self.effect[known].mean()) if known.any() else float("nan")
        drawn = self.draws[:, known].mean(axis=1) if known.any() else np.full(1, np.nan)
        words = {
            "discoveries": f"hypotheses confirmed at a rate of false ones of {RATE:g}",
            "new_discoveries": "of these, the ones that are not marked as known",
            "sign_kept": "share of the hypotheses with the frozen sign",
            "mean_effect": "mean effect in the frozen direction",
        }
        values = (
            float(self.discovered.sum()),
            float((self.discovered & new).sum()),
            float(kept[0]),
            effect,
        )
        draws = (
            (by_chance & clean).sum(axis=1).astype(np.float64),
            (by_chance & clean & new).sum(axis=1).astype(np.float64),
            kept_drawn,
            drawn,
        )
        smooth = "with concepts replaced by equally smooth random maps"
        return (
            tuple(Number(name, v, words[name]) for name, v in zip(words, values, strict=True)),
            tuple(
                Number.of_draws(name, of, f"{words[name]}, {smooth}")
                for name, of in zip(words, draws, strict=True)
            ),
        )


def _tested(
    items: Sequence[Hypothesis],
    genes: Sequence[str],
    concepts: Sequence[str],
    patients: Sequence[PatientEffects],
    chance: Float[np.ndarray, "draws G C"],
) -> TestedHypotheses:
    rows = np.array([genes.index(of.gene) for of in items])
    columns = np.array([concepts.index(of.concept) for of in items])
    sign = np.array([of.sign for of in items])
    effect = sign * mean_effect(patients)[rows, columns]
    draws = sign * chance[:, rows, columns]
    p = (1 + (draws >= effect).sum(axis=0)) / (1 + len(draws))
    p = np.where(np.isfinite(effect), p, 1.0)
    reasons = []
    for of, row, column in zip(items, rows, columns, strict=True):
        here = [
            f"explained by {control} in the tested patients"
            for control in CONTROLS
            if is_explained(patients, int(row), int(column), control)
        ]
        reasons.append("; ".join((*of.spurious, *here)))
    return TestedHypotheses(
        items=tuple(items),
        effect=effect,
        draws=draws,
        each=np.stack([sign * of.measured[rows, columns] for of in patients]),
        p=p,
        q=false_discovery_control(p),
        spurious=tuple(reasons),
    )


def _p_of_draws(draws: Float[np.ndarray, "draws m"]) -> Float[np.ndarray, "draws m"]:
    """The p-value of each draw among the draws; 1 where nothing was measured."""
    ranks = np.argsort(np.argsort(-np.nan_to_num(draws), axis=0, kind="stable"), axis=0)
    return np.where(np.isfinite(draws), (1 + ranks) / len(draws), 1.0)


def _share_kept(effect: Float[np.ndarray, "n m"]) -> Float[np.ndarray, " n"]:
    known = np.isfinite(effect)
    with np.errstate(invalid="ignore"):
        return np.asarray(((effect > 0) & known).sum(axis=1) / known.sum(axis=1))


def _state(tested: TestedHypotheses, row: int) -> str:
    if not np.isfinite(tested.effect[row]):
        return "not measured"
    if tested.q[row] > RATE:
        return "not confirmed"
    if tested.spurious[row]:
        return "spurious"
    return "known" if tested.items[row].known else "discovery"


def _table(tested: TestedHypotheses) -> pd.DataFrame:
    n_same = (tested.each > 0).sum(axis=0)
    n_patients = np.isfinite(tested.each).sum(axis=0)
    return pd.DataFrame(
        [
            {
                "gene": of.gene,
                "symbol": of.symbol,
                "concept": of.concept,
                "direction": of.direction,
                "effect_training": of.effect,
                "effect": of.sign * tested.effect[row],
                "p": tested.p[row],
                "q": tested.q[row],
                "n_patients": n_patients[row],
                "n_patients_same_sign": n_same[row],
                "spurious": tested.spurious[row],
                "known": "yes" if of.known else "",
                "state": _state(tested, row),
            }
            for row, of in enumerate(tested.items)
        ]
    )


def _draw(tested: TestedHypotheses, n_patients: int, path: Path) -> None:
    best = np.argsort(tested.q, kind="stable")[:MOST_DRAWN]
    lines = []
    for row in best:
        of, draws = tested.items[row], tested.draws[:, row]
        low, high = np.percentile(draws, [2.5, 97.5]) if np.isfinite(draws).all() else (0.0, 0.0)
        lines.append(
            EffectLine(
                f"{of}",
                float(tested.effect[row]),
                tested.each[:, row],
                _state(tested, int(row)),
                (float(low), float(high)),
            )
        )
    draw_effects(
        lines,
        f"{len(tested.items)} frozen hypotheses in {n_patients} other patients",
        "Rank correlation in the frozen direction. Small dots: single patients. "
        "Bars: 95 % of equally smooth random maps.",
        path,
    )


def _caveats(tested: TestedHypotheses) -> list[str]:
    n_patients = len(tested.each)
    caveats = [
        f"All {len(tested.items)} frozen hypotheses count in the correction, spurious and known "
        "ones too.",
        f"The test says that a relation holds within the sections of these {n_patients} patients. "
        "It says nothing of patients from elsewhere, and a relation is no cause.",
        "What is not in the file of known relations is not new for that: look it up.",
    ]
    missing = int((~np.isfinite(tested.effect)).sum())
    if missing:
        caveats.append(f"{missing} hypotheses could not be measured here; they count as refused.")
    return caveats

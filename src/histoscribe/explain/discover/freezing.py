"""First step of `discover`: hypotheses from training patients, frozen in a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.explain.discover.effects import (
    PatientEffects,
    effects_by_chance,
    mean_effect,
    patient_effects,
)
from histoscribe.explain.discover.frozen_file import FrozenHypotheses
from histoscribe.explain.discover.hypotheses import Hypothesis, PanelNames, hypotheses_of
from histoscribe.explain.discover.tissue_values import (
    CONTROLS,
    TissueReading,
    TissueValues,
    labels_hashes,
    tissue_values,
)
from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.request import ExplainRequest
from histoscribe.io.atomic import write_text
from histoscribe.io.cohorts.patient_sites import sites_of
from histoscribe.io.csv_table import csv_text
from histoscribe.plot.hypothesis_effects import EffectLine, draw_effects
from histoscribe.predictor.facts import counts_hash
from histoscribe.types import Section

HYPOTHESES, TABLE, FIGURE = "hypotheses.json", "hypotheses.csv", "hypotheses.png"
MOST_DRAWN = 25
"""Lines of a figure."""
_MOST_NAMED = 5


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Freezing:
    """Looks for hypotheses in training patients."""

    request: ExplainRequest
    sections: tuple[Section, ...]
    reading: TissueReading
    known: frozenset[tuple[str, str]]
    least_effect: float
    most: int

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, sections, and what is looked at."""
        predictor, reading = self.request.predictor, self.reading
        return {
            "step": "hypotheses",
            "predictor": f"{predictor.row}@{predictor.hash}",
            "sections": " ".join(of.id for of in self.sections),
            "genes": " ".join(predictor.target.genes[gene] for gene in reading.genes),
            "measures": " ".join(reading.measures),
            "labels": ", ".join(labels_hashes(reading)) or "none",
            "counts": " ".join(counts_hash(of) for of in self.sections),
            "tiles": f"at most {reading.n_tiles} of each section",
            "known": " ".join(f"{gene}:{concept}" for gene, concept in sorted(self.known)),
            "least effect": f"{self.least_effect:g}",
            "most": str(self.most),
        }

    def work(self, out: Path) -> Finding:
        """Look at every pair, and freeze those with a large effect."""
        predictor = self.request.predictor
        values = tissue_values(predictor, self.sections, self.reading, self.request.cache)
        concepts = concepts_of(values)
        patients = patient_effects(values, concepts)
        names = PanelNames(
            genes=tuple(predictor.target.genes[gene] for gene in self.reading.genes),
            symbols=tuple(predictor.gene_labels[gene] for gene in self.reading.genes),
            concepts=concepts,
            known=self.known,
        )
        items = hypotheses_of(
            patients, self._sites(), names, least_effect=self.least_effect, most=self.most
        )
        self._frozen(patients, items).write(out / HYPOTHESES)
        write_text(out / TABLE, csv_text(_table(items, patients, names)))
        _draw(items, patients, names, out / FIGURE)
        effect, chance = mean_effect(patients), effects_by_chance(values, concepts)
        statistic, null = self._numbers(effect, chance)
        return Finding(
            question="discover",
            about=self.about,
            folder=out,
            figures=(FIGURE,),
            tables=(TABLE,),
            files=(HYPOTHESES,),
            statistic=statistic,
            null=null,
            caveat=self._caveats(items, names),
        )

    def _sites(self) -> dict[str, str]:
        cohort = self.request.cohort
        return dict(sites_of([(str(of.patient), cohort.facts[of.id]) for of in self.sections]))

    def _frozen(
        self, patients: Sequence[PatientEffects], items: Sequence[Hypothesis]
    ) -> FrozenHypotheses:
        predictor = self.request.predictor
        return FrozenHypotheses(
            predictor=f"{predictor.row}@{predictor.hash}",
            patients=tuple(of.patient for of in patients),
            images=tuple(of.slide.pixel_hash() for of in self.sections),
            measures=self.reading.measures,
            n_tiles=self.reading.n_tiles,
            items=tuple(items),
        )

    def _numbers(
        self, effect: Float[np.ndarray, "G C"], chance: Float[np.ndarray, "draws G C"]
    ) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
        pairs = f"pairs of gene and concept with an effect of {self.least_effect:g} and more"
        largest = "largest effect of a pair, either way"
        drawn = "with concepts replaced by equally smooth random maps"
        n_drawn = (np.abs(np.nan_to_num(chance)) >= self.least_effect).sum(axis=(1, 2))
        n_pairs = float((np.abs(np.nan_to_num(effect)) >= self.least_effect).sum())
        top = np.abs(np.nan_to_num(effect)).max(initial=0.0)
        top_drawn = np.abs(np.nan_to_num(chance)).max(axis=(1, 2), initial=0.0)
        return (
            (Number("n_pairs", n_pairs, pairs), Number("largest_effect", float(top), largest)),
            (
                Number.of_draws("n_pairs", n_drawn.astype(np.float64), f"{pairs}, {drawn}"),
                Number.of_draws("largest_effect", top_drawn, f"{largest}, {drawn}"),
            ),
        )

    def _caveats(self, items: Sequence[Hypothesis], names: PanelNames) -> tuple[str, ...]:
        n_spurious = sum(bool(of.spurious) for of in items)
        n_known = sum(of.known for of in items)
        return (
            f"{len(items)} hypotheses are frozen in {HYPOTHESES}; {n_spurious} of them are listed "
            f"as spurious, {n_known} as known. None is shown yet: test them on other patients, "
            "once.",
            "A relation in tissue is no cause: both may follow a third thing that no control here "
            "takes out.",
            "The stain is controlled by its strength in each tile. A concept that changes with "
            "the stain may be called spurious although it is biology.",
            *_unread(names),
        )


def _unread(names: PanelNames) -> Iterator[str]:
    """Known pairs that were not looked at: a name with an error would make old pairs new."""
    genes = {*names.genes, *names.symbols}
    pairs = sorted(
        f"{gene}:{concept}"
        for gene, concept in names.known
        if gene not in genes or concept not in names.concepts
    )
    if pairs:
        more = ", ..." if len(pairs) > _MOST_NAMED else ""
        yield (
            f"{len(pairs)} known pairs have no gene or no concept that was looked at: "
            f"{', '.join(pairs[:_MOST_NAMED])}{more}"
        )


def concepts_of(values: Sequence[TissueValues]) -> tuple[str, ...]:
    """Concepts of all sections, each once."""
    return tuple(dict.fromkeys(name for of in values for name in of.concepts))


def _table(
    items: Sequence[Hypothesis], patients: Sequence[PatientEffects], names: PanelNames
) -> pd.DataFrame:
    lines = []
    for of in items:
        at = names.genes.index(of.gene), names.concepts.index(of.concept)
        left = {
            f"given_{name}": _mean_at([one.given[name] for one in patients], at)
            for name in CONTROLS
        }
        lines.append(
            {
                "gene": of.gene,
                "symbol": of.symbol,
                "concept": of.concept,
                "direction": of.direction,
                "effect": of.effect,
                "predicted": _mean_at([one.predicted for one in patients], at),
                **left,
                "spurious": "; ".join(of.spurious),
                "known": "yes" if of.known else "",
                **{f"patient_{one.patient}": one.measured[at] for one in patients},
            }
        )
    head = ["gene", "symbol", "concept", "direction", "effect", "predicted"]
    return pd.DataFrame(lines, columns=None if lines else head)


def _mean_at(parts: Sequence[Float[np.ndarray, "G C"]], at: tuple[int, int]) -> float:
    known = [float(part[at]) for part in parts if np.isfinite(part[at])]
    return float(np.mean(known)) if known else float("nan")


def _draw(
    items: Sequence[Hypothesis],
    patients: Sequence[PatientEffects],
    names: PanelNames,
    path: Path,
) -> None:
    lines = []
    for of in items[:MOST_DRAWN]:
        at = names.genes.index(of.gene), names.concepts.index(of.concept)
        each = np.array([one.measured[at] for one in patients])
        kind = "spurious" if of.spurious else "known" if of.known else "hypothesis"
        lines.append(EffectLine(f"{of.symbol}, {of.concept}", of.effect, each, kind))
    more = f", the {MOST_DRAWN} largest of {len(items)}" if len(items) > MOST_DRAWN else ""
    draw_effects(
        lines,
        f"Hypotheses from {len(patients)} training patients{more}",
        "Rank correlation of gene and concept within sections. Small dots: single patients.",
        path,
    )

"""The answer to `pathways`: whether scores and attention follow genes outside the training."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import final

from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.expression_bins import GENES_IN_BIN
from histoscribe.explain.finding import Finding
from histoscribe.explain.pathways.border import BorderBands
from histoscribe.explain.pathways.caveats import caveats
from histoscribe.explain.pathways.compared_section import ComparedSection, SectionComparison
from histoscribe.explain.pathways.figures import draw_figures
from histoscribe.explain.pathways.gene_weights import weights_of
from histoscribe.explain.pathways.pool import N_RANDOM_SETS, GenePool
from histoscribe.explain.pathways.question import PathwaysQuestionSettings
from histoscribe.explain.pathways.results import PathwayResults
from histoscribe.explain.pathways.tables import write_tables
from histoscribe.explain.pathways.training import HalfTraining
from histoscribe.explain.random_networks import random_networks
from histoscribe.explain.request import ExplainRequest
from histoscribe.io.sections.labels import read_labels
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.train.settings import dump_settings
from histoscribe.types import Section

N_NETWORKS = 10
"""Networks with random weights to compare with."""
_TRAINING = "training"


@final
@dataclass(frozen=True, eq=False)
class PathwaysAnswer:
    """Trains the model again if wished, reads the sections and compares."""

    request: ExplainRequest
    sections: tuple[Section, ...]
    sets: Mapping[str, tuple[str, ...]]
    """Set -> its genes outside the training."""
    training: HalfTraining | None
    """None for the predictor as it is."""
    settings: PathwaysQuestionSettings

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, training, genes, sections and labels."""
        predictor, labels = self.request.predictor, sorted(self.settings.labels.items())
        files = [f"{id_} sha256:{_sha256(path.read_bytes())}" for id_, path in labels]
        genes = "; ".join(f"{name}: {' '.join(of)}" for name, of in self.sets.items())
        training = "none: the predictor as it is"
        if self.training is not None:
            text = dump_settings(self.training.retraining.settings)
            training = f"without half of the genes of each set, settings {_sha256(text.encode())}"
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "training": training,
            "sections": " ".join(section.id for section in self.sections),
            "sets": f"{len(self.sets)} with genes outside the training, {_sha256(genes.encode())}",
            "pathways": " ".join(self.settings.pathways) or "highest, median and lowest",
            "labels": ", ".join(files) or "none",
            "border": self.settings.border or "none",
            "random sets": f"{N_RANDOM_SETS} of the same size and level of expression (bins of "
            f"{GENES_IN_BIN} genes)",
        }

    def work(self, out: Path) -> Finding:
        """Train, compare each section, and write figures and tables."""
        predictor = self.request.predictor
        if self.training is not None:
            predictor = self.training.predictor(out / _TRAINING)
        compared = self._compared(predictor)
        if self.training is not None:
            shutil.rmtree(out / _TRAINING)
        results = PathwayResults(
            tuple(self.sets), compared, weights_of(self.request.predictor, self.sections)
        )
        figures = draw_figures(results, self.settings.pathways, self._title(), out)
        tables = write_tables(results, {name: len(of) for name, of in self.sets.items()}, out)
        statistic, null = results.numbers()
        return Finding(
            question="pathways",
            about=self.about,
            folder=out,
            figures=figures,
            tables=tables,
            statistic=tuple(statistic),
            null=tuple(null),
            caveat=tuple(caveats(self.request.predictor, results, retrained=bool(self.training))),
        )

    def _compared(self, predictor: Predictor) -> tuple[ComparedSection, ...]:
        trained = predictor.target.genes
        comparison = SectionComparison(
            predictor,
            random_networks(predictor, N_NETWORKS),
            GenePool.of(self.sections, self.sets, trained),
            self.request.cache,
        )
        first, *others = self.sections
        start = perf_counter()
        compared = [comparison.of(first, self._bands(first))]
        tell_estimate(
            f"comparison of {len(others)} more sections", (perf_counter() - start) * len(others)
        )
        for section in track(others, "sections"):
            compared.append(comparison.of(section, self._bands(section)))
        return tuple(compared)

    def _bands(self, section: Section) -> BorderBands | None:
        path, border = self.settings.labels.get(section.id), self.settings.border
        if path is None or border is None:
            return None
        labels = read_labels(path, section.spots)
        um = section.spots.xy * section.slide.mpp
        return BorderBands.of(um, labels, border, section.spots.step_um)

    def _title(self) -> str:
        how = "trained again" if self.training is not None else "as it is"
        return f"{self.request.predictor.name}, {how}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

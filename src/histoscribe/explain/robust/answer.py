"""The answer to `robust`: scores of held-out sections after changes of their images."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from histoscribe.explain.finding import Finding
from histoscribe.explain.request import ExplainRequest, trained_on
from histoscribe.explain.robust.chance import FEWEST_GENES
from histoscribe.explain.robust.changes import CHANGES, GRADIENT
from histoscribe.explain.robust.pictures import draw_pictures
from histoscribe.explain.robust.results import RobustResults, results_of
from histoscribe.explain.robust.runs import N_NOISE, N_PIXEL_TILES, ChangeRuns
from histoscribe.explain.robust.tables import write_tables
from histoscribe.predictor.gene_choice import GeneChoice
from histoscribe.types import Section


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class RobustAnswer:
    """Predicts sections after every step, and compares the scores."""

    request: ExplainRequest
    sections: tuple[Section, ...]
    genes: GeneChoice
    steps: Mapping[str, tuple[float, ...]]
    """Name of each change -> its steps, the weakest first."""
    left_out: tuple[str, ...]
    """Sentences about changes and steps that image or model do not allow."""

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, sections, genes and steps."""
        predictor = self.request.predictor
        changes = {
            of.name: " ".join(f"{step:g}" for step in self.steps[of.name])
            for of in CHANGES
            if of.name in self.steps
        }
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "sections": " ".join(of.id for of in self.sections),
            "patients": " ".join(sorted({of.patient or "unknown" for of in self.sections})),
            "genes": " ".join(self.genes.labels),
            "gene_ids": " ".join(self.genes.genes),
            "gene_choice": self.genes.why,
            "unit": predictor.target.unit,
            **changes,
        }

    def work(self, out: Path) -> Finding:
        """Predict, score, and write figures and tables."""
        predictor = self.request.predictor
        runs = ChangeRuns(
            predictor=predictor,
            genes=self.genes.genes,
            sections=self.sections,
            steps=self.steps,
            cache=self.request.cache,
        )
        results = results_of(runs.predictions(), self.genes.genes, self.genes.labels)
        statistic, null = results.numbers()
        return Finding(
            question="robust",
            about=self.about,
            folder=out,
            figures=draw_pictures(results, predictor.name, out),
            tables=write_tables(results, out),
            statistic=statistic,
            null=null,
            caveat=tuple(self._caveats(results)),
        )

    def _caveats(self, results: RobustResults) -> Iterator[str]:
        trained = [trained_on(self.request.predictor, of) for of in self.sections]
        if known := [words for words in trained if words is not None]:
            yield f"Scores of training tissue are too high: {'; '.join(known)}."
        yield from self.left_out
        if (n_genes := len(self.request.predictor.target.genes)) < FEWEST_GENES:
            yield (
                "Scores have no chance level: it draws directions among all genes of the "
                f"predictor, and {n_genes} are fewer than {FEWEST_GENES}."
            )
        yield (
            "Changes are made to the tiles that the model reads, after the background was made "
            "white and the stain normalised, if the predictor does so. Pure white stays white."
        )
        yield (
            "A score is a correlation: what shifts or stretches all predictions of a section alike "
            "does not lower it. Read it beside the change of the predictions. These are as the "
            "model gives them: `predict` clips them to the range of the training, too, and leaves "
            "out spots unlike it."
        )
        if GRADIENT in self.steps:
            yield (
                f"Changes of pixels are of {N_PIXEL_TILES} tiles of each section, or fewer if it "
                f"is smaller, each predicted by itself; random ones of equal size are drawn "
                f"{N_NOISE} times. A change along the gradient is larger than one at random for "
                "nearly every model, trained or not: how much larger is the answer."
            )
        if np.isnan(results.distances.numbers()[0].value):
            yield "No correlation of distance and error: the distance to training is unknown."
        if (n_patients := len(results.unchanged.of_patients)) < 2:
            yield f"{n_patients} patient: how much patients differ is not known."

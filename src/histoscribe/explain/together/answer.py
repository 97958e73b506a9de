"""The answer to `together`: whether genes that go together have maps that look alike."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import final

from histoscribe.data.genesets import MIN_MEMBERS, PanelPathways
from histoscribe.explain.finding import Finding
from histoscribe.explain.together.held_out import HeldOutSections
from histoscribe.explain.together.pictures import draw_matrices, draw_pairs
from histoscribe.explain.together.result import TogetherResult
from histoscribe.explain.together.shuffled_rows import ShuffledRows
from histoscribe.explain.together.tables import TABLES
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.train.settings import dump_settings

_FIGURES = {"together.png": draw_matrices, "pairs.png": draw_pairs}
_TRAININGS = "trainings"
_FEW_PATIENTS = 6


@final
@dataclass(frozen=True, eq=False)
class TogetherAnswer:
    """Compares maps of gene pairs with co-expression, and trains on shuffled rows."""

    held_out: HeldOutSections
    shuffled: ShuffledRows
    sets: PanelPathways | None
    pairs: tuple[tuple[int, int], ...]
    """Named pairs, as places among the compared genes."""
    cache: Path

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, sections, genes, gene sets and trainings."""
        predictor, columns = self.held_out.predictor, self.held_out.genes
        genes = [predictor.target.genes[column] for column in columns]
        settings = dump_settings(self.shuffled.retraining.settings)
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "sections": " ".join(section.id for section in self.held_out.sections),
            "held-out patients": " ".join(self._patients),
            "genes": f"{len(genes)}, sha256 {sha256(' '.join(genes).encode()).hexdigest()}",
            "pairs": " ".join(":".join(genes[at] for at in pair) for pair in self.pairs) or "none",
            "unit": predictor.target.unit,
            "sets": "none"
            if self.sets is None
            else f"{self.sets.card.source} sha256:{self.sets.card.sha256}",
            "by chance": f"{self.shuffled.n_trainings} trainings on shuffled rows, settings of "
            f"sha256 {sha256(settings.encode()).hexdigest()}",
        }

    def work(self, out: Path) -> Finding:
        """Predict, train on shuffled rows, and write figures and tables."""
        queries = self.held_out.queries(self.cache)
        predictor = self.held_out.predictor
        maps = self.held_out.maps(predictor.fitted, queries)
        self.shuffled.tell_estimate()
        folder = out / _TRAININGS
        shuffled = [self.held_out.maps(of, queries) for of in self.shuffled.fitted(folder)]
        result = TogetherResult(
            labels=tuple(predictor.gene_labels[column] for column in self.held_out.genes),
            maps=maps,
            shuffled=tuple(shuffled),
            sets=self.sets,
            pairs=self.pairs,
        )
        for name, draw in _FIGURES.items():
            draw(result, self._title, out / name)
        for name, table in TABLES.items():
            write_text(out / name, csv_text(table(result)))
        shutil.rmtree(folder, ignore_errors=True)
        statistic, null = result.numbers()
        return Finding(
            question="together",
            about=self.about,
            folder=out,
            figures=tuple(_FIGURES),
            tables=tuple(TABLES),
            statistic=statistic,
            null=null,
            caveat=tuple(self._caveats(result)),
        )

    @property
    def _patients(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(section.patient for section in self.held_out.measured))

    @property
    def _title(self) -> str:
        return (
            f"{self.held_out.predictor.name}: {len(self.held_out.genes)} genes, held-out patients "
            f"{', '.join(self._patients)}"
        )

    def _caveats(self, result: TogetherResult) -> Iterator[str]:
        yield (
            "A model that was trained on shuffled rows knows nothing of the tissue, and still has "
            "alike maps of genes that go together, because labels that go together teach the same "
            "map. So `alike` is read beside the shuffled rows, not beside 0, and `carried` says "
            "whether the maps are at the right places."
        )
        yield (
            "Counts are noisy, so that not even measured values carry all co-expression: "
            "`carried_as_measured` is about the most that `carried` can reach."
        )
        yield (
            "Permuted genes say only whether likeness and co-expression have to do with each "
            "other; models on shuffled rows pass this test, too."
        )
        yield (
            "Genes that go together need not act together: cells of one type lie in the same "
            "spots. What is regressed out are depth, a smooth trend and mean expression, nothing "
            "else."
        )
        if len(self._patients) < _FEW_PATIENTS:
            yield (
                f"{len(self._patients)} held-out patient(s): p is about genes and trainings, and "
                "says nothing of another patient. sections.csv lists the values of each."
            )
        left_out = len(self.held_out.predictor.target.genes) - len(result.labels)
        if left_out:
            yield (
                f"{left_out} genes of the panel were not compared: they were not named, or do not "
                "vary at both ends of every section, or are beyond the number that is compared."
            )
        if self.sets is not None and self.sets.card.dropped:
            yield (
                f"{len(self.sets.card.dropped)} gene sets have fewer than {MIN_MEMBERS} of the "
                "compared genes and are left out."
            )

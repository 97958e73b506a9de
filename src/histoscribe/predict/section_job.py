"""Predict one section of a cohort at its spots, into a folder."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from histoscribe.data.tissue import tissue_mask
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.job_turn import CLAIMS, turn
from histoscribe.io.predictions.anndata import (
    read_prediction,
    read_spot_facts,
    read_warnings,
    write_prediction,
)
from histoscribe.io.predictions.spatialdata import write_spatialdata
from histoscribe.io.weights import cache_folder
from histoscribe.models.plugins import PluginFile, loaded_plugins
from histoscribe.predict.slide import warnings_of
from histoscribe.predict.slide_job import load_models, opened
from histoscribe.predictor.limits import BeyondTraining
from histoscribe.predictor.predictor import Predictor
from histoscribe.threads import fixed_threads
from histoscribe.types import CLIPPED, DISTANCE, Cohort, Section


@dataclass(frozen=True)
class SectionDone:
    """File and warnings of one predicted section of a cohort, and its spots beyond the training."""

    path: Path
    warnings: tuple[str, ...]
    beyond: BeyondTraining


@dataclass(frozen=True, kw_only=True)
class SectionJob:
    """One section to predict into a folder, in this process or another."""

    predictor: Path
    weights: tuple[tuple[str, Path], ...]
    """Encoder weights given by hand."""
    cohort: str
    """Name of the cohort."""
    section: str
    out: Path
    spatialdata: bool
    keep_unlike: bool = False
    """Keep the values of spots beyond the training tissue."""
    plugins: tuple[PluginFile, ...] = field(default_factory=loaded_plugins)
    """Files of users' models, for a process that has not loaded them."""
    _opened: Cohort | None = field(default=None, compare=False, repr=False)
    """The cohort in the process of the call; it does not travel."""

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what is open."""
        return {**vars(self), "_opened": None}

    @property
    def label(self) -> str:
        """Name of the section."""
        return f"section {self.section}"

    @property
    def name(self) -> str:
        """Section, as in the names of files."""
        return self.section

    def run(self) -> SectionDone:
        """Predict the section, unless its file is there."""
        load_models(self.plugins)
        with fixed_threads(), turn(self.out / CLAIMS / self.section, self.label, self.out):
            return self._write(opened(self.predictor, self.weights))

    def _write(self, predictor: Predictor) -> SectionDone:
        path, zarr = self.out / f"{self.section}.h5ad", self.out / f"{self.section}.zarr"
        section: Section | None = None
        if not path.exists():
            section = self._section()
            keep, n_genes = self.keep_unlike, len(predictor.target.genes)
            prediction = predictor(section, cache_folder(), keep_unlike=keep)
            beyond = BeyondTraining.of(prediction.head.spot_facts, n_genes, keep_unlike=keep)
            unlike = warnings_of(predictor, section.slide, tissue_mask(section.slide), beyond)
            head = replace(prediction.head, warnings=unlike)
            write_prediction(replace(prediction, head=head), path)
        if self.spatialdata and not zarr.exists():
            slide = (section or self._section()).slide
            write_spatialdata(replace(read_prediction(path), slide=slide), zarr)
        return SectionDone(path, read_warnings(path), self._beyond(predictor, path))

    def _section(self) -> Section:
        if self._opened is not None:
            return self._opened[self.section]
        return read_cohort(self.cohort, (self.section,))[self.section]

    def _beyond(self, predictor: Predictor, path: Path) -> BeyondTraining:
        """Count the spots beyond the training in a written section."""
        facts = read_spot_facts(path, (DISTANCE, CLIPPED))
        n_genes = len(predictor.target.genes)
        return BeyondTraining.of(facts, n_genes, keep_unlike=self.keep_unlike)

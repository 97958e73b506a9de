"""Views of a benchmark: every tested section, predicted beside measured, in one unit."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from histoscribe.benchmark.measured_maps import MeasuredMaps, read_measured
from histoscribe.benchmark.views import View, find_views, unfit
from histoscribe.errors import DataContractError, Problem, errors_told
from histoscribe.io.predictions.stored_prediction import StoredPrediction, open_prediction
from histoscribe.io.run_folder import read_run_card
from histoscribe.io.slides.region import RegionSlide
from histoscribe.io.slides.slide import open_slide
from histoscribe.near_names import did_you_mean
from histoscribe.plot.thumbnail import picture_of_tissue
from histoscribe.predictor.gene_scores import gene_scores_of_run
from histoscribe.predictor.limits import is_trusted
from histoscribe.types import DISTANCE, TRUSTED, Head
from histoscribe.viewer.cohort_slides import CohortSlides
from histoscribe.viewer.exemplars import ExemplarOrigin, keys_of_predictor, tile_size
from histoscribe.viewer.ground import Ground, picture_ground, slide_ground
from histoscribe.viewer.prediction_view import GIVE_SLIDE, file_identity
from histoscribe.viewer.slide_view import GeneValues, SlideView

DEPTH = "log_total"
"""Fact of the places of a run: log(1 + total count over all genes)."""


def views_of_run(folder: Path, model: str | None, slides: Mapping[str, Path]) -> list[SlideView]:
    """View of each tested section, by fold; `model` is the best one unless named.

    Raises
    ------
    DataContractError
        for a run without maps, an unknown model, and for missing predictions, all at once.
    """
    card, views = read_run_card(folder), find_views(folder)
    name = card.best_model if model is None else model
    models = tuple(sorted(path.name for path in (folder / "predictions").glob("*")))
    if not views or name not in models:
        raise DataContractError(_no_maps(folder) if not views else _no_model(name, models))
    settings = tomllib.loads((folder / "settings.toml").read_text(encoding="utf-8"))
    cohort = CohortSlides(str(settings["cohort"]))
    parts: list[_RunView] = []
    problems: list[Problem] = []
    for view in views:
        try:
            parts.append(_run_view(cohort, view, name, slides))
        except DataContractError as error:
            problems += error.problems
    if problems:
        raise DataContractError(problems)
    times = Counter(part.about.section for part in parts)
    return [part.view(with_fold=times[part.about.section] > 1) for part in parts]


@dataclass(frozen=True, eq=False)
class _TestedSpots:
    """Facts of the measured values, which are read again when their maps are made."""

    section: str
    fold: str
    unit: str
    xy_um: Float[np.ndarray, "N 2"]
    log_total: Float[np.ndarray, " N"]

    @classmethod
    def of(cls, maps: MeasuredMaps) -> "_TestedSpots":
        return cls(maps.section, maps.fold, maps.unit, maps.xy_um, maps.log_total)


@dataclass(frozen=True, eq=False, kw_only=True)
class _RunView:
    """One tested section of a run."""

    file: View
    stored: StoredPrediction
    about: _TestedSpots
    slide: RegionSlide | None
    """The slide that the user names."""
    cohort: CohortSlides

    def view(self, *, with_fold: bool) -> SlideView:
        about = self.about
        fold = f", fold {about.fold}" if with_fold else ""
        return SlideView(
            name=f"{about.section}{fold}",
            head=self._head(),
            values=GeneValues(
                identity=f"{file_identity(self.stored.path)} {file_identity(self.file.path)}",
                predicted=self.stored.predicted,
                measured=self._measured,
                measured_unit=about.unit,
            ),
            ground=self._ground,
            exemplars=self._exemplars(),
            has_slide=self.slide is not None or self.file.tissue is not None,
        )

    def _head(self) -> Head:
        """Head with depth as a spot fact, and gene scores of this run."""
        head, model = self.stored.head, self.stored.path.parents[1].name
        scores = gene_scores_of_run(self._predictor, model, head.genes)
        facts = dict(head.spot_facts)
        if DISTANCE in facts:
            facts[TRUSTED] = is_trusted(facts[DISTANCE]).astype(np.float64)
        facts[DEPTH] = self.about.log_total.astype(np.float64)
        return replace(head, gene_facts={**head.gene_facts, **scores.columns}, spot_facts=facts)

    @property
    def _predictor(self) -> Path:
        """Folder of the predictor that predicted the section."""
        fold = self.stored.path.parent
        return self.file.run / "predictors" / fold.parent.name / fold.name

    def _exemplars(self) -> ExemplarOrigin | None:
        keys = keys_of_predictor(self._predictor)
        if keys is None:
            return None
        size = tile_size(self._predictor)
        return ExemplarOrigin(keys, lambda name, spot: self.cohort.open(name).tile(spot, size))

    def _measured(self) -> Iterator[Float32[np.ndarray, "rows G"]]:
        values = read_measured(self.file.path).values
        return (values[rows] for rows in self.stored.row_blocks)

    def _ground(self) -> Ground:
        """Ground: the named slide, else the cohort's slide, else the run's picture."""
        xy = self.stored.head.spots.xy
        if self.slide is not None:
            return slide_ground(self.slide, xy)
        where = f"section {self.about.section}"
        try:
            with errors_told(where):
                placed = self.cohort.fitting(self.about.section, self.stored.head.spots)
                return slide_ground(placed.slide, xy)
        except DataContractError as error:
            return self._picture(error.problems[0].found)

    def _picture(self, why: str) -> Ground:
        """Ground of the picture of the tissue in the run."""
        um, tissue = self.about.xy_um, self.file.tissue
        told = f"The slide of the run cannot be shown ({why}): {GIVE_SLIDE}."
        if tissue is None:
            return Ground(self.stored.head.spots.xy, _mpp(self.stored, self.about), None, (told,))
        path, place = tissue
        pixels = picture_of_tissue(path, place, dimmed=0.0).image
        mpp = (place.right - place.left) / pixels.shape[1]
        xy = (um - [place.left, place.top]) / mpp
        return picture_ground(self.about.section, pixels, xy, mpp, (told,))


def _run_view(cohort: CohortSlides, view: View, model: str, slides: Mapping[str, Path]) -> _RunView:
    measured, path = view.measured, view.prediction_file(model)
    about = _TestedSpots.of(measured)
    if not path.is_file():
        raise DataContractError(unfit(path, "no such file"))
    stored = open_prediction(path)
    if (len(about.log_total), measured.genes) != (len(stored.head.spots), stored.head.genes):
        n_spots, n_genes = stored.head.shape
        raise DataContractError(unfit(path, f"{n_spots} spots, {n_genes} genes"))
    slide = slides.get(about.section, slides.get(""))
    return _RunView(
        file=View(view.path),  # the first one keeps all measured values in memory
        stored=stored,
        about=about,
        slide=None if slide is None else open_slide(slide, _mpp(stored, about)),
        cohort=cohort,
    )


def _mpp(stored: StoredPrediction, about: _TestedSpots) -> float:
    """Size of a level-0 px in um: the run has the places in both."""
    return float(about.xy_um.sum() / stored.head.spots.xy.sum())


def _no_maps(folder: Path) -> Problem:
    return Problem(
        where=str(folder),
        found="a benchmark without maps of its sections: on bags, or of an older version",
        expected="a run that tested sections spot by spot",
        remedy="give the files below its folder `predictions`, one by one",
    )


def _no_model(name: str, models: tuple[str, ...]) -> Problem:
    known = ", ".join(models)
    remedy = did_you_mean(name, models, "choose one of these")
    return Problem(f"--model {name}", "no such model in the run", f"one of {known}", remedy)

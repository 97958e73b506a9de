"""Views of a benchmark: every tested section, predicted beside measured, in one unit."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from histoscribe.benchmark.measured_maps import MeasuredMaps, read_measured
from histoscribe.benchmark.views import View, find_views, unfit
from histoscribe.errors import DataContractError, Problem, errors_told
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.predictions.stored_prediction import StoredPrediction, open_prediction
from histoscribe.io.run_folder import read_run_card
from histoscribe.io.slides.region import RegionSlide
from histoscribe.io.slides.slide import open_slide
from histoscribe.near_names import did_you_mean
from histoscribe.plot.thumbnail import picture_of_tissue
from histoscribe.predictor.gene_scores import gene_scores_of_run
from histoscribe.types import Head
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
    if not views or name not in card.models:
        raise DataContractError(_no_maps(folder) if not views else _no_model(name, card.models))
    parts: list[_RunView] = []
    problems: list[Problem] = []
    for view in views:
        try:
            parts.append(_run_view(folder, view, name, slides))
        except DataContractError as error:
            problems += error.problems
    if problems:
        raise DataContractError(problems)
    times = Counter(part.about.section for part in parts)
    return [part.view(with_fold=times[part.about.section] > 1) for part in parts]


@dataclass(frozen=True, eq=False, kw_only=True)
class _RunView:
    """One tested section of a run."""

    run: Path
    file: View
    stored: StoredPrediction
    about: MeasuredMaps
    """Without its values."""
    slide: RegionSlide | None
    """The slide that the user names."""

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
            has_slide=self.slide is not None or self.file.tissue is not None,
        )

    def _head(self) -> Head:
        """Head with the depth of the places, and the scores of the genes in this run."""
        head = self.stored.head
        model = self.stored.path.parents[1].name
        folder = self.run / "predictors" / model / self.stored.path.parent.name
        scores = gene_scores_of_run(folder, model, head.genes)
        return replace(
            head,
            gene_facts={**head.gene_facts, **scores.columns},
            spot_facts={**head.spot_facts, DEPTH: self.about.log_total.astype(np.float64)},
        )

    def _measured(self) -> Iterator[Float32[np.ndarray, "rows G"]]:
        values = read_measured(self.file.path).values
        return (values[rows] for rows in self.stored.row_blocks)

    def _ground(self) -> Ground:
        """Ground of the named slide, of that of the cohort, or of the picture in the run."""
        xy = self.stored.head.spots.xy
        if self.slide is not None:
            return slide_ground(self.slide, xy)
        where = f"section {self.about.section}"
        try:
            with errors_told(where):
                return slide_ground(self._slide_of_cohort(), xy)
        except DataContractError as error:
            return self._picture(error.problems[0].found)

    def _slide_of_cohort(self) -> RegionSlide:
        """Slide of the cohort that the run was made from."""
        settings = tomllib.loads((self.run / "settings.toml").read_text(encoding="utf-8"))
        name, head = self.about.section, self.stored.head
        section = read_cohort(str(settings["cohort"]), [name])[name]
        row = {spot: place for place, spot in enumerate(section.spots.ids)}
        at = np.array([row.get(spot, -1) for spot in head.spots.ids])
        if at.min() < 0 or not np.array_equal(section.spots.xy[at], head.spots.xy):
            raise DataContractError(
                Problem(
                    where=f"section {name}",
                    found="other places than at the time of the run",
                    expected="the cohort of the run",
                    remedy=GIVE_SLIDE,
                )
            )
        if not isinstance(section.slide, RegionSlide):
            raise TypeError(f"section {name} has a slide without levels")
        return section.slide

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


def _run_view(run: Path, view: View, model: str, slides: Mapping[str, Path]) -> _RunView:
    about, path = view.measured, view.prediction_file(model)
    if not path.is_file():
        raise DataContractError(unfit(path, "no such file"))
    stored = open_prediction(path)
    if (len(about.log_total), about.genes) != (len(stored.head.spots), stored.head.genes):
        n_spots, n_genes = stored.head.shape
        raise DataContractError(unfit(path, f"{n_spots} spots, {n_genes} genes"))
    slide = slides.get(about.section, slides.get(""))
    return _RunView(
        run=run,
        file=View(view.path),  # the first one keeps all measured values in memory
        stored=stored,
        about=replace(about, values=about.values[:0]),
        slide=None if slide is None else open_slide(slide, _mpp(stored, about)),
    )


def _mpp(stored: StoredPrediction, about: MeasuredMaps) -> float:
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

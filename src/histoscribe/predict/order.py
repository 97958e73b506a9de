"""Orders of `predict`: slides, and cohorts whose sections are predicted at their spots."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from histoscribe.device import choose_device
from histoscribe.errors import DataContractError, Problem
from histoscribe.extras import need
from histoscribe.io.cohorts.bulk_slides import SlideSource, read_slides
from histoscribe.io.cohorts.cohort import COHORT_NAMES, is_cohort_name, read_cohort, resolved
from histoscribe.io.job_turn import claims_removed
from histoscribe.io.predictions.bulk_file import FILE, write_bulk
from histoscribe.io.predictions.spatialdata import EXTRA
from histoscribe.io.run_folder import claimed
from histoscribe.io.weights import cache_folder
from histoscribe.io.work_state import FILES, work_state
from histoscribe.parallel import ALONE, Division, InProcess, Scheduler, check
from histoscribe.predict.bag_patients import bulk_of_slides, predicts_bags
from histoscribe.predict.job_states import run_noted
from histoscribe.predict.patient_trust import patient_warnings
from histoscribe.predict.patients import PatientsDone, check_patients, patients_of_slides
from histoscribe.predict.plan import LEAVE_OUT, DamagedTiles, SlideRequest
from histoscribe.predict.section_job import SectionDone, SectionJob
from histoscribe.predict.slide_job import SlideJob, SlideResult, opened
from histoscribe.predictor.facts import data_files
from histoscribe.predictor.gene_choice import GeneChoice, choose_genes
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Cohort

SlideOutcome = SlideResult | tuple[Problem, ...]
"""Result of a predicted slide, or the problems of one that cannot be predicted."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """All options of one call of `predict`."""

    predictor: Path
    targets: tuple[str, ...]
    """Slides; manifests (`.csv`), `catalog:NAME`, `hest:FOLDER` and `stnet:FOLDER`."""
    out: Path
    weights: tuple[tuple[str, Path], ...] = ()
    """Encoder weights given by hand."""
    sections: tuple[str, ...] = ()
    """Sections of the cohorts; all if empty."""
    spacing_um: float = 100.0
    mpp: float | None = None
    """um per level-0 px of the slides."""
    mpp_from: Literal["user", "metadata"] | None = None
    """Which um/px to trust if that of the user and that of a file differ."""
    image_number: int | None = None
    """Image of files with several, from 1; None takes the largest."""
    damaged_tiles: DamagedTiles = LEAVE_OUT
    """Whether slides with damaged tiles are predicted without the places on them, or refused."""
    mask: Path | None = None
    """Tissue mask of the only slide."""
    genes: tuple[str, ...] = ()
    """Genes for the GeoJSON, whose colours are by the first one."""
    spatialdata: bool = False
    """Also write SpatialData."""
    per: Literal["slide", "patient"] = "slide"
    """`patient`: the targets are manifests of slides and patients, which are predicted, too."""
    division: Division = ALONE
    """Where slides and sections are predicted. A shard leaves patients to a call for all."""
    keep_unlike: bool = False
    """Keep the values of places beyond the training tissue."""

    @cached_property
    def listed(self) -> tuple[SlideSource, ...]:
        """Slides of the manifests, if patients are predicted; `mpp` where a line has none."""
        if self.per == "slide":
            return ()
        strays = [target for target in self.targets if not target.endswith(".csv")]
        if strays:
            raise DataContractError(_no_manifest(strays))
        return tuple(
            replace(
                slide,
                mpp=self.mpp if slide.mpp is None else slide.mpp,
                mpp_from=slide.mpp_from or self.mpp_from,
                image_number=slide.image_number or self.image_number,
            )
            for target in self.targets
            for slide in read_slides(Path(target))
        )

    @property
    def slides(self) -> tuple[SlideRequest, ...]:
        """Requested slides, given as targets or listed in manifests."""
        if self.per == "patient":
            return tuple(
                SlideRequest(
                    path=slide.path,
                    spacing_um=self.spacing_um,
                    mpp=slide.mpp,
                    mpp_from=slide.mpp_from,
                    image_number=slide.image_number,
                    damaged_tiles=self.damaged_tiles,
                    mask=self.mask,
                )
                for slide in self.listed
            )
        return tuple(
            SlideRequest(
                path=Path(t),
                spacing_um=self.spacing_um,
                mpp=self.mpp,
                mpp_from=self.mpp_from,
                image_number=self.image_number,
                damaged_tiles=self.damaged_tiles,
                mask=self.mask,
            )
            for t in self.targets
            if not is_cohort_name(t)
        )

    @property
    def absolute(self) -> "Order":
        """The same with paths that other processes understand."""
        folder = Path.cwd()
        return replace(
            self,
            predictor=self.predictor.absolute(),
            targets=tuple(resolved(target, folder) for target in self.targets),
            out=self.out.absolute(),
            weights=tuple((name, path.absolute()) for name, path in self.weights),
            mask=None if self.mask is None else self.mask.absolute(),
        )

    @property
    def cohorts(self) -> tuple[str, ...]:
        """The targets that are cohorts."""
        if self.per == "patient":
            return ()
        return tuple(target for target in self.targets if is_cohort_name(target))


Outcome = SectionDone | tuple[Problem, ...] | tuple[SlideJob, SlideOutcome] | PatientsDone
"""What `predict` yields: a section or the problems of one, a slide with its outcome, patients."""


def predict(order: Order) -> Iterator[Outcome]:
    """Predict every target; yields the outcome of each section and slide.

    The sections of cohorts come first, at their spots; then the slides, on their grids; then the
    patients, if all their slides could be predicted. Finished work is kept.

    Raises
    ------
    DataContractError
        before any work: for genes that the predictor lacks (similar names are given), for an
        invalid predictor, weights or cohort, for a missing extra; all problems of the options at
        once. A slide or section that cannot be predicted is reported in its outcome and stops no
        other.
    """
    check(order.division.where)
    if isinstance(order.division.where, Scheduler):
        order = order.absolute
    predictor = opened(order.predictor, order.weights)
    if order.per == "patient":
        _check_patients(order, predictor)
    detections = choose_genes(predictor, order.genes)
    if order.spatialdata:
        need("spatialdata", EXTRA, "--spatialdata")
    cohorts = [read_cohort(target, order.sections or None) for target in order.cohorts]
    _check(order, cohorts)
    _check_weights(predictor, order)
    kept = "places beyond training are kept\n" if order.keep_unlike else ""
    files = {"predictor.txt": f"{predictor.name} {predictor.hash}\n{kept}"}
    for cohort in cohorts:
        files |= data_files(cohort)
    sections, slides = _section_jobs(order, cohorts), _slide_jobs(order, detections)
    names = [*(job.name for job in sections), *(job.name for job in slides)]
    with (
        _claimed_or_gone(order, files),
        claims_removed(order.out, alone=order.division.shard is None),
        work_state(order.out, f"Predictions of {predictor.name}", names) as states,
    ):
        for _, done in run_noted(sections, order.division, "sections", states):
            yield done
        failed = False
        for job, outcome in run_noted(slides, order.division, "slides", states):
            failed |= isinstance(outcome, tuple)
            yield job, outcome
        if order.per == "patient" and not failed and order.division.shard is None:
            yield _patients(order, predictor)


def _slide_jobs(order: Order, detections: GeneChoice) -> list[SlideJob]:
    return [
        SlideJob(
            predictor=order.predictor,
            weights=order.weights,
            request=slide,
            out=order.out,
            detections=detections,
            spatialdata=order.spatialdata,
            keep_unlike=order.keep_unlike,
        )
        for slide in order.slides
    ]


def _section_jobs(order: Order, cohorts: Sequence[Cohort]) -> list[SectionJob]:
    return [
        SectionJob(
            predictor=order.predictor,
            weights=order.weights,
            cohort=target,
            section=section,
            out=order.out,
            spatialdata=order.spatialdata,
            keep_unlike=order.keep_unlike,
            _opened=cohort,
        )
        for target, cohort in zip(order.cohorts, cohorts, strict=True)
        for section in cohort.ids
    ]


def _patients(order: Order, predictor: Predictor) -> PatientsDone:
    """Predict patients: as bags of all their tiles, or by the mean over their tissue."""
    if not predicts_bags(predictor):
        slides, keep = _slides_of_patients(order), order.keep_unlike
        prediction = patients_of_slides(predictor, slides, order.out, keep_unlike=keep)
    else:
        prediction = bulk_of_slides(
            predictor, order.listed, cache_folder(), keep_unlike=order.keep_unlike
        )
    write_bulk(prediction, order.out / FILE)
    return PatientsDone(order.out / FILE, len(prediction.patients), patient_warnings(prediction))


def _check_patients(order: Order, predictor: Predictor) -> None:
    if not predicts_bags(predictor):
        check_patients(predictor)
    elif order.mask is not None:
        raise DataContractError(
            Problem(
                where=f"--mask {order.mask}, --per patient",
                found=f"predictor {predictor.name}, which predicts a patient as a bag of tiles",
                expected="no mask: the tiles of a bag lie on the detected tissue, as in training",
                remedy="leave it out, or predict the slide without --per patient",
            )
        )


def _slides_of_patients(order: Order) -> dict[str, list[str]]:
    slides: dict[str, list[str]] = {}
    for slide in order.listed:
        slides.setdefault(slide.patient, []).append(slide.section)
    return slides


def _check(order: Order, cohorts: Sequence[Cohort]) -> None:
    names = [id_ for cohort in cohorts for id_ in cohort.ids]
    names += [slide.name for slide in order.slides]
    problems = [
        Problem(
            where=name,
            found=f"{n} targets of this name",
            expected="different names: results are named after them",
            remedy="predict them into two folders, or rename one",
        )
        for name, n in Counter(names).items()
        if n > 1
    ]
    if order.mask is not None and len(order.slides) != 1:
        problems.append(
            Problem(
                where=f"--mask {order.mask}",
                found=f"{len(order.slides)} slides",
                expected="one slide, to which the mask belongs",
                remedy="predict each slide with a mask separately",
            )
        )
    if order.sections and not cohorts:
        problems.append(
            Problem(
                where=f"--section {' '.join(order.sections)}",
                found="no cohort among the targets",
                expected=f"a cohort with these sections: {COHORT_NAMES}",
                remedy="leave it out",
            )
        )
    if not order.slides:
        problems += _for_slides_only(order)
    if problems:
        raise DataContractError(problems)


def _no_manifest(targets: Sequence[str]) -> Problem:
    return Problem(
        where=f"--per patient, {', '.join(targets)}",
        found="no manifest, so the patient of each slide is unknown",
        expected="a CSV with the columns patient and slide, and mpp if a slide does not state it",
        remedy="list the slides in such a file, and give it instead",
    )


def _for_slides_only(order: Order) -> Iterator[Problem]:
    """Problems of options for slides only: sections have fixed spots and no GeoJSON."""
    in_manifest = "give it in the manifest"
    given = {
        "--mpp": (order.mpp, in_manifest),
        "--mpp-from": (order.mpp_from, in_manifest),
        "--image-number": (order.image_number, in_manifest),
        "--gene": (" ".join(order.genes) or None, "every gene is in the .h5ad"),
    }
    for option, (value, instead) in given.items():
        if value is not None:
            text = f"{value:g}" if isinstance(value, float) else value
            yield Problem(
                where=f"{option} {text}",
                found="no slide among the targets",
                expected="a slide to apply it to",
                remedy=f"leave it out: {instead}",
            )


def _check_weights(predictor: Predictor, order: Order) -> None:
    """Open the encoder, which reports problems of its weights."""
    if isinstance(order.division.where, InProcess):
        predictor.encoder.to(choose_device("auto"))  # kept for the work
    else:
        predictor.encoding.open(predictor.weights)  # each process has its own


@contextmanager
def _claimed_or_gone(order: Order, files: Mapping[str, str]) -> Iterator[None]:
    """Claim a folder; remove it again if nothing was written, for a call with other options."""
    folder, shared = order.out, order.division.shard is not None
    new = not folder.exists() and not shared
    with claimed(folder, files, shared=shared):
        yield
        if new and {path.name for path in folder.iterdir()} == {*files, *FILES}:
            for name in (*files, *FILES):
                (folder / name).unlink()
            folder.rmdir()

"""Orders of `predict`: slides, and cohorts whose sections are predicted at their spots."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from histoscribe import parallel
from histoscribe.data.tissue import tissue_mask
from histoscribe.device import choose_device
from histoscribe.errors import DataContractError, Problem, errors_told
from histoscribe.extras import need
from histoscribe.io.cohorts.bulk_slides import SlideSource, read_slides
from histoscribe.io.cohorts.cohort import COHORT_NAMES, is_cohort_name, read_cohort
from histoscribe.io.predictions.anndata import (
    read_prediction,
    read_spot_facts,
    read_warnings,
    write_prediction,
)
from histoscribe.io.predictions.bulk_file import FILE, write_bulk
from histoscribe.io.predictions.spatialdata import EXTRA, write_spatialdata
from histoscribe.io.run_folder import claimed
from histoscribe.io.weights import cache_folder
from histoscribe.io.work_place import work_place
from histoscribe.predict.bag_patients import bulk_of_slides, predicts_bags
from histoscribe.predict.patient_trust import patient_warnings
from histoscribe.predict.patients import PatientsDone, check_patients, patients_of_slides
from histoscribe.predict.plan import LEAVE_OUT, DamagedTiles, SlideRequest
from histoscribe.predict.slide import warnings_of
from histoscribe.predict.slide_job import SlideJob, SlideResult, opened
from histoscribe.predictor.facts import data_files
from histoscribe.predictor.gene_choice import choose_genes
from histoscribe.predictor.limits import BeyondTraining
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.types import CLIPPED, DISTANCE, Cohort

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
    n_processes: int = 1
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
    def cohorts(self) -> tuple[str, ...]:
        """The targets that are cohorts."""
        if self.per == "patient":
            return ()
        return tuple(target for target in self.targets if is_cohort_name(target))


@dataclass(frozen=True)
class SectionDone:
    """File and warnings of one predicted section of a cohort, and its spots beyond the training."""

    path: Path
    warnings: tuple[str, ...]
    beyond: BeyondTraining


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
    jobs = [
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
    with _claimed_or_gone(order.out, files):
        for cohort in cohorts:
            yield from _sections(order, predictor, cohort)
        failed, where = False, work_place(order.n_processes)
        for job, outcome in zip(jobs, parallel.run(jobs, where, "slides"), strict=True):
            failed |= isinstance(outcome, tuple)
            yield job, outcome
        if order.per == "patient" and not failed:
            yield _patients(order, predictor)


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
    if order.n_processes == 1 or len(order.slides) < 2:
        predictor.encoder.to(choose_device("auto"))  # kept for the work
    else:
        predictor.encoding.open(predictor.weights)  # each process has its own


def _sections(
    order: Order, predictor: Predictor, cohort: Cohort
) -> Iterator[SectionDone | tuple[Problem, ...]]:
    for name in track(cohort.ids, "sections"):
        try:
            with errors_told(f"section {name}"):
                done = _section(order, predictor, cohort, name)
        except DataContractError as error:
            yield error.problems
        else:
            yield done


def _section(order: Order, predictor: Predictor, cohort: Cohort, name: str) -> SectionDone:
    path, zarr = order.out / f"{name}.h5ad", order.out / f"{name}.zarr"
    if not path.exists():
        section = cohort[name]
        keep, n_genes = order.keep_unlike, len(predictor.target.genes)
        prediction = predictor(section, cache_folder(), keep_unlike=keep)
        beyond = BeyondTraining.of(prediction.head.spot_facts, n_genes, keep_unlike=keep)
        unlike = warnings_of(predictor, section.slide, tissue_mask(section.slide), beyond)
        head = replace(prediction.head, warnings=unlike)
        write_prediction(replace(prediction, head=head), path)
    if order.spatialdata and not zarr.exists():
        write_spatialdata(replace(read_prediction(path), slide=cohort[name].slide), zarr)
    return SectionDone(path, read_warnings(path), _beyond(order, predictor, path))


def _beyond(order: Order, predictor: Predictor, path: Path) -> BeyondTraining:
    """Count the spots beyond the training in a written section."""
    facts = read_spot_facts(path, (DISTANCE, CLIPPED))
    return BeyondTraining.of(facts, len(predictor.target.genes), keep_unlike=order.keep_unlike)


@contextmanager
def _claimed_or_gone(folder: Path, files: Mapping[str, str]) -> Iterator[None]:
    """Claim a folder; remove it again if nothing was written, for a call with other options."""
    new = not folder.exists()
    with claimed(folder, files):
        yield
        if new and {path.name for path in folder.iterdir()} == set(files):
            for name in files:
                (folder / name).unlink()
            folder.rmdir()

"""Checks of the data and the settings of a run."""

from collections.abc import Iterator

import numpy as np

from histoscribe.benchmark.alignment import misaligned
from histoscribe.benchmark.results import Results
from histoscribe.data.fold_checks import twins_across
from histoscribe.data.fold_settings import leaky
from histoscribe.data.tissue import tissue_mask
from histoscribe.data.tissue_fit import tissue_fit
from histoscribe.io.cohorts.resolutions import COARSE_MPP
from histoscribe.io.cohorts.twins import twin_images
from histoscribe.metrics.summary import MIN_PATIENTS
from histoscribe.models.catalog import list_models
from histoscribe.progress import track
from histoscribe.types import Check

SHALLOW = 1000
"""Median total count of a section below which its measured values are mostly sampling noise."""
ON_TISSUE = 0.8
"""Share of spots on tissue below which image and spots may not fit.

Real sections have 0.91 to 1.
"""


def protocol_leaks(results: Results) -> Iterator[Check]:
    """The settings name a leaky protocol."""
    reason = leaky(results.plan.settings.folds.protocol)
    if reason is not None:
        several = len({truth.patient for truth in results.truths}) > 1
        remedy = 'use protocol = "patient"' if several else "add patients: folds are made of them"
        yield Check("leaky", "warning", f"leaky protocol: {reason}", remedy)


def panel_leaks(results: Results) -> Iterator[Check]:
    """The settings allow test sections in the choice of genes."""
    if any(target.panel_saw_test for target in results.plan.targets.values()):
        yield Check(
            "leaky-panel",
            "warning",
            "leaky panel: the genes were chosen on all sections, test sections included",
            'remove "panel" from folds.leaks: the panel is then chosen on training sections',
        )


def epoch_leaks(results: Results) -> Iterator[Check]:
    """The settings allow the choice of the epoch on the test section."""
    settings = results.plan.settings
    chosen = [row.name for row in settings.rows if row.is_network]
    if "epoch" in settings.folds.leaks and chosen:
        yield Check(
            "leaky-epoch",
            "warning",
            f"leaky epoch: {', '.join(chosen)} kept the epoch with the best score on the test "
            "section, so its scores are the best of many tries",
            'remove "epoch" from folds.leaks: the epoch is then chosen on training sections',
        )


def twins_leak(results: Results) -> Iterator[Check]:
    """The settings allow one picture in training and in test."""
    plan = results.plan
    if "twins" not in plan.settings.folds.leaks:
        return
    found = [
        f"{' = '.join(ids)} in fold {fold.name}"
        for fold in plan.folds
        for ids in twins_across(plan.run_data.cohort, fold)
    ]
    if found:
        yield Check(
            "leaky-twins",
            "warning",
            "leaky pictures: one picture is in training and in test, so a model can look up the "
            f"answer: {'; '.join(found)}",
            'remove "twins" from folds.leaks and keep each picture on one side',
        )


def few_patients(results: Results) -> Iterator[Check]:
    """Finding of too few patients for an interval or a ranking."""
    n_patients = len({truth.patient for truth in results.truths})
    if n_patients == 1:
        yield Check(
            "one-patient",
            "warning",
            "all test sections are of one patient: the scores say nothing about other patients",
            'do not generalise beyond this patient; test more patients, with protocol = "patient"',
        )
    elif n_patients < MIN_PATIENTS:
        yield Check(
            "few-patients",
            "warning",
            f"too few patients ({n_patients}) for an interval over them or a ranking of models",
            "read the values per patient; add patients before comparing models",
        )


def weak_validation(results: Results) -> Iterator[Check]:
    """Inner validation that does not hold out whole patients."""
    weak = [fold for fold in results.plan.folds if fold.validation != "patient"]
    if weak and results.plan.settings.folds.protocol == "patient":
        held = ", ".join(f"{fold.name} by {fold.validation}" for fold in weak)
        yield Check(
            "inner-validation",
            "info",
            f"inner validation could not hold out whole patients in every fold: {held}",
            "use at least two training patients in each fold",
        )


def no_baselines(results: Results) -> Iterator[Check]:
    """Baselines missing from the run."""
    models = results.plan.settings.models
    baselines = ("mean", "colour", "depth", "knn", "ridge", "mlp")
    missing = [name for name in baselines if name not in models and name in list_models()]
    if missing:
        yield Check(
            "baselines-missing",
            "info",
            f"baselines not run: {', '.join(missing)}",
            "add them to models: a model must be compared with them",
        )


def shallow(results: Results) -> Iterator[Check]:
    """Sections whose measured values are mostly sampling noise."""
    cohort = results.plan.run_data.cohort
    medians = {s.id: float(np.median(s.measured.total)) for s in cohort}
    listed = [f"{name} ({median:.0f})" for name, median in medians.items() if median < SHALLOW]
    if listed:
        yield Check(
            "shallow",
            "info",
            f"median total count below {SHALLOW}: {', '.join(listed)}",
            "expect low correlations in these sections for every model: their counts are noisy",
        )


def coarse(results: Results) -> Iterator[Check]:
    """Finding of tiles too coarse to show a nucleus."""
    mpp = results.plan.settings.inputs.mpp
    if mpp > COARSE_MPP:
        yield Check(
            "coarse-image",
            "warning",
            f"tiles are read at {mpp:g} um/px: nuclei are a few pixels wide",
            "give the full-resolution image; do not compare image models at this resolution",
        )


def random_weights(results: Results) -> Iterator[Check]:
    """Encoders without trained weights."""
    run_data = results.plan.run_data
    identities = (run_data.source(encoder).identity() for encoder in run_data.encoders())
    drawn = sorted({of.encoder for of in identities if of.weights.startswith("random")})
    if drawn:
        yield Check(
            "random-weights",
            "warning",
            f"the encoder {', '.join(drawn)} has random weights",
            "give its weights: --weights NAME=FILE",
        )


def shifted(results: Results) -> Iterator[Check]:
    """Sections whose prediction fits better after a shift by one spot."""
    for found in misaligned(results.alignment):
        yield Check(
            "shifted-spots",
            "warning",
            f"section {found.section}: the prediction fits better one spot to the "
            f"{found.direction} (pcc {found.pcc:.3f}, in place {found.pcc_in_place:.3f}, over the "
            "same spots)",
            "check its overlay: the image may be shifted, turned or flipped against the spots",
        )


def off_tissue(results: Results) -> Iterator[Check]:
    """Sections with spots outside the tissue, or with more on it if an axis is read otherwise."""
    fits = {
        section.id: tissue_fit(section.spots.xy, section.slide, tissue_mask(section.slide))
        for section in track(results.plan.run_data.cohort, "tissue under the spots")
    }
    off = [f"{id_} ({100 * f.share:.0f} %)" for id_, f in fits.items() if f.share < ON_TISSUE]
    if off:
        yield Check(
            "spots-off-tissue",
            "warning",
            f"few spots lie on tissue: {', '.join(off)}",
            "check the overlay of these sections: image and positions may not belong together",
        )
    for id_, fit in fits.items():
        if fit.is_doubtful:
            yield Check(
                "axes-of-spots",
                "warning",
                f"section {id_}: {fit.words}",
                "check its overlay: an axis may be exchanged or mirrored in the file",
            )


def twins(results: Results) -> Iterator[Check]:
    """Sections of one patient with the same image."""
    found = twin_images(results.plan.run_data.cohort)
    if found:
        listed = ", ".join(" = ".join(twin.id for twin in twins) for twins in found)
        yield Check(
            "twin-images",
            "warning",
            f"sections of one patient with equal pixels: {listed}",
            "check that each section has its own image",
        )

"""Checks of predictions that were made elsewhere."""

from collections.abc import Iterator

import numpy as np

from histoscribe.benchmark.alignment import misaligned
from histoscribe.benchmark.cell import cell_prediction
from histoscribe.benchmark.foreign.common import leaks_of, untold_sections
from histoscribe.benchmark.foreign.model import ForeignModel
from histoscribe.benchmark.foreign.units import UNITS
from histoscribe.benchmark.results import Results
from histoscribe.data.transform import TRANSFORMS
from histoscribe.types import Check

MOST_TIMES = 5.0
"""Ratio of predicted to measured mean, or its inverse, from which a unit is doubted."""


def training_leaks(results: Results) -> Iterator[Check]:
    """Predictions of patients that their model was trained on."""
    for model in _models(results):
        leaks = leaks_of(model, results.plan.folds, results.plan.run_data.cohort)
        if leaks:
            listed = "; ".join(f"{s} by {', '.join(names)}" for s, names in leaks.items())
            yield Check(
                "leaky-training",
                "warning",
                f"{model.name} was trained on patients that it is scored on: {listed}",
                "compare it with nothing here; score its predictions of other patients",
            )


def training_unknown(results: Results) -> Iterator[Check]:
    """Predictions of which nobody said the training patients."""
    for model in _models(results):
        untold = untold_sections(model, results.plan.folds, results.plan.run_data.cohort)
        if untold:
            yield Check(
                "training-unknown",
                "warning",
                f"nobody said which patients {model.name} was trained on to predict "
                f"{', '.join(untold)}: if one of them is a test patient, its scores are too high",
                "name them in a file: --trained-on FILE (in Python: trained_on)",
            )


def inside_band(results: Results) -> Iterator[Check]:
    """Foreign models that show nothing beyond shuffled labels."""
    top = results.band_top("pcc_given_depth")
    for model in _models(results):
        score = results.mean(model.name, "pcc_given_depth")
        if not score > top:
            yield Check(
                "foreign-inside-band",
                "warning",
                f"{model.name} is not above the shuffled band: its pcc_given_depth is {score:.3f}, "
                f"shuffled labels reach {top:.3f}",
                "check names of spots and genes, and that sections were not exchanged; else it "
                "shows nothing beyond chance and depth",
            )


def unit_unknown(results: Results) -> Iterator[Check]:
    """Predictions in an unknown unit, or in another one than the target."""
    transform = results.plan.settings.target.transform
    for model in _models(results):
        if results.plan.has_unit(model.name):
            continue
        left_out = (
            f"and the target is in {transform}: scores that compare values (e.g. mse, ccc, "
            "pcc_spot) and its cut into parts are left out; correlations are with values in "
            f"{transform}"
        )
        if model.unit is None:
            yield Check(
                "unit-unknown",
                "info",
                f"the unit of {model.name} is unknown, {left_out}",
                f"say it with --unit ({', '.join(UNITS)})",
            )
        else:
            yield Check(
                "unit-differs",
                "info",
                f"the unit of {model.name} is {model.unit}, {left_out}",
                f'set target.transform = "{model.unit}" to score all rows on that scale',
            )


def unit_doubtful(results: Results) -> Iterator[Check]:
    """Predictions whose mean level contradicts their stated unit."""
    for model in _models(results):
        if not results.plan.has_unit(model.name) or not TRANSFORMS[str(model.unit)].non_negative:
            continue
        predicted, measured = _means(results, model.name)
        times = predicted / measured if measured > 0 else np.nan
        if times > MOST_TIMES or times < 1 / MOST_TIMES:
            yield Check(
                "unit-doubtful",
                "warning",
                f"values of {model.name} are {times:.2g} times as large as measured ones in "
                f"{model.unit} (means {predicted:.3g} and {measured:.3g})",
                "check the unit: other counts per spot, another base of the logarithm?",
            )


def spots_left_out(results: Results) -> Iterator[Check]:
    """Test spots without a prediction, and predicted rows that are no spots."""
    for model in _models(results):
        if missing := results.plan.foreign.missing[model.name]:
            listed = ", ".join(f"{section} {n}" for section, n in missing.items())
            yield Check(
                "spots-not-predicted",
                "warning",
                f"{model.name} did not predict these test spots: {listed}. No row is scored there",
                "predict them too: spots that are left out may be the difficult ones",
            )
        extra = {s: of.n_unknown_rows for s, of in model.sections.items() if of.n_unknown_rows}
        if extra:
            listed = ", ".join(f"{section} {n}" for section, n in extra.items())
            yield Check(
                "rows-unknown",
                "info",
                f"rows of {model.name} that are no spots of their section: {listed}",
                "they may lie off tissue, or be left out by the filters of the cohort",
            )


def genes_left_out(results: Results) -> Iterator[Check]:
    """Genes of the panel that a prediction lacks, and columns that are no genes."""
    models, settings = list(_models(results)), results.plan.settings
    wanted = len(settings.target.listed or ()) or settings.target.n_genes
    fewest = min((len(target.genes) for target in results.plan.targets.values()), default=wanted)
    if models and fewest < wanted:
        yield Check(
            "genes-not-predicted",
            "info",
            f"the panel has {fewest} of {wanted} genes: those that {_names(models)} predicted in "
            "all test sections of a fold",
            "compare the numbers with runs of the same genes only",
        )
    for model in models:
        n_unknown = max(of.n_unknown_genes for of in model.sections.values())
        if n_unknown:
            yield Check(
                "columns-unknown",
                "info",
                f"{n_unknown} columns of {model.name} are no genes of the cohort, or symbols of "
                "several genes",
                "give ids of genes to score them (AnnData: `var['gene_ids']`)",
            )


def shifted(results: Results) -> Iterator[Check]:
    """Predictions that fit better after a shift by one spot."""
    table, by_chance = results.foreign_alignment, results.band_top("pcc")
    for model in _models(results):
        found = misaligned(table[table["model"] == model.name])
        # a prediction without any pattern fits a little better somewhere by chance
        for of in (of for of in found if of.pcc > by_chance):
            yield Check(
                "foreign-shifted",
                "warning",
                f"{model.name}, section {of.section}: it fits better one spot to the "
                f"{of.direction} (pcc {of.pcc:.3f}, in place {of.pcc_in_place:.3f}, over the same "
                "spots)",
                "check how its tool read the places of spots: axes, origin and um/px",
            )


def _models(results: Results) -> Iterator[ForeignModel]:
    yield from results.plan.foreign.models.values()


def _names(models: list[ForeignModel]) -> str:
    return " and ".join(model.name for model in models)


def _means(results: Results, model: str) -> tuple[float, float]:
    """Mean predicted and mean measured value over all test spots and measured genes."""
    places = [(fold, section) for fold in results.plan.folds for section in sorted(fold.test)]
    parts = []
    for (fold, section), truth in zip(places, results.truths, strict=True):
        known = np.isfinite(truth.measured).all(axis=0)
        predicted = cell_prediction(results.plan, fold, model, section).values
        parts.append((predicted[:, known].ravel(), truth.measured[:, known].ravel()))
    predicted, measured = (np.concatenate(of) for of in zip(*parts, strict=True))
    return (float(predicted.mean()), float(measured.mean())) if len(measured) else (np.nan, np.nan)

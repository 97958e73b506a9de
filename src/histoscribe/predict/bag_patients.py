"""Predict patients by a model of bags: all slides of a patient together, with maps of each."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from histoscribe.data.bag_groups import patient_bags
from histoscribe.data.items.spots import SpotQueries
from histoscribe.data.slide_cohort import slide_cohort
from histoscribe.device import choose_device
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.bulk_slides import SlideSource, read_slides
from histoscribe.io.predictions.bulk_file import FILE, write_bulk
from histoscribe.io.weights import cache_folder
from histoscribe.predict.patient_trust import patient_facts, patient_warnings
from histoscribe.predictor.limits import BeyondTraining, within_limits
from histoscribe.predictor.predictor import Predictor
from histoscribe.predictor.saving import load_predictor
from histoscribe.progress import track
from histoscribe.threads import fixed_threads
from histoscribe.types import (
    CLIPPED,
    DISTANCE,
    TRUSTED,
    Bag,
    BulkPrediction,
    Cohort,
    TileEvidence,
)

MAP = "expression"
"""Name of the prediction for each tile as a bag of its own, among the maps of a section."""


def predict_patients(
    predictor: Predictor | str | Path,
    slides: str | Path,
    *,
    out: str | Path | None = None,
    cache: str | Path | None = None,
    keep_unlike: bool = False,
) -> BulkPrediction:
    """Predict the expression of patients from all their slides, by a model trained on bags.

    Parameters
    ----------
    predictor
        A predictor that was trained with `[bulk]`, or its folder.
    slides
        A manifest (CSV) with the columns `patient` and `slide`, and `mpp` where a slide does not
        state its um/px.
    out
        Folder for `bulk.h5ad`; by default nothing is written.
    cache
        Folder for computed features; by default `$HISTOSCRIBE_CACHE`, else the platform's cache
        folder.
    keep_unlike
        Keep the values of tiles, and of patients, beyond the training tissue: they are NaN
        otherwise.

    Returns
    -------
    One row a patient, with the disagreement of the members of an ensemble, and for each slide the
    maps of its tiles: the prediction for each tile as a bag of its own, and what the model says of
    its part in the bag, e.g. attention. A patient is predicted from all tiles; its values are
    clipped to the range of the training, and NaN if less than half of its tiles are trusted.

    Raises
    ------
    DataContractError
        for an invalid manifest, a patient without a tile of tissue, and a model of spots.

    Examples
    --------
    >>> import histoscribe as hs
    >>> bulk = hs.predict_patients("he2rna", "slides.csv", out="patients")  # doctest: +SKIP
    """
    loaded = predictor if isinstance(predictor, Predictor) else load_predictor(predictor)
    if not predicts_bags(loaded):
        raise DataContractError(_of_spots(loaded))
    folder = cache_folder() if cache is None else Path(cache)
    prediction = bulk_of_slides(loaded, read_slides(Path(slides)), folder, keep_unlike=keep_unlike)
    for warning in patient_warnings(prediction):
        warnings.warn(warning, stacklevel=2)
    if out is not None:
        write_bulk(prediction, Path(out) / FILE)
    return prediction


def bulk_of_slides(
    predictor: Predictor, slides: Sequence[SlideSource], cache: Path, *, keep_unlike: bool
) -> BulkPrediction:
    """Predict the patients of these slides, on the grid of the training: tiles side by side."""
    with fixed_threads():
        return _bulk_of_slides(predictor, slides, cache, keep_unlike=keep_unlike)


def _bulk_of_slides(
    predictor: Predictor, slides: Sequence[SlideSource], cache: Path, *, keep_unlike: bool
) -> BulkPrediction:
    encoding = predictor.encoding
    cohort = slide_cohort(slides, encoding.tile_px * encoding.mpp)
    rows = {s.id: np.arange(len(s.spots)) for s in track(cohort, "tissue of the slides")}
    bags = patient_bags(cohort, rows, {})
    parts = [
        _Patient(predictor, cohort, bag, cache, keep_unlike=keep_unlike)
        for bag in track(bags, "patients")
    ]
    return BulkPrediction(
        patients=tuple(bag.name for bag in bags),
        genes=predictor.target.genes,
        values=np.stack([part.values for part in parts]),
        deviation=None
        if parts[0].deviation is None
        else np.stack([part.deviation for part in parts if part.deviation is not None]),
        unit=predictor.target.unit,
        predictor=predictor.name,
        gene_names=predictor.gene_names,
        evidence={section: maps for part in parts for section, maps in part.maps.items()},
        card=json.dumps(predictor.card.to_json(), sort_keys=True),
        patient_facts=_facts([part.beyond for part in parts], [part.clipped for part in parts]),
    )


def _facts(
    beyond: Sequence[BeyondTraining], clipped: Sequence[int]
) -> dict[str, Float[np.ndarray, " M"]]:
    shares = [np.nan if one.share is None else one.share for one in beyond]
    trusted = [one.n_trusted / one.n_places for one in beyond]
    return {**patient_facts(shares, trusted), CLIPPED: np.array(clipped, dtype=np.float64)}


def predicts_bags(predictor: Predictor) -> bool:
    """Whether a predictor was trained on bags: a model of bags, or any model with `[bulk]`."""
    return predictor.fitted.item == "bag" or bool(predictor.target.samples)


class _Patient:
    """What a predictor says of one patient; features of one patient are in memory at a time."""

    values: Float[np.ndarray, " G"]
    deviation: Float[np.ndarray, " G"] | None = None
    maps: Mapping[str, TileEvidence]
    beyond: BeyondTraining
    """Of its tiles."""
    clipped: int
    """Number of genes whose value was clipped."""

    def __init__(
        self, predictor: Predictor, cohort: Cohort, bag: Bag, cache: Path, *, keep_unlike: bool
    ) -> None:
        sections = [cohort[name] for name in sorted(bag.rows) if len(bag.rows[name])]
        queries = SpotQueries.concatenate([predictor.queries(s, cache) for s in sections])
        fitted = predictor.fitted
        predicted, facts = within_limits(
            fitted.predict(queries, torch.device(choose_device(predictor.device))),
            predictor.reference.distance(queries.feature),
            predictor.map_range,
            keep_unlike=keep_unlike,
        )
        n_genes = len(predictor.target.genes)
        self.beyond = BeyondTraining.of(facts, n_genes, keep_unlike=keep_unlike)
        if fitted.item == "bag":
            of_bag = fitted.predict_bags(queries)
            (values,) = of_bag.values.astype(np.float32)
            if of_bag.deviation is not None:
                (deviation,) = of_bag.deviation.astype(np.float32)
                self.deviation = self.beyond.bag_deviation(deviation)
        else:
            mean = queries.feature.mean(axis=0, dtype=np.float64, keepdims=True)
            (values,) = fitted.predict_means(mean.astype(np.float32)).astype(np.float32)
        self.values = self.beyond.bag_values(values, predictor.value_range)
        self.clipped = int((predictor.value_range.clip(values[None])[0] != values).sum())
        of_tiles = {name: facts[name][:, None] for name in (DISTANCE, TRUSTED)}
        columns = {MAP: predicted.values, **of_tiles, **predicted.evidence}
        starts = np.cumsum([0, *(len(section.spots) for section in sections)])
        self.maps = {
            section.id: TileEvidence(
                patient=bag.patient,
                spots=section.spots,
                values={
                    name: values[start : start + len(section.spots)].astype(np.float32)
                    for name, values in columns.items()
                },
            )
            for section, start in zip(sections, starts, strict=False)
        }


def _of_spots(predictor: Predictor) -> Problem:
    return Problem(
        where=f"predictor {predictor.name}",
        found=f"model {predictor.model.name} was trained on spots",
        expected="a model that was trained on bags, with [bulk] in its settings",
        remedy="predict its slides, and take the mean over the tissue: histoscribe predict "
        "--per patient",
    )

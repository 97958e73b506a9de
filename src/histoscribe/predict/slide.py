"""One slide that was never sequenced, predicted in memory."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from histoscribe.data.tissue import TissueMask
from histoscribe.io.durable_zarr import chunks_of
from histoscribe.io.predictions.prediction_store import CHUNK_ROWS
from histoscribe.predict.blocks import predicted_blocks
from histoscribe.predict.plan import SlidePlan, SlideRequest, make_plan, open_request
from histoscribe.predict.warnings import unlike_training
from histoscribe.predict.whole import blocks_of_whole, feature_blocks
from histoscribe.predictor.limits import BeyondTraining
from histoscribe.predictor.predictor import Predictor
from histoscribe.predictor.saving import load_predictor
from histoscribe.progress import track
from histoscribe.threads import fixed_threads
from histoscribe.types import (
    CLIPPED,
    DISTANCE,
    TRUSTED,
    Head,
    PredictedBlock,
    Prediction,
    Slide,
)

TISSUE = "tissue_share"
"""Spot fact: the share of tissue in the square of a place."""
_LIMITS = (DISTANCE, TRUSTED, CLIPPED)
"""Further columns that are facts of each place, one number each."""


def predict_slide(  # noqa: PLR0913 - one parameter an option
    predictor: Predictor | str | Path,
    path: str | Path,
    *,
    spacing_um: float | int = 100.0,
    mpp: float | int | None = None,
    mpp_from: Literal["user", "metadata"] | None = None,
    image_number: int | None = None,
    damaged_tiles: Literal["leave-out", "stop"] = "leave-out",
    mask: str | Path | None = None,
    keep_unlike: bool = False,
) -> Prediction:
    """Predict a slide on a square grid over its tissue.

    Parameters
    ----------
    predictor
        A predictor or its folder.
    path
        The slide.
    spacing_um
        Distance between neighbouring places.
    mpp
        um per level-0 px; needed where the slide's metadata does not say it.
    mpp_from
        Which um/px to trust if `mpp` and the metadata differ by more than 5 %.
    image_number
        Image of a file with several, from 1; by default the largest picture.
    damaged_tiles
        What to do about tiles of the slide that cannot be read: leave out the places on them, with
        a warning, or stop.
    mask
        Where the slide is tissue: a picture of the whole slide, or GeoJSON in level-0 px. By
        default the tissue is found by its colour.
    keep_unlike
        Keep the values of places beyond the training tissue, which are NaN otherwise.

    Returns
    -------
    Values [N, G], clipped to the range of the training, with grid position, share of tissue,
    distance to the training features, `trusted` and number of clipped genes of each position. If
    less than half of the positions are trusted, the scores of the genes are NaN. Warns if slide or
    tissue differ from the training data.

    Raises
    ------
    DataContractError
        for a slide, mask or predictor that cannot be used.

    Examples
    --------
    >>> import histoscribe as hs
    >>> prediction = hs.predict_slide("ridge", "biopsy.svs", spacing_um=50)  # doctest: +SKIP
    >>> hs.to_anndata(prediction).write_h5ad("biopsy.h5ad")  # doctest: +SKIP
    """
    loaded = predictor if isinstance(predictor, Predictor) else load_predictor(predictor)
    request = SlideRequest(
        path=Path(path),
        spacing_um=float(spacing_um),
        mpp=None if mpp is None else float(mpp),
        mpp_from=mpp_from,
        image_number=image_number,
        damaged_tiles=damaged_tiles,
        mask=None if mask is None else Path(mask),
    )
    tiles = loaded.encoding.tiles
    with fixed_threads():
        plan = make_plan(request, open_request(request, tiles), tiles, loaded.most_places)
        blocks = list(_blocks(loaded, plan, keep_unlike=keep_unlike))
    spot_columns = _joined([block.spot_columns for block in blocks])
    beyond = beyond_training(loaded, spot_columns, keep_unlike=keep_unlike)
    told = warnings_of(loaded, plan.section.slide, plan.mask, beyond)
    for warning in told:
        warnings.warn(warning, stacklevel=2)
    values = np.concatenate([block.values for block in blocks])
    head = head_of(loaded, plan, spot_columns, loaded.gene_facts(beyond, blocks[0].gene_facts))
    layers = _joined([block.layers for block in blocks])
    head = replace(head, warnings=told)
    return Prediction.of_layers(head, values, layers, slide=plan.section.slide)


def beyond_training(
    predictor: Predictor, spot_columns: Mapping[str, Float[np.ndarray, "N _"]], *, keep_unlike: bool
) -> BeyondTraining:
    """Count the places of a slide beyond the training, from the further columns of its blocks."""
    facts = {name: spot_columns[name][:, 0] for name in _LIMITS}
    return BeyondTraining.of(facts, len(predictor.target.genes), keep_unlike=keep_unlike)


def warnings_of(
    predictor: Predictor, slide: Slide, mask: TissueMask, beyond: BeyondTraining
) -> tuple[str, ...]:
    """Warnings that the values of a slide may be worse than the predictor's scores."""
    normalised = predictor.encoding.stain is not None
    unlike = unlike_training(slide, mask, predictor.reference, beyond, normalised=normalised)
    return (*slide.warnings, *_trained_on(predictor, slide), *unlike)


def _trained_on(predictor: Predictor, slide: Slide) -> Iterator[str]:
    """Warn of a training slide under another name: its exemplars would be its own spots."""
    trained = predictor.card.sections
    (shown,) = (one.pixel_hash() for one in track([slide], "slide compared with the training"))
    same = [name for name, of in trained.items() if of.image_sha256 == shown]
    if same:
        yield (
            f"The predictor was trained on this picture, as {', '.join(same)}: its scores were "
            "measured on patients outside the training data and do not apply to these values."
        )


def head_of(
    predictor: Predictor,
    plan: SlidePlan,
    spot_columns: Mapping[str, Float[np.ndarray, "N _"]],
    gene_facts: Mapping[str, Float[np.ndarray, " G"]],
) -> Head:
    """Head of a slide's prediction, from the further columns of its blocks."""
    facts = {
        TISSUE: plan.grid.tissue,
        **{name: spot_columns[name][:, 0] for name in _LIMITS},
    }
    return Head(
        section=plan.section.id,
        spots=plan.section.spots,
        genes=predictor.target.genes,
        unit=predictor.target.unit,
        predictor=predictor.name,
        spot_facts={name: values.astype(np.float64) for name, values in facts.items()},
        gene_facts=gene_facts,
        card=json.dumps(predictor.card.to_json(), sort_keys=True),
        gene_names=predictor.gene_names,
        evidence_names=predictor.fitted.evidence_names,
        evidence={
            name: values.astype(np.float64)
            for name, values in spot_columns.items()
            if name not in _LIMITS
        },
    )


def _joined(
    parts: Sequence[Mapping[str, Float[np.ndarray, "_ _"]]],
) -> dict[str, Float[np.ndarray, "N _"]]:
    """Columns of all places, by name, from those of consecutive ones."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _blocks(
    predictor: Predictor, plan: SlidePlan, *, keep_unlike: bool
) -> Iterator[PredictedBlock]:
    """Predicted blocks of a slide, equal to those on disk to the bit."""
    chunks = chunks_of(len(plan.grid), CHUNK_ROWS)
    if predictor.fitted.item == "spot":
        return predicted_blocks(predictor, plan, chunks, keep_unlike=keep_unlike)
    feature = [block for _, block in feature_blocks(predictor, plan, chunks)]
    whole = np.concatenate(feature)
    return blocks_of_whole(predictor, plan, whole, chunks, keep_unlike=keep_unlike)

"""A predicted gene on its slide, as a vector figure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides.resolution import nearest_px
from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.plot.canvas import around_spots, read_tissue
from histoscribe.plot.dot_map import DotMap, DotPanel, draw_dot_map
from histoscribe.plot.maps import pcc_text
from histoscribe.plot.publication import PublicationFigure, Width, in_mm
from histoscribe.types import DISTANCE, GeneLookup, Prediction, Section, Slide
from histoscribe.types.gene_labels import gene_labels

_DIMMED = 0.45  # keeps the tissue readable without competing with the colours


def plot_prediction(
    prediction: Prediction,
    gene: str,
    *,
    slide: Section | Slide | str | Path | None = None,
    width: Width = "single",
    tissue: bool = True,
) -> PublicationFigure:
    """Draw the map of a predicted gene over the H&E; spots beyond the training are hatched.

    Parameters
    ----------
    prediction
        Predicted expression.
    gene
        Its id or symbol.
    slide
        The slide or section that was predicted; needed for a prediction from a file, which does
        not hold the slide.
    width
        `single` (88 mm) or `double` (180 mm) column, or a number of mm.
    tissue
        Whether the H&E is drawn below the spots.

    Raises
    ------
    DataContractError
        for a gene that was not predicted, and if the slide is needed.

    Examples
    --------
    >>> import histoscribe as hs
    >>> prediction = hs.predict_slide("ridge", "biopsy.svs")  # doctest: +SKIP
    >>> prediction.plot("ERBB2").savefig("erbb2.pdf")  # doctest: +SKIP
    """
    (column,) = gene_columns(prediction, [gene])
    item = prediction_map(prediction, placed(prediction, slide), column, tissue=tissue)
    return draw_dot_map(item, in_mm(width))


def prediction_map(
    prediction: Prediction,
    section: Section,
    column: int,
    measured: Float[np.ndarray, " N"] | None = None,
    *,
    tissue: bool,
) -> DotMap:
    """Map of one gene; with measured values (in the same unit) both are side by side."""
    head, spots = prediction.head, prediction.spots
    predicted = prediction.values[:, column].astype(np.float64)
    panels = [DotPanel(f"predicted by {head.predictor.partition('@')[0]}", predicted)]
    if measured is not None:
        below = f"pcc {pcc_text(measured, predicted)}"
        panels = [DotPanel("measured", measured), DotPanel(panels[0].title, predicted, below)]
    patient = "" if section.patient is None else f", patient {section.patient}"
    distance = head.spot_facts.get(DISTANCE)
    return DotMap(
        gene=gene_labels(head.genes, head.gene_names or head.genes)[column],
        place=f"{head.section}{patient}",
        unit=head.unit,
        um=spots.xy * section.slide.mpp,
        spots=spots,
        panels=tuple(panels),
        tissue=read_tissue(section, around_spots(section), _DIMMED) if tissue else None,
        beyond=None if distance is None else distance > 1,
    )


def gene_columns(prediction: Prediction, genes: Sequence[str]) -> list[int]:
    """Columns of genes, by id or symbol.

    Raises DataContractError that names all genes that were not predicted, with the near names, and
    all symbols of several genes.
    """
    names = prediction.head.gene_names or prediction.genes
    pairs = zip(prediction.genes, names, strict=True)
    ids = GeneLookup(pairs, prediction.head.predictor).ids(genes)
    return [prediction.genes.index(gene) for gene in ids]


def placed(prediction: Prediction, slide: Section | Slide | str | Path | None) -> Section:
    """The section of a prediction, or its slide with the predicted places as spots.

    Raises DataContractError for a section with other spots, and if the slide is needed.
    """
    if isinstance(slide, Section):
        if slide.spots.ids != prediction.spots.ids:
            raise DataContractError(other_spots(prediction, slide))
        return slide
    if slide is None:
        slide = prediction.slide
    elif not isinstance(slide, Slide):
        slide = _open(prediction, Path(slide))
    if slide is None:
        raise DataContractError(
            Problem(
                where=f"prediction of {prediction.section}",
                found="no slide: the prediction was read from a file",
                expected="the slide or section that was predicted",
                remedy="give it: prediction.plot(gene, slide='biopsy.svs')",
            )
        )
    return Section(prediction.section, None, slide, prediction.spots, None)


def other_spots(prediction: Prediction, section: Section) -> Problem:
    """Problem: section and prediction differ in their spots."""
    return Problem(
        where=f"section {section.id}",
        found=f"{len(section.spots)} spots, and {len(prediction.spots)} predicted ones that differ",
        expected="the spots that were predicted, in the same order",
        remedy="give the section that was predicted",
    )


def _open(prediction: Prediction, path: Path) -> Slide:
    """Open the slide of a prediction; its um/px follows from the spacing of the places."""
    step_um = prediction.spots.pitch_um
    if step_um is None or len(prediction.spots) < 2:
        return open_whole_slide(path)
    return open_whole_slide(path, step_um / nearest_px(prediction.spots.xy))

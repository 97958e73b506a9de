"""One prediction beside what was measured: scores and maps."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from histoscribe.benchmark.file_names import file_name
from histoscribe.benchmark.score import truth_at
from histoscribe.data.target import Target
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides.resolution import nearest_px
from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.metrics.registry import METRICS, GeneMetric
from histoscribe.plot.maps import MapText, expression_map
from histoscribe.predictor.limits import beyond_training
from histoscribe.predictor.predictor import Predictor
from histoscribe.printable import printable
from histoscribe.progress import track
from histoscribe.types import Prediction, Section, Slide

_SHOWN = 4


def score_section(
    prediction: Prediction, section: Section, predictor: Predictor | Target
) -> pd.DataFrame:
    """Score a prediction against the counts of its section.

    Scores are of one section, so they say nothing of other patients; of a section that the model
    was trained on they say nothing at all. Spots whose values are masked (NaN) are left out: give
    `keep_unlike=True` to the predictor to score all of them.

    Parameters
    ----------
    prediction
        Predicted expression of the spots of the section.
    section
        The same spots, with counts.
    predictor
        The predictor that made the prediction, or its target: counts are brought to its unit.

    Returns
    -------
    One row a gene and one column a metric. A score is NaN where it is undefined, e.g. where the
    gene was not measured or is constant.

    Raises
    ------
    DataContractError
        where spots or genes differ, for a section without counts, and for a prediction whose
        values are all masked.

    Examples
    --------
    >>> import histoscribe as hs
    >>> predictor = hs.load_predictor("ridge")  # doctest: +SKIP
    >>> section = hs.read_cohort("cohort.csv")["S1"]  # doctest: +SKIP
    >>> hs.score_section(predictor(section), section, predictor)["pcc"].median()  # doctest: +SKIP
    """
    target = predictor.target if isinstance(predictor, Predictor) else predictor
    if problems := _mismatches(prediction, section, target):
        raise DataContractError(problems)
    given = np.flatnonzero(np.isfinite(prediction.values).all(axis=1))
    evaluated = truth_at(section, given, target).with_prediction(prediction.values[given])
    columns = {
        metric.id: metric.of(evaluated)
        for metric in METRICS.values()
        if isinstance(metric, GeneMetric)
    }
    return pd.DataFrame(columns, index=pd.Index(prediction.genes, name="gene"))


def figures(
    prediction: Prediction,
    section: Section | Slide | str | Path,
    genes: Sequence[str] = (),
    *,
    out: str | Path = "figures",
    predictor: Predictor | Target | None = None,
) -> tuple[Path, ...]:
    """Draw maps of predicted genes over the H&E, one PNG a gene.

    Spots beyond the training tissue are hatched.

    Parameters
    ----------
    prediction
        Predicted expression.
    section
        The section that was predicted, or its slide.
    genes
        Ids or symbols; by default the four genes whose predicted values vary most.
    out
        Folder to write to.
    predictor
        The predictor that made the prediction, or its target. With it, and with a section that has
        counts, measured and predicted values are drawn side by side.

    Returns
    -------
    The files, in the order of the genes.

    Raises
    ------
    DataContractError
        for a gene that was not predicted, and where the spots of the section differ.

    Examples
    --------
    >>> import histoscribe as hs
    >>> prediction = hs.predict_slide("ridge", "biopsy.svs")  # doctest: +SKIP
    >>> hs.figures(prediction, "biopsy.svs", ["ERBB2"], out="maps")  # doctest: +SKIP
    """
    columns = _columns(prediction, genes)
    at = _placed(prediction, section)
    measured = None
    if predictor is not None and at.counts is not None:
        target = predictor.target if isinstance(predictor, Predictor) else predictor
        if problems := _mismatches(prediction, at, target):
            raise DataContractError(problems)
        measured = target.apply(at)
    paths = []
    for column in track(columns, "maps"):
        gene = prediction.genes[column]
        names = prediction.head.gene_names or prediction.genes
        path = Path(out) / f"{file_name(gene)}.png"
        expression_map(
            at,
            None if measured is None else measured[:, column],
            prediction.values[:, column],
            MapText(
                gene=printable(names[column]),
                unit=prediction.head.unit,
                model=prediction.head.predictor,
                why="",
            ),
            path,
            beyond_training(prediction),
        )
        paths.append(path)
    return tuple(paths)


def _placed(prediction: Prediction, section: Section | Slide | str | Path) -> Section:
    """The section of a prediction, or its slide with the predicted places as spots."""
    if isinstance(section, Section):
        if section.spots.ids != prediction.spots.ids:
            raise DataContractError(_other_spots(prediction, section))
        return section
    slide = section if isinstance(section, Slide) else _slide(prediction, Path(section))
    return Section(prediction.section, None, slide, prediction.spots, None)


def _slide(prediction: Prediction, path: Path) -> Slide:
    """Open the slide of a prediction; its um/px follows from the spacing of the places."""
    step_um = prediction.spots.pitch_um
    if step_um is None or len(prediction.spots) < 2:
        return open_whole_slide(path)
    return open_whole_slide(path, step_um / nearest_px(prediction.spots.xy))


def _columns(prediction: Prediction, genes: Sequence[str]) -> list[int]:
    if not genes:
        given = np.isfinite(prediction.values).all(axis=1)
        n_genes = len(prediction.genes)
        spread = prediction.values[given].std(axis=0) if given.any() else np.zeros(n_genes)
        return [int(column) for column in np.argsort(-spread, kind="stable")[:_SHOWN]]
    named = {name: column for column, name in enumerate(prediction.head.gene_names)}
    known = named | {gene: column for column, gene in enumerate(prediction.genes)}
    unknown = [gene for gene in genes if gene not in known]
    if unknown:
        raise DataContractError(
            Problem(
                where=f"genes of {prediction.head.predictor}",
                found=f"no gene {', '.join(unknown)}",
                expected=f"some of its {len(prediction.genes)} genes, by id or symbol",
                remedy="look them up in prediction.genes and prediction.head.gene_names",
            )
        )
    return [known[gene] for gene in genes]


def _mismatches(prediction: Prediction, section: Section, target: Target) -> list[Problem]:
    where = f"section {section.id}"
    problems = []
    if not np.isfinite(prediction.values).all(axis=1).any():
        problems.append(
            Problem(
                where=where,
                found="no spot with a value: all are beyond the training tissue, or not predicted",
                expected="a prediction with values",
                remedy="predict it with keep_unlike=True to score tissue unlike the training",
            )
        )
    if section.counts is None:
        problems.append(
            Problem(where, "no counts", "a section that was measured", "give one with counts")
        )
    if section.spots.ids != prediction.spots.ids:
        problems.append(_other_spots(prediction, section))
    if target.genes != prediction.genes:
        found = f"a prediction of {len(prediction.genes)} other genes"
        expected = f"the {len(target.genes)} genes of the predictor, in its order"
        problems.append(Problem(where, found, expected, "give the predictor that predicted it"))
    return problems


def _other_spots(prediction: Prediction, section: Section) -> Problem:
    return Problem(
        where=f"section {section.id}",
        found=f"{len(section.spots)} spots, and {len(prediction.spots)} predicted ones that differ",
        expected="the spots that were predicted, in the same order",
        remedy="give the section that was predicted",
    )

"""Figures of any result for publication, as PDF and SVG."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from histoscribe.benchmark.file_names import file_name
from histoscribe.benchmark.prediction import maps_of_genes
from histoscribe.benchmark.result import Benchmark
from histoscribe.data.target import Target
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.exemplars.page_figure import exemplars_figure
from histoscribe.explain.finding import Finding
from histoscribe.explain.latent.page_figure import latent_figure
from histoscribe.plot.dot_map import draw_dot_map
from histoscribe.plot.publication import PublicationFigure, Width, in_mm, save_vector
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Prediction, Section, Slide

_OF_FINDINGS: Mapping[str, Callable[[Finding, float], PublicationFigure]] = {
    "exemplars": exemplars_figure,
    "latent": latent_figure,
}


def figures(  # noqa: PLR0913 - one parameter an option
    result: Benchmark | Prediction | Finding,
    section: Section | Slide | str | Path | None = None,
    genes: Sequence[str] = (),
    *,
    out: str | Path = "figures",
    predictor: Predictor | Target | None = None,
    width: Width = "double",
    tissue: bool = True,
) -> tuple[Path, ...]:
    """Write the figures of a result for publication: vectors, text of 8 points, sizes in mm.

    Parameters
    ----------
    result
        A benchmark: its models, and maps of genes. A prediction: maps of genes; spots beyond the
        training tissue are hatched. A finding of `exemplars` or `latent`: its picture.
    section
        Of a prediction: the section that was predicted, or its slide; by default the slide that it
        was made from. Of a benchmark: the id of a section; by default the one in which a gene has
        the median of its scores.
    genes
        Ids or symbols. By default, the four genes of a prediction that vary most; no gene of a
        benchmark.
    out
        Folder to write to.
    predictor
        Of a prediction: the predictor that made it, or its target. With it, and with a section that
        has counts, measured and predicted values are drawn side by side.
    width
        `single` (88 mm) or `double` (180 mm) column, or a number of mm.
    tissue
        Whether maps show the H&E below the spots.

    Returns
    -------
    The files: a PDF and an SVG for each figure.

    Raises
    ------
    DataContractError
        for a gene or section that the result lacks, where the spots of the section differ, and for
        a finding of another question.

    Examples
    --------
    >>> import histoscribe as hs
    >>> prediction = hs.predict_slide("ridge", "biopsy.svs")  # doctest: +SKIP
    >>> hs.figures(prediction, genes=["ERBB2"], out="maps", width="single")  # doctest: +SKIP
    >>> hs.figures(hs.explain("latent", "egn", "cohort.csv"), out="latent")  # doctest: +SKIP
    """
    folder, width_mm = Path(out), in_mm(width)
    if isinstance(result, Prediction):
        maps = maps_of_genes(result, section, genes, predictor, tissue=tissue)
        drawn = {file_name(gene): draw_dot_map(item, width_mm) for gene, item in maps.items()}
    elif predictor is not None:
        raise ValueError("predictor is for a prediction: other results hold what was measured")
    elif isinstance(result, Benchmark):
        drawn = _of_benchmark(result, section, genes, width, tissue=tissue)
    else:
        drawn = {result.question: _of_finding(result, section, genes, width_mm)}
    return tuple(
        path for name, figure in drawn.items() for path in save_vector(figure, folder, name)
    )


def _of_benchmark(
    run: Benchmark,
    section: Section | Slide | str | Path | None,
    genes: Sequence[str],
    width: Width,
    *,
    tissue: bool,
) -> dict[str, PublicationFigure]:
    if not (section is None or isinstance(section, str)):
        raise ValueError("give the id of a section: a benchmark has its values and pictures")
    maps = {
        f"map-{file_name(gene)}": run.figure(
            "map", gene=gene, section=section, width=width, tissue=tissue
        )
        for gene in genes
    }
    return {"models": run.figure("models", width=width), **maps}


def _of_finding(
    finding: Finding,
    section: Section | Slide | str | Path | None,
    genes: Sequence[str],
    width_mm: float,
) -> PublicationFigure:
    if section is not None or genes:
        raise ValueError("a finding has its section and gene: leave them out")
    if finding.question not in _OF_FINDINGS:
        raise DataContractError(
            Problem(
                where=str(finding.folder),
                found=f"a finding of {finding.question}",
                expected=f"a finding of {' or '.join(_OF_FINDINGS)}",
                remedy=f"use its own figures: {', '.join(finding.figures)}",
            )
        )
    return _OF_FINDINGS[finding.question](finding, width_mm)

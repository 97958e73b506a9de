"""Scores of the genes that two runs share, as dots of a chart."""

import math
from dataclasses import dataclass

from histoscribe.report.line_chart import Axis, Tick, axis
from histoscribe.report.run import Run
from histoscribe.report.summary import models_of
from histoscribe.report.text import number

SIDE_PX = 380.0
_LEFT, _BOTTOM, _END = 52.0, 42.0, 10.0
_SCORE = "pcc_given_depth"


@dataclass(frozen=True)
class PairDot:
    """Dot of one gene, in px; name and scores in words."""

    x: float
    y: float
    words: str


@dataclass(frozen=True)
class GenePairs:
    """Genes of one model, one run against another; both axes share a scale."""

    model: str
    runs: tuple[int, int]
    """Places of both runs: across, and up."""
    dots: tuple[PairDot, ...]
    n_higher: int
    """Genes that score higher in the second run."""
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    diagonal: tuple[float, float, float, float]
    """Line of equal scores: x1, y1, x2, y2."""
    side: float = SIDE_PX
    left: float = _LEFT
    bottom: float = SIDE_PX - _BOTTOM
    end: float = _END


def gene_pairs(first: Run, second: Run, places: tuple[int, int]) -> GenePairs | None:
    """Genes of the best model of the first run; None where the second lacks it or all its genes."""
    model = first.best_model
    if model not in models_of(second):
        return None
    of_first, of_second = _scores(first, model), _scores(second, model)
    shared = [gene for gene in of_first if gene in of_second]
    if not shared:
        return None
    both = [(of_first[gene], of_second[gene]) for gene in shared]
    across = axis([v for pair in both for v in pair], _LEFT, SIDE_PX - _END)
    up = Axis(across.low, across.high, SIDE_PX - _BOTTOM, _END)
    ends = across.low, across.high
    return GenePairs(
        model=model,
        runs=places,
        dots=tuple(
            PairDot(across.px(x), up.px(y), f"{first.label(gene)}: {number(x)} and {number(y)}")
            for gene, (x, y) in zip(shared, both, strict=True)
        ),
        n_higher=sum(y > x for x, y in both),
        across=across.ticks(),
        up=up.ticks(),
        diagonal=(across.px(ends[0]), up.px(ends[0]), across.px(ends[1]), up.px(ends[1])),
    )


def _scores(run: Run, model: str) -> dict[str, float]:
    rows = run.genes[run.genes["model"] == model]
    pairs = zip(rows["gene"], rows[_SCORE].to_list(), strict=True)
    return {str(gene): float(value) for gene, value in pairs if math.isfinite(value)}

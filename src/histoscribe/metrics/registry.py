"""Every metric by its identifier: its input, its undefined cases and its direction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from histoscribe.metrics import across, bags, moments, ranks, shape
from histoscribe.metrics.evaluated import Evaluated
from histoscribe.metrics.moments import Moments

_NOT_CONSTANT = "NaN for a gene constant in the truth; 0 for a constant prediction"
_CONSTANT_TRUTH = "NaN for a gene constant in the truth"
_NOT_MEASURED = "NaN for a gene not measured in the section"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Facts that all metrics have in common."""

    id: str
    undefined: str
    """When it is NaN, and the score of a constant prediction."""
    higher_is_better: bool
    needs_unit: bool = False
    """Whether it compares values, and not only how they vary along a gene."""


@dataclass(frozen=True, kw_only=True)
class GeneMetric(Metric):
    """A score per gene and section."""

    of: Callable[[Evaluated], Float[np.ndarray, " G"]]
    panel_only: bool = False
    """Too slow for a whole transcriptome."""


@dataclass(frozen=True, kw_only=True)
class SectionMetric(Metric):
    """A score per section: its gene is `*`."""

    of: Callable[[Evaluated], float]


@dataclass(frozen=True, kw_only=True)
class FoldMetric(Metric):
    """A score per gene over all test spots of a fold: its section is `*`."""

    of: Callable[[Sequence[Evaluated]], Float[np.ndarray, " G"]]


@dataclass(frozen=True, kw_only=True)
class BagMetric(Metric):
    """A score per gene over patients."""

    of: Callable[
        [Float[np.ndarray, "patients G"], Float[np.ndarray, "patients G"]], Float[np.ndarray, " G"]
    ]


AnyMetric = GeneMetric | SectionMetric | FoldMetric | BagMetric


def metric(id_: str) -> AnyMetric:
    """Metric of this identifier; the error of an unknown one names similar ones."""
    if id_ not in METRICS:
        near = get_close_matches(id_, list(METRICS), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(METRICS)}"
        raise ValueError(f"no metric named {id_!r}; {hint}")
    return METRICS[id_]


def _from_moments(
    id_: str,
    of: Callable[[Moments], Float[np.ndarray, " G"]],
    undefined: str,
    *,
    high: bool,
    unit: bool = False,
) -> GeneMetric:
    return GeneMetric(
        id=id_,
        of=lambda e: of(e.moments),
        undefined=undefined,
        higher_is_better=high,
        needs_unit=unit,
    )


def _panel(
    id_: str, of: Callable[[Evaluated], Float[np.ndarray, " G"]], undefined: str, *, high: bool
) -> GeneMetric:
    return GeneMetric(id=id_, of=of, undefined=undefined, higher_is_better=high, panel_only=True)


_ALL: tuple[AnyMetric, ...] = (
    _from_moments("pcc", moments.pcc, _NOT_CONSTANT, high=True),
    _from_moments(
        "pcc_given_depth",
        moments.pcc_given_depth,
        "NaN where depth explains all of the truth; 0 where it explains all of the prediction",
        high=True,
    ),
    FoldMetric(
        id="pcc_pooled", of=across.pcc_pooled, undefined=_NOT_CONSTANT, higher_is_better=True
    ),
    SectionMetric(
        id="pcc_spot",
        of=across.pcc_spot,
        undefined="spots whose measured genes are all equal are left out; NaN without any spot",
        higher_is_better=True,
        needs_unit=True,
    ),
    _panel("scc", ranks.scc, _NOT_CONSTANT, high=True),
    _from_moments("mse", moments.mse, _NOT_MEASURED, high=False, unit=True),
    _from_moments("mae", moments.mae, _NOT_MEASURED, high=False, unit=True),
    _from_moments("rmse", moments.rmse, _NOT_MEASURED, high=False, unit=True),
    _from_moments("nrmse", moments.nrmse, _CONSTANT_TRUTH, high=False, unit=True),
    _from_moments("ccc", moments.ccc, _NOT_CONSTANT, high=True, unit=True),
    _from_moments("rvd", moments.rvd, _CONSTANT_TRUTH, high=False, unit=True),
    _panel("ssim", shape.ssim, _NOT_CONSTANT, high=True),
    _panel("js", shape.js, _CONSTANT_TRUTH, high=False),
    _panel("nmi", shape.nmi, _NOT_CONSTANT, high=True),
    *(
        _panel(
            f"auc@{count}",
            partial(ranks.auc, count=count),
            f"NaN where no spot, or every spot, counts more than {count}; 0.5 for a constant",
            high=True,
        )
        for count in ranks.AUC_THRESHOLDS
    ),
    SectionMetric(
        id="moran_r",
        of=across.moran_r,
        undefined="NaN with fewer than three genes that vary; a constant prediction has I = 0",
        higher_is_better=True,
    ),
    BagMetric(
        id="pcc_over_patients",
        of=bags.pcc_over_patients,
        undefined="NaN for fewer than three patients and for a gene constant in the truth; "
        "0 for a constant prediction",
        higher_is_better=True,
    ),
    BagMetric(
        id="mape",
        of=bags.mape,
        undefined="patients at zero are left out and counted; NaN without any other",
        higher_is_better=False,
    ),
)

METRICS: Mapping[str, AnyMetric] = MappingProxyType({entry.id: entry for entry in _ALL})
"""In the order of the evaluation protocol."""

"""Measured and predicted expression of one gene, side by side over the H&E of its section."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from histoscribe.plot.canvas import (
    around_spots,
    centres_um,
    draw_tissue,
    edge_points,
    read_tissue,
    save_png,
    scale_bar,
    spot_marks,
)
from histoscribe.types import Section

_DIMMED = 0.45  # keeps the tissue readable without competing with the colours
_LABEL = 50  # characters in a line beside the colour bar, whose height is that of a panel


@dataclass(frozen=True, kw_only=True)
class MapText:
    """Texts printed on a map."""

    gene: str
    unit: str
    """Unit of the values, e.g. `pearson-residuals`; written at the colour bar."""
    model: str
    """Name of the model that predicted."""
    why: str
    """Reason for showing this gene, e.g. `median gene`; empty if the user chose it."""


def expression_map(
    section: Section,
    measured: Float[np.ndarray, " N"],
    predicted: Float[np.ndarray, " N"],
    text: MapText,
    path: Path,
    beyond: Bool[np.ndarray, " N"] | None = None,
) -> None:
    """Write a PNG of measured and predicted expression, both on one colour scale.

    Spots `beyond` the training tissue are hatched in the prediction.

    The scale runs from the 1st to the 99th percentile of both together, so a prediction that is
    flatter than the truth looks flatter. Spots have their true shape and size; NaN is hollow.
    The title's `pcc` is computed over the spots where both are known, by the rules of the metric.

    Parameters
    ----------
    measured, predicted
        [N] values of the spots of the section, in its order and in the unit of `text`.
    """
    panels = {"measured": measured, f"predicted by {text.model}": predicted}
    if any(values.shape != (len(section.spots),) for values in panels.values()):
        shapes = ", ".join(f"{values.shape} {name}" for name, values in panels.items())
        raise ValueError(f"{shapes}, {len(section.spots)} spots")
    window = around_spots(section)
    width, height = window.panel_inches
    figure = Figure(figsize=(len(panels) * width + 1.4, height + 0.9), layout="compressed")
    scale = value_scale(*panels.values())
    drawn = list(figure.subplots(1, len(panels), squeeze=False)[0])
    tissue = read_tissue(section, window, dimmed=_DIMMED)
    for axes, (title, values) in zip(drawn, panels.items(), strict=True):
        draw_tissue(axes, tissue)
        fill_spots(axes, section, values, scale)
        axes.set_title(title, fontsize=10)
    if beyond is not None and beyond.any():
        _hatch(drawn[-1], section, beyond)
    scale_bar(drawn[0], window)
    bar = figure.colorbar(scale, ax=drawn, extend="both", shrink=0.8, pad=0.02)
    bar.set_label(fill(f"{text.gene} ({text.unit})", _LABEL))
    figure.suptitle(_title(section, measured, predicted, text), fontsize=11)
    save_png(figure, path)


def _title(
    section: Section,
    measured: Float[np.ndarray, " N"],
    predicted: Float[np.ndarray, " N"],
    text: MapText,
) -> str:
    """Gene, reason, place and score of a map."""
    place = f"section {section.id}"
    if section.patient is not None:
        place += f" · patient {section.patient}"
    score = f" · pcc {pcc_text(measured, predicted)}"
    why = f" ({text.why})" if text.why else ""
    return f"{text.gene}{why}\n{place}{score}"


def value_scale(*panels: Float[np.ndarray, " N"]) -> ScalarMappable:
    """Colours from the 1st to the 99th percentile of all panels together."""
    values = np.concatenate(panels)
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, [1, 99]) if known.size else (0.0, 1.0)
    if high <= low:
        low, high = low - 0.5, low + 0.5
    # cividis looks the same with common kinds of colour blindness and in grey
    return ScalarMappable(Normalize(float(low), float(high)), "cividis")


def fill_spots(
    axes: Axes,
    section: Section,
    values: Float[np.ndarray, " N"],
    scale: ScalarMappable,
) -> None:
    """Draw spots in their true shape, coloured by value; NaN is hollow."""
    um, known = centres_um(section), np.isfinite(values)
    filled = spot_marks(axes, um[known], section.spots)
    filled.set_array(values[known])
    filled.set_cmap(scale.get_cmap())
    filled.set_norm(scale.norm)
    filled.set_edgecolor("white")  # both the tissue and the colour map have dark blues
    filled.set_linewidth(edge_points(section.spots, 0.4))
    hollow = spot_marks(axes, um[~known], section.spots)
    hollow.set_facecolor("none")
    hollow.set_edgecolor("black")
    hollow.set_linewidth(edge_points(section.spots, 0.6))


def _hatch(axes: Axes, section: Section, beyond: Bool[np.ndarray, " N"]) -> None:
    """Hatch these spots, with their number and meaning below the panel."""
    marks = spot_marks(axes, centres_um(section)[beyond], section.spots)
    marks.set_facecolor("none")
    marks.set_hatch("/" * 5)
    marks.set_edgecolor("black")  # of the hatch, too
    marks.set_linewidth(edge_points(section.spots, 0.6))
    share = f"{beyond.sum():,} of {len(beyond):,} spots"
    axes.set_xlabel(f"hatched: beyond the training tissue ({share})", fontsize=8)


def pcc_text(measured: Float[np.ndarray, " N"], predicted: Float[np.ndarray, " N"]) -> str:
    """Pearson correlation over the spots where both are known, by the rules of the metric."""
    known = np.isfinite(measured) & np.isfinite(predicted)
    truth, guess = measured[known], predicted[known]
    if truth.size < 2 or np.ptp(truth) == 0:
        return "undefined"
    if np.ptp(guess) == 0:
        return "0 (constant prediction)"
    return f"{np.corrcoef(truth, guess)[0, 1]:.2f}"

"""Draws docs/images/her2st-map.png: one gene of real tissue, measured and predicted.

histoscribe benchmark recipes/her2st-quick.toml --out RUN && python docs/figures/her2st_map.py RUN

The gene is ERBB2, after which the tumours of the data are named, and the section is the one with
the most spots. A typical gene looks worse; the caption says how far. Only values are drawn: the
pictures of the tissue are not ours to publish.
"""

import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from PIL import Image

from histoscribe.benchmark.views import View, find_views

TARGET = Path(__file__).parents[1] / "images" / "her2st-map.png"
GENE = "ERBB2"
MODEL = "ridge"
LIMIT = 2.0
"""Standard deviations at the ends of the palette."""
BAR_UM = 1000.0
COLOURS = 128


@dataclass(frozen=True)
class GeneView:
    """A section, and the gene's score in each section of the run."""

    view: View
    scores: dict[str, float]


def main() -> None:
    """Draw the map of a run folder, and print its caption."""
    run = Path(sys.argv[1])
    item = _largest_section(run)
    _draw(item)
    print(_caption(run, item))


def _largest_section(run: Path) -> GeneView:
    """The section with the most spots."""
    rows = pd.read_csv(run / "scores.csv").query(
        f"model == '{MODEL}' and gene == '{GENE}' and metric == 'pcc'"
    )
    view = max(find_views(run), key=lambda view: view.n_spots)
    return GeneView(view, dict(zip(rows["section"], rows["value"], strict=True)))


def _draw(item: GeneView) -> None:
    matplotlib.use("agg")
    measured = item.view.measured
    column = measured.genes.index(GENE)
    panels = {
        "measured": measured.values[:, column],
        f"predicted by {MODEL}, trained on the other patient": item.view.predicted(MODEL)[
            :, column
        ],
    }
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.7), layout="constrained")
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        spots = _dots(ax, item.view, values)
        ax.set_title(title, fontsize=11)
    bar = figure.colorbar(spots, ax=axes, shrink=0.7, extend="both", pad=0.02)
    bar.set_label("standard deviations from the panel's mean", fontsize=9)
    _scale_bar(axes[0], measured.xy_um)
    pcc = item.scores[measured.section]
    figure.suptitle(f"{GENE}, her2st section {measured.section}: correlation {pcc:.2f}")
    buffer = BytesIO()
    figure.savefig(buffer, dpi=120)
    plt.close(figure)
    with Image.open(buffer) as full:  # few colours: a third of the size
        full.convert("RGB").quantize(COLOURS).save(TARGET, optimize=True)


def _dots(ax: Axes, view: View, values: Float[np.ndarray, " N"]) -> EllipseCollection:
    """Spots of 175 % of their size, each panel in its own standard deviations."""
    width = 1.75 * view.measured.diameter_um * np.ones(len(values))
    spots = EllipseCollection(
        width,
        width,
        np.zeros(len(values)),
        units="x",
        offsets=view.measured.xy_um,
        offset_transform=ax.transData,
        cmap="RdBu_r",
        clim=(-LIMIT, LIMIT),
        edgecolors="0.45",
        linewidths=0.3,
    )
    spots.set_array((values - values.mean()) / values.std())
    ax.add_collection(spots)
    low, high = view.measured.xy_um.min(axis=0) - 250, view.measured.xy_um.max(axis=0) + 250
    ax.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return spots


def _scale_bar(ax: Axes, xy_um: Float[np.ndarray, "N 2"]) -> None:
    """A bar below the right end of the tissue."""
    right, y = xy_um.max(axis=0) + np.array([0.0, 150.0])
    x = right - BAR_UM
    ax.plot([x, x + BAR_UM], [y, y], color="k", lw=2.5, solid_capstyle="butt", clip_on=False)
    ax.text(x + BAR_UM / 2, y - 60, f"{BAR_UM / 1000:.0f} mm", ha="center", fontsize=9)


def _caption(run: Path, item: GeneView) -> str:
    genes = pd.read_csv(run / "genes.csv").query(f"model == '{MODEL}'").set_index("gene")
    summary = pd.read_csv(run / "summary.csv").query(f"model == '{MODEL}' and metric == 'pcc'")
    gene = genes.loc[GENE]
    listed = ", ".join(f"{name} {value:.2f}" for name, value in sorted(item.scores.items()))
    return (
        f"{GENE}: {gene['pcc']:.2f} over patients ({gene['pcc_given_depth']:.2f} given depth; by "
        f"chance {gene['null_low']:.2f} to {gene['null_high']:.2f}); sections: {listed}. All "
        f"{len(genes)} genes: {summary['mean'].item():.2f}; {GENE} is number "
        f"{int((genes['pcc'] > gene['pcc']).sum()) + 1}."
    )


if __name__ == "__main__":
    main()

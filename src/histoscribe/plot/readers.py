"""Scores of readers and of a model, each beside its range by chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, wrapped

_VALUE, _CHANCE = "#b2182b", "#c6dbef"


@dataclass(frozen=True)
class ReaderScore:
    """Score of one reader, and the middle 95 % by chance."""

    name: str
    score: float
    low: float
    high: float


def draw_readers(scores: Sequence[ReaderScore], title: str, below: str, path: Path) -> None:
    """Write a PNG with one line for each reader, the first one at the top."""
    width = 6.5
    figure = Figure(figsize=(width, 1.6 + 0.4 * len(scores)), layout="constrained")
    axes = figure.subplots()
    for row, score in enumerate(scores):
        axes.plot([score.low, score.high], [row, row], color=_CHANCE, linewidth=8, zorder=1)
        axes.plot([score.score], [row], "o", color=_VALUE, zorder=2)
        axes.annotate(
            f"{score.score:.2f}",
            (score.score, row),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    axes.axvline(0.5, color="black", linewidth=0.6, zorder=0)
    axes.set_yticks(range(len(scores)), [score.name for score in scores], fontsize=8)
    axes.set_ylim(len(scores) - 0.4, -0.7)
    axes.set_xlim(-0.02, 1.02)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("AUROC, high against low", fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(wrapped(below, width), fontsize=7)
    save_png(figure, path)

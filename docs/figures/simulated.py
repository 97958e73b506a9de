"""Draws docs/images/simulated.jpg: a simulated section, and three close-ups of it."""

import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import UInt8
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from histoscribe.simulate import simulate
from histoscribe.simulate.families import ARRANGEMENTS, motif_levels
from histoscribe.simulate.stain import MPP
from histoscribe.simulate.truth import SimulatedTruth, read_truth

TARGET = Path(__file__).parents[1] / "images" / "simulated.jpg"
SECTION = "P1S1"
SIDE_UM = 150.0
SEED = 11
CLOSE_UPS = (("tumour", 0), ("stroma", 1), ("infiltrate", 2))


def main() -> None:
    """Simulate one section and draw it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        simulate(out, 1, seed=SEED, genes_per_family=4)
        truth = read_truth(out, SECTION)
        lines = (out / SECTION / "spatial" / "tissue_positions.csv").read_text().splitlines()
        with Image.open(out / f"{SECTION}.jpg") as image:
            pixels = np.asarray(image)
    cells = [line.split(",") for line in lines[1:]]
    xy = np.array([[int(x), int(y)] for _, inside, _, _, y, x in cells if inside == "1"])
    _draw(pixels, xy, truth)


def _draw(pixels: UInt8[np.ndarray, "H W 3"], xy: np.ndarray, truth: SimulatedTruth) -> None:
    matplotlib.use("agg")
    figure, axes = plt.subplot_mosaic(
        [["whole", "0"], ["whole", "1"], ["whole", "2"]],
        figsize=(10.5, 7.6),
        width_ratios=(2.85, 1),
        layout="constrained",
    )
    axes["whole"].imshow(pixels)
    axes["whole"].set_title("A simulated section with its spots (55 um)", fontsize=10)
    for x, y in xy:
        axes["whole"].add_patch(plt.Circle((x, y), 27.5 / MPP, fill=False, lw=0.3, color="k"))
    _bar(axes["whole"], pixels.shape, 200.0)
    half = int(SIDE_UM / MPP / 2)
    for number, (name, compartment) in enumerate(CLOSE_UPS):
        spot = _clearest(truth, xy, compartment, (half, pixels.shape))
        x, y = xy[spot]
        tile = pixels[y - half : y + half, x - half : x + half]
        axes[str(number)].imshow(tile)
        level = motif_levels(truth.motif[[spot]])
        pattern = ARRANGEMENTS[int(level.arrangement[0])]
        density = round(truth.density[spot], -2)
        axes[str(number)].set_title(f"{name}, {pattern}, {density:,.0f} nuclei/mm2", fontsize=9)
        _bar(axes[str(number)], tile.shape, 25.0)
        corner = (x - half, y - half)
        axes["whole"].add_patch(Rectangle(corner, 2 * half, 2 * half, fill=False, lw=1.2))
    for ax in axes.values():
        ax.set_axis_off()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(TARGET, dpi=110, pil_kwargs={"quality": 80})
    plt.close(figure)


def _clearest(
    truth: SimulatedTruth, xy: np.ndarray, compartment: int, frame: tuple[int, tuple[int, ...]]
) -> int:
    """The spot with most of one compartment whose tile lies inside the image."""
    half, (height, width, _) = frame
    inside = ((xy >= half) & (xy < np.array([width, height]) - half)).all(axis=1)
    return int(np.where(inside, truth.fraction[:, compartment] * truth.density, -1.0).argmax())


def _bar(ax: Axes, shape: tuple[int, ...], length_um: float) -> None:
    height, width, _ = shape
    x, y, long = 0.04 * width, 0.95 * height, length_um / MPP
    ax.plot([x, x + long], [y, y], color="k", lw=2)
    ax.text(x + long / 2, y - 0.015 * height, f"{length_um:.0f} um", ha="center", fontsize=8)


if __name__ == "__main__":
    main()

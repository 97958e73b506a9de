"""Draws docs/images/explain-grad-cam.png and explain-graph.png, and prints their numbers.

A small TCGN, trained on two simulated patients, is asked about the third.

python docs/figures/tcgn_pictures.py
"""

import tempfile
from pathlib import Path

from PIL import Image

from histoscribe.explain.finding import Finding
from histoscribe.explain.run import explain
from histoscribe.simulate import simulate
from histoscribe.train.run import train

IMAGES = Path(__file__).parents[1] / "images"
WIDTH_PX = 1000
COLOURS = 256
SEED = 5
PICTURES: dict[str, dict[str, tuple[str, ...]]] = {
    "grad-cam": {"genes": ("SIM-DENSITY001", "SIM-COMPARTMENT001")},
    "graph": {},
}
"""Each question with its settings."""
GENE_FAMILIES = ("density", "compartment", "null")


def main() -> None:
    """Simulate three patients, train on two, and explain the section of the third."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = simulate(
            folder / "cohort",
            n_patients=3,
            sections_per_patient=1,
            families=GENE_FAMILIES,
            genes_per_family=8,
            spots_per_section=150,
            seed=SEED,
        )
        predictor = train(
            manifest,
            {"tcgn": {"preset": "small"}},
            out=folder / "tcgn",
            cache=folder / "cache",
            sections=["P1S1", "P2S1"],
            inputs={"tile_px": 128, "mpp": 0.5},
            target={"n_genes": 40},
            train={"epochs": 12, "keep": "last"},
            run={"device": "cpu"},
        )
        for question, settings in PICTURES.items():
            finding = explain(question, predictor, manifest, out=folder / question, **settings)
            _print(finding)
            _shrink(finding.folder / finding.figure, IMAGES / f"explain-{question}.png")


def _print(finding: Finding) -> None:
    print(finding.question)
    for title, numbers in (("found", finding.statistic), ("beside", finding.null)):
        for number in numbers:
            print(f"{title}: {number}")


def _shrink(source: Path, target: Path) -> None:
    with Image.open(source) as full:
        height = round(full.height * WIDTH_PX / full.width)
        small = full.convert("RGB").resize((WIDTH_PX, height), Image.Resampling.LANCZOS)
    small.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(target, optimize=True)


if __name__ == "__main__":
    main()

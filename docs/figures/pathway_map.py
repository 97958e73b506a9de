"""Draws docs/images/pathway-map.png: the best pathway of a small simulated run.

python docs/figures/pathway_map.py
"""

import tempfile
from pathlib import Path

from PIL import Image

from histoscribe.benchmark.run import benchmark
from histoscribe.simulate import simulate

TARGET = Path(__file__).parents[1] / "images" / "pathway-map.png"
WIDTH_PX = 1000
COLOURS = 256


def main() -> None:
    """Simulate four patients, benchmark by patient, and shrink the map of the first section."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = simulate(
            folder / "cohort",
            n_patients=4,
            sections_per_patient=1,
            families=("pathway", "null"),
            genes_per_family=96,
            spots_per_section=300,
        )
        benchmark(
            manifest,
            {
                "mean": {},
                "stformer": {
                    "width": 64,
                    "layers": 2,
                    "heads": 4,
                    "learning_rate": 1e-3,
                    "pathway_init": "masked",
                },
            },
            out=folder / "run",
            cache=folder / "cache",
            folds={"k": 2},
            target={"n_genes": 200},
            pathways={"sets": str(manifest.parent / "pathways.gmt")},
            inputs={"tile_px": 64, "mpp": 1.0},
            train={"epochs": 60, "keep": "last", "batch_size": 1},
            run={"device": "cpu"},
        )
        maps = sorted((folder / "run" / "figures" / "pathways" / "P1S1").glob("*.png"))
        _shrink(maps[-1])


def _shrink(source: Path) -> None:
    with Image.open(source) as full:
        height = round(full.height * WIDTH_PX / full.width)
        small = full.convert("RGB").resize((WIDTH_PX, height), Image.Resampling.LANCZOS)
    small.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()

"""Subtypes of a simulated cohort from measured and from image-predicted expression.

`python benchmarks/subtypes.py` draws patients of three subtypes, which have other shares of tumour,
stroma and infiltrate. Ridge on colour and texture learns from a third of the patients, with a label
for each spot; `explain subtypes` asks about the others. The expression of a patient is the sum of
the counts of its spots; its predicted expression is the mean over them. The panel has the first
genes of each family: some follow what images show (compartment, density, pathway), some do not
(position, lookup, null, patient_flip).
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import histoscribe as hs
from histoscribe.explain.finding import Finding
from histoscribe.simulate.families import FAMILIES
from histoscribe.train.settings import parse_settings

GENES_PER_FAMILY, GENES_OF_PANEL = 16, 4


def main() -> None:
    """Draw, train and ask; print every number with its level of chance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--spots", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder to keep cohort, predictor and answer in")
    arguments = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        finding = ask(folder, arguments.patients, arguments.spots, arguments.seed)
        for number in finding.statistic:
            print(f"{number}; by chance {finding.chance(number.name)}")
        print((finding.folder / "subtypes.csv").read_text())
        print((finding.folder / "visibility.csv").read_text())


def ask(folder: Path, n_patients: int, n_spots: int, seed: int) -> Finding:
    """Answer `subtypes` on a simulated cohort, in a folder."""
    cohort = hs.simulate(
        folder / "cohort",
        n_patients=n_patients,
        spots_per_section=n_spots,
        genes_per_family=GENES_PER_FAMILY,
        seed=seed,
    )
    table = {
        "cohort": str(cohort),
        "sections": [f"P{number + 1}S1" for number in range(n_patients // 3)],
        "models": ["ridge"],
        "target": {"n_genes": len(FAMILIES) * GENES_PER_FAMILY + 24, "transform": "cp10k-log1p"},
        "inputs": {"tile_px": 112, "mpp": 1.0, "encoder": "colour_texture"},
        "run": {"device": "cpu"},
    }
    predictor = hs.train(settings=parse_settings(table, "benchmark"), out=folder / "ridge")
    panel = folder / "panel.txt"
    panel.write_text("\n".join(panel_genes()))
    return hs.explain(
        "subtypes",
        predictor,
        cohort,
        label="subtype",
        panel=str(panel),
        repeats=1,
        bootstraps=10,
        out=folder / "answer",
    )


def panel_genes() -> list[str]:
    """The first genes of each family."""
    return [
        f"{family.upper().replace('_', '')}{number + 1:03d}"
        for family in FAMILIES
        for number in range(GENES_OF_PANEL)
    ]


if __name__ == "__main__":
    main()

"""What `explain pathways` says of stformer on simulated cohorts with known programmes.

`python benchmarks/explain_pathways.py`: cohorts of 8 patients, drawn with seeds 0 to 2; genes of
the family `pathway` follow six programmes, genes of `null` follow nothing. A small stformer is
trained on four patients with the sets of the cohort (`pathways.gmt`), once with weights that start
from the membership (`init`), once with random weights and the loss on activity (`free`). Each is
asked about the other four patients, with labels of the simulated compartments, of which `tumour`
has the border.

With `--out` cohorts, predictors and answers are kept. `--quick` shows in a minute that it runs.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from _machine import report

import histoscribe as hs
from histoscribe.explain.finding import Finding
from histoscribe.io.atomic import write_text
from histoscribe.simulate import read_truth, simulate
from histoscribe.simulate.families import COMPARTMENTS
from histoscribe.train.settings import parse_settings

SIZE = {"width": 64, "layers": 2, "heads": 4, "learning_rate": 1e-3}
ROWS: Mapping[str, tuple[str, float]] = {"init": ("init", 0.0), "free": ("free", 1.0)}
"""Row -> start of the weights, weight of the loss on measured activity."""
BORDER = "tumour"


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask of every seed and row, print the numbers and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of the cohorts; else a temporary one")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--spots", type=int, default=150, help="of a section, one a patient")
    parser.add_argument("--genes", type=int, default=96, help="of each family")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    if given.quick:
        given.seeds, given.epochs, given.spots, given.rows = [100], 2, 60, ["init"]
    with tempfile.TemporaryDirectory() as temporary:
        out = given.out or Path(temporary)
        found = {
            (seed, row): _asked(out / f"seed-{seed}", seed, row, given)
            for seed in given.seeds
            for row in given.rows
        }
        for (seed, row), finding in found.items():
            print(f"\n{row}, seed {seed}")
            for number in finding.statistic:
                print(f"  {number}; by chance {finding.chance(number.name)}")
            for number in finding.null:
                print(f"    {number}")
    report("explain_pathways", **{f"r_score {row} {s}": _r(of) for (s, row), of in found.items()})


def _r(finding: Finding) -> float:
    return finding.number("r_score").value


def _asked(folder: Path, seed: int, row: str, given: argparse.Namespace) -> Finding:
    """Train a row on the first half of the patients, and ask about the others."""
    manifest = simulate(
        folder / "cohort",
        n_patients=4 if given.quick else 8,
        families=("pathway", "null"),
        genes_per_family=given.genes,
        spots_per_section=given.spots,
        seed=seed,
    )
    cohort = hs.read_cohort(manifest)
    half = cohort.ids[: len(cohort.ids) // 2]
    start, weight = ROWS[row]
    truth = read_truth(manifest.parent, half[0])
    settings = parse_settings(
        {
            "seed": seed,
            "cohort": "memory",
            "models": ["stformer"],
            "target": {
                "panel": "list",
                "genes": list(truth.gene_ids),
                "transform": "cp10k-log1p",
            },
            "pathways": {"sets": str(manifest.parent / "pathways.gmt")},
            "inputs": {"tile_px": 64, "mpp": 1.0},
            "settings": {"stformer": {**SIZE, "pathway_init": start}},
            "train": {
                "epochs": given.epochs,
                "keep": "last",
                "batch_size": 1,
                "pathway_weight": weight,
            },
            "run": {"device": "cpu"},
        },
        "benchmarks/explain_pathways.py",
    )
    predictor = hs.train(cohort.subset(half), settings=settings, out=folder / row)
    tables = {id_: _labels(manifest.parent, id_) for id_ in cohort.ids if id_ not in half}
    return hs.explain(
        "pathways", predictor, cohort, labels=tables, border=BORDER, out=folder / f"asked-{row}"
    )


def _labels(folder: Path, section: str) -> Path:
    """Table of the compartment with the largest share around each spot."""
    truth = read_truth(folder, section)
    names = np.array(COMPARTMENTS)[truth.fraction.argmax(axis=1)]
    path = folder / f"labels-{section}.csv"
    lines = pd.DataFrame({"spot": truth.spot_ids, "label": names}).to_csv(index=False)
    write_text(path, lines)
    return path


if __name__ == "__main__":
    main()

"""Hypotheses of simulated cohorts, tested on other patients: how many are confirmed.

`python benchmarks/discover.py`: for each of three seeds a simulated cohort of six patients with one
section each. `ridge` is trained on four of them, `explain discover` freezes hypotheses from these,
and tests them on the other two. Genes of the family `null` follow nothing, and those of
`patient_flip` change their direction between patients.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from _machine import report

import histoscribe as hs
from histoscribe.explain.discover.confirmation import RATE

FAMILIES = ("compartment", "density", "pathway", "null", "patient_flip")
N_TRAINING, N_PATIENTS = 4, 6


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask the question of every cohort; print a line for each family and one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        tested = pd.concat([_tested(Path(folder) / str(seed), seed) for seed in given.seeds])
    lines = {family: _line(rows) for family, rows in tested.groupby("family")}
    for family, line in lines.items():
        print(f"{family:<14}" + "  ".join(f"{name} {value}" for name, value in line.items()))
    confirmed = tested[tested["q"] <= RATE]
    report(
        "discover",
        seeds=" ".join(map(str, given.seeds)),
        frozen=len(tested),
        confirmed=len(confirmed),
        confirmed_of_null=int((confirmed["family"] == "null").sum()),
    )


def _tested(folder: Path, seed: int) -> pd.DataFrame:
    """Both steps on one cohort: every hypothesis with the family of its gene and its state."""
    manifest = hs.simulate(
        folder / "cohort", N_PATIENTS, families=FAMILIES, genes_per_family=16, seed=seed
    )
    cohort = hs.read_cohort(manifest)
    training, other = cohort.ids[:N_TRAINING], cohort.ids[N_TRAINING:]
    predictor = hs.train(
        manifest,
        "ridge",
        sections=training,
        inputs={"tile_px": 112, "mpp": 0.5},
        target={"transform": "cp10k-log1p", "n_genes": 16 * len(FAMILIES)},
        out=folder / "ridge",
    )
    frozen = hs.explain("discover", predictor, cohort.subset(training), out=folder / "frozen")
    hs.explain(
        "discover",
        predictor,
        cohort.subset(other),
        hypotheses=frozen.folder / "hypotheses.json",
        out=folder / "tested",
    )
    table = pd.read_csv(folder / "tested" / "tested.csv", keep_default_na=False)
    families = pd.read_csv(folder / "cohort" / "truth" / "genes.csv").set_index("gene_id")["family"]
    return table.assign(family=table["gene"].map(families).fillna("balance"))


def _line(rows: pd.DataFrame) -> dict[str, int]:
    states = rows["state"].value_counts()
    names = ("discovery", "spurious", "not confirmed", "not measured")
    return {"frozen": len(rows), **{name: int(states.get(name, 0)) for name in names}}


if __name__ == "__main__":
    main()

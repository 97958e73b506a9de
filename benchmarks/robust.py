"""How much of a score survives changes of the image: features of colour and texture, and of colour.

`python benchmarks/robust.py`: for each seed a simulated cohort of eight patients with two sections
each, genes of four families that tiles show. An `mlp` on features of `colour_texture` and a `ridge`
on `mean_colour` are trained on five patients; `explain robust` asks about a section of each other
patient.

`--models` and `--seeds` limit the work. With `--out` cohorts, predictors and findings are kept, and
a second call goes on.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from _machine import report

import histoscribe as hs
from histoscribe.explain.finding import Finding
from histoscribe.simulate.cohort import simulate
from histoscribe.types import Cohort

FAMILIES = ("compartment", "density", "arrangement", "pathway")
N_PATIENTS, N_TRAINING = 8, 5
ROWS = {"mlp": "colour_texture", "ridge": "mean_colour"}
"""Model -> its encoder."""
WITHOUT_GRADIENT = (
    "tile-stain",
    "slide-stain",
    "blur",
    "coarser",
    "finer",
    "compression",
    "rotation",
)
CHANGES = {"mlp": WITHOUT_GRADIENT, "ridge": ()}
"""Model -> changes, all if none is named; the gradient of `colour_texture` takes too long."""
TARGET = {"n_genes": 32, "transform": "cp10k-log1p"}
COLUMNS = ["change", "step", "score", "mean_change", "share_beyond_training"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask the question of every predictor, print numbers and steps, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--models", nargs="+", default=list(ROWS))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        out = given.out or Path(stack.enter_context(TemporaryDirectory()))
        findings = {
            f"{model} {seed}": finding
            for seed in given.seeds
            for model, finding in _asked(out / f"seed-{seed}", seed, given.models)
        }
        _print(findings)


def _asked(folder: Path, seed: int, models: Sequence[str]) -> Iterator[tuple[str, Finding]]:
    manifest = simulate(
        folder,
        n_patients=N_PATIENTS,
        sections_per_patient=2,
        spots_per_section=60,
        families=FAMILIES,
        genes_per_family=8,
        seed=seed,
    )
    cohort = hs.read_cohort(manifest)
    for model in models:
        yield model, _answer(cohort, model, ROWS[model], folder, seed)


def _answer(cohort: Cohort, model: str, encoder: str, folder: Path, seed: int) -> Finding:
    patients = sorted(set(cohort.patients.values()), key=str)[:N_TRAINING]
    training = [id_ for id_ in cohort.ids if cohort.patients[id_] in patients]
    others = {cohort.patients[id_]: id_ for id_ in cohort.ids if id_ not in training}
    predictor = hs.train(
        cohort.subset(training),
        model,
        out=folder / model,
        seed=seed,
        inputs={"tile_px": 112, "mpp": 1.0, "encoder": encoder},
        target=TARGET,
        run={"device": "cpu"},
    )
    out = folder / f"robust-{model}"
    asked = {
        "sections": tuple(others.values()),
        "genes": predictor.target.genes,
        "changes": CHANGES[model],
    }
    return hs.explain("robust", predictor, cohort, out=out, **asked)


def _print(findings: Mapping[str, Finding]) -> None:
    """One row a number, one column a predictor; chance in brackets. Then the steps of each."""
    table = pd.DataFrame({name: dict(_cells(finding)) for name, finding in findings.items()})
    print(table.to_string())
    for name, finding in findings.items():
        steps = pd.read_csv(finding.folder / finding.table)
        print(f"\n{name}")
        print(steps[COLUMNS].round(3).to_string(index=False))
        print(steps.groupby("change")["half_lost_at"].first().round(2).to_string())
    scores = {name.replace(" ", "_"): of.number("score").value for name, of in findings.items()}
    report("robust", **scores)


def _cells(finding: Finding) -> Iterator[tuple[str, str]]:
    for number in finding.statistic:
        chance = finding.chance(number.name)
        yield number.name, f"{number.value:.2f} [{chance.low:.2f} to {chance.high:.2f}]"


if __name__ == "__main__":
    main()

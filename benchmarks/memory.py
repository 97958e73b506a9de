"""Whether a network learns or memorises: permuted labels found by their loss, and made-up labels.

`python benchmarks/memory.py`: for each of three seeds a simulated cohort of six patients with three
sections each, genes of four families that tiles show. An `mlp` with one hidden layer on features of
`colour_texture` is trained, then `explain memory` with a fifth of the labels permuted.

`--exchanges 12` trains the network on labels exchanged over patients that often, and counts scores
outside their chance level.

`--real` asks the same of the five sections of patient C of her2st (needs `HISTOSCRIBE_DATA`). With
`--out` cohorts, predictors and findings are kept, and a second call goes on. `--draw` only
draws the cohorts.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from _machine import report

import histoscribe as hs
from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.memory.held_out import HeldOut
from histoscribe.explain.memory.trainings import MemoryTrainings
from histoscribe.explain.retraining.labels import permuted_over_patients
from histoscribe.explain.retraining.recipe import training_recipe
from histoscribe.io.weights import cache_folder
from histoscribe.simulate.cohort import simulate
from histoscribe.types import Cohort

FAMILIES = ("compartment", "density", "arrangement", "pathway")
SIMULATED = {"inputs": {"tile_px": 112, "mpp": 1.0}, "target": {"n_genes": 128}}
HER2ST = ("C2", "C3", "C4", "C5", "C6")
REAL = {"inputs": {"tile_px": 224, "mpp": 0.69}, "target": {"n_genes": 250}}
TRANSFORM = "cp10k-log1p"


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask the question of every cohort, print the numbers and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--exchanges", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        out = given.out or Path(stack.enter_context(TemporaryDirectory()))
        if given.real:
            cohort = hs.read_cohort("catalog:her2st", sections=HER2ST)
            findings = {"her2st C": _asked(cohort, out / "her2st-C", REAL, 0)}
        else:
            drawn = {seed: _drawn(out / f"seed-{seed}", seed) for seed in given.seeds}
            if given.draw:
                return
            if given.exchanges:
                _print_exchanges(drawn, given.exchanges)
                return
            findings = {
                f"seed {seed}": _asked(hs.read_cohort(manifest), manifest.parent, SIMULATED, seed)
                for seed, manifest in drawn.items()
            }
        _print(findings)


def _drawn(folder: Path, seed: int) -> Path:
    return simulate(folder, sections_per_patient=3, families=FAMILIES, seed=seed)


def _asked(cohort: Cohort, folder: Path, tables: Mapping[str, dict], seed: int) -> Finding:
    predictor = hs.train(
        cohort,
        "mlp",
        out=folder / "mlp",
        seed=seed,
        inputs=tables["inputs"],
        target={**tables["target"], "transform": TRANSFORM},
        run={"device": "cpu"},
    )
    return hs.explain("memory", predictor, cohort, out=folder / "memory")


def _print_exchanges(drawn: Mapping[int, Path], n_exchanges: int) -> None:
    """Print scores of networks on made-up labels beside their chance level, seed by seed."""
    scores, n_outside = [], 0
    for seed, manifest in drawn.items():
        recipe = training_recipe(hs.load_predictor(manifest.parent / "mlp"), epochs_needed=True)
        cohort = hs.read_cohort(manifest)
        trainings = MemoryTrainings.plan(cohort, recipe, {}, cache_folder())
        held_out, keys = HeldOut(trainings), trainings.table.as_they_are.keys
        low, high = np.percentile(held_out.by_chance(), [2.5, 97.5])
        for number in range(n_exchanges):
            exchange = permuted_over_patients(keys, 1000 + number)
            with TemporaryDirectory() as folder:
                done = trainings.train(f"exchange-{number}", exchange, Path(folder))
            scores.append(held_out.score(done))
            n_outside += not low <= scores[-1] <= high
        of_seed = " ".join(f"{score:.3f}" for score in sorted(scores[-n_exchanges:]))
        print(f"seed {seed}, chance {low:.3f} to {high:.3f}: {of_seed}")
    report(
        "memory-exchanges",
        n_exchanges=len(scores),
        n_outside=n_outside,
        mean=float(np.mean(scores)),
        deviation=float(np.std(scores)),
    )


def _print(findings: Mapping[str, Finding]) -> None:
    """One row a number, one column a cohort; chance in brackets."""
    table = pd.DataFrame({name: dict(_cells(finding)) for name, finding in findings.items()})
    print(table.to_string())
    for name, finding in findings.items():
        print(f"{name}: {finding.caveat[2]}")
    found = {
        f"{statistic}_{'lowest' if lowest else 'highest'}": (min if lowest else max)(
            finding.number(statistic).value for finding in findings.values()
        )
        for statistic, lowest in (("auroc_loss", True), ("auroc_relative_loss", True))
    }
    rules = {
        f"auroc_{rule}_highest": max(
            finding.chance(f"auroc_{rule}").value for finding in findings.values()
        )
        for rule in ("depth", "mean_count", "label_norm", "distance")
    }
    report("memory", n_cohorts=len(findings), **found, **rules)


def _cells(finding: Finding) -> Iterator[tuple[str, str]]:
    known = {number.name: number for number in finding.null}
    for number in finding.statistic:
        yield number.name, f"{number.value:.3f}{_beside(known.pop(number.name))}"
    for number in known.values():
        yield number.name, f"{number.value:.3f}"


def _beside(number: Number) -> str:
    if number.low is None or number.high is None:
        return f" [{number.value:.3f}]"
    return f" [{number.low:.3f} to {number.high:.3f}]"


if __name__ == "__main__":
    main()

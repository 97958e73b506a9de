"""TCGN on simulated cohorts whose genes follow how nuclei are arranged, with and without its graph.

`python benchmarks/tcgn_simulated.py --out runs/tcgn-simulated`: cohorts of 9 patients, drawn with
seeds 0 to 4. `arrangement` genes follow whether nuclei stand regularly, at random or in clusters,
not how many there are; `null` genes follow nothing. Rows besides TCGN: mean colour, predicted
depth, the true number of nuclei in the tile (`nuclei`), and ridge on SqueezeNet as trained on
photographs (`ridge`) and with random weights (`ridge-random`). The settings are
tcgn_simulated.toml's, fixed before: three patients are held out, and no epoch or rate is chosen by
their scores. Intervals are over seeds. Needed on this machine: the weights of
torchvision:squeezenet1_0 (histoscribe encoders). A killed run started again does what is missing.

`--quick` shows in a minute that it runs, with features that need no weights.
"""

import argparse
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from _machine import report
from _simulated_scores import SimulatedScores, correlations
from jaxtyping import Float

from histoscribe.benchmark.plan import RunPlan, make_plan
from histoscribe.benchmark.run import benchmark
from histoscribe.benchmark.score import ORACLE
from histoscribe.simulate import read_truth, simulate
from histoscribe.train.settings import RunSettings, parse_settings
from histoscribe.types import Cohort, Fold

SETTINGS = Path(__file__).with_suffix(".toml")
FAMILIES = ("arrangement", "null")
QUICK_SEED = 100  # differs from the reported seeds
NUCLEI = "nuclei"
RANDOM = "ridge-random"
PAIRS = (
    ("tcgn", "tcgn-none"),
    ("tcgn", "colour"),
    ("tcgn-none", "colour"),
    ("tcgn", NUCLEI),
    ("tcgn-none", NUCLEI),
    ("tcgn", "ridge"),
    ("tcgn-none", "ridge"),
    ("tcgn", RANDOM),
    ("tcgn-none", RANDOM),
    ("ridge", RANDOM),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every seed, print the table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of cohorts and runs; else a temporary one")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    start = perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        out = given.out or Path(temporary)
        seeds = [QUICK_SEED] if given.quick else given.seeds
        runs = {seed: _run(out / f"seed-{seed}", seed, quick=given.quick) for seed in seeds}
    found = SimulatedScores.of_seeds(runs, FAMILIES, unit="seed")
    rows = [name for name in dict.fromkeys(found.scores["model"]) if name != ORACLE]
    print(found.table(rows, PAIRS))
    graph, colour = (found.gain(("tcgn", of), "arrangement").mean for of in ("tcgn-none", "colour"))
    report(
        "tcgn_simulated",
        n_seeds=len(runs),
        n_patients=found.n_patients,
        seconds=perf_counter() - start,
        graph_gain_to_gain_over_colour_ratio=graph / colour,
        **dict(found.figures(PAIRS)),
    )


def _run(folder: Path, seed: int, *, quick: bool) -> pd.DataFrame:
    """Draw the cohort of a seed, benchmark it, and return the scores of all rows."""
    manifest = simulate(
        folder / "cohort",
        n_patients=6 if quick else 9,
        families=FAMILIES,
        genes_per_family=4 if quick else 16,
        spots_per_section=30 if quick else 120,
        seed=seed,
    )
    settings, random = _settings(manifest, seed, quick=quick)
    cache = folder / "cache"
    benchmark(settings=settings, out=folder / "run", cache=cache)
    benchmark(settings=random, out=folder / "run-random", cache=cache)
    drawn = pd.read_csv(folder / "run-random" / "scores.csv")
    plan = make_plan(settings, folder / "run", weights={}, cache=cache)
    return pd.concat(
        [
            pd.read_csv(folder / "run" / "scores.csv"),
            drawn[drawn["model"] == "ridge"].assign(model=RANDOM),
            *(_nuclei_scores(plan, fold, manifest.parent) for fold in plan.folds),
        ]
    )


def _settings(manifest: Path, seed: int, *, quick: bool) -> tuple[RunSettings, RunSettings]:
    """Settings of the run on this cohort, and of ridge on an encoder with random weights."""
    table: dict[str, Any] = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    truth = read_truth(manifest.parent, "P1S1")
    genes = [
        gene
        for gene, family in zip(truth.gene_ids, truth.family, strict=True)
        if family in FAMILIES
    ]
    table |= {"seed": seed, "cohort": str(manifest)}
    table["target"] |= {"panel": "list", "genes": genes}
    random = {**table, "models": ["ridge"], "settings": {}}
    random["inputs"] = {**table["inputs"], "weights": "random"}
    if quick:
        table["inputs"]["encoder"] = "colour_texture"
        table["inputs"].pop("layer")
        table["train"]["epochs"] = 1
    return parse_settings(table, str(SETTINGS)), parse_settings(random, str(SETTINGS))


def _nuclei_scores(plan: RunPlan, fold: Fold, folder: Path) -> pd.DataFrame:
    """Correlations of a curve of each gene over the true number of nuclei."""
    target = plan.run_data.target(fold.train)
    side_um = plan.settings.inputs.tile_px * plan.settings.inputs.mpp
    cohort = plan.run_data.cohort
    numbers = {id_: _numbers(folder, id_, side_um, cohort) for id_ in (*fold.train, *fold.test)}
    rows = [numbers[id_][at] for id_, at in sorted(fold.train.items())]
    values = [target.apply(cohort[id_], at) for id_, at in sorted(fold.train.items())]
    curve, *_ = np.linalg.lstsq(np.concatenate(rows), np.concatenate(values), rcond=None)
    return correlations(
        plan, fold, NUCLEI, {id_: numbers[id_][at] @ curve for id_, at in sorted(fold.test.items())}
    )


def _numbers(
    folder: Path, section: str, side_um: float, cohort: Cohort
) -> Float[np.ndarray, "N 5"]:
    """One, the log number of nuclei in the tile and their log density within 50 um, and squares."""
    opened, truth = cohort[section], read_truth(folder, section)
    xy_um = opened.spots.xy * opened.slide.mpp
    row = {id_: at for at, id_ in enumerate(truth.spot_ids)}
    within_50 = np.log(truth.density[[row[id_] for id_ in opened.spots.ids]])
    apart = np.abs(xy_um[:, None] - truth.nucleus_um[None]).max(axis=2)
    in_tile = np.log1p((apart <= side_um / 2).sum(axis=1))
    return np.stack([np.ones(len(xy_um)), in_tile, in_tile**2, within_50, within_50**2], axis=1)


if __name__ == "__main__":
    main()

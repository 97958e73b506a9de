"""EGN on simulated cohorts: the gain from exemplars, and what limits it.

`python benchmarks/egn_simulated.py --out runs/egn-simulated`: cohorts of 12 patients, drawn with
seeds 0 to 4. Each `lookup` gene has a value of its own for each of 216 motifs of nuclei and fibres;
`null` genes follow nothing. Four patients are held out. Of the other eight, one chooses the epoch
of each network, and the share of `knn-exemplars` in `blend`, the rest of which is `egn-alone`. The
settings are egn_simulated.toml's, fixed before on other seeds.

Beside each row stand the exemplars that show the motif of their spot; below, three ceilings that
are told these motifs (`_motif_exemplars.py`). Needed on this machine: the weights of
torchvision:squeezenet1_0 (histoscribe encoders). A killed run started again does what is missing.

`--recipe recipes/egn-ablations.toml` runs the rows of a recipe on the same cohorts, at the same
width of tissue. `--quick` shows in a minute that it runs, with features that need no weights.
"""

import argparse
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
from _machine import report
from _motif_exemplars import (
    BLEND,
    NEAREST,
    NEIGHBOURS,
    NETWORK,
    Motifs,
    blend_scores,
    ceiling_scores,
    retrieval,
)
from _simulated_scores import SimulatedScores

from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.run import benchmark
from histoscribe.benchmark.score import ORACLE
from histoscribe.simulate import read_truth, simulate
from histoscribe.train.settings import RunSettings, parse_settings

SETTINGS = Path(__file__).with_suffix(".toml")
FAMILIES = ("lookup", "null")
TILE_UM = 80.0
TARGET_GAIN = 0.05
QUICK_SEED = 100  # differs from the reported seeds
GAINING = (NEAREST, "egn-readout", "linear", BLEND)
"""Rows whose gain over the network without exemplars is compared with the target."""
PAIRS = (
    (NEAREST, "egn-backbone"),
    *((name, NETWORK) for name in GAINING),
    (NEAREST, "egn-random"),
    ("egn-readout", "readout-random"),
    ("egn-readout", NEAREST),
    ("egn-readout", BLEND),
    (NEAREST, BLEND),
    ("egn-readout", NEIGHBOURS),
    ("egn-random", NETWORK),
    ("readout-random", NETWORK),
)
"""Differences that are printed if a run has both rows."""


@dataclass(frozen=True, eq=False)
class CohortResult:
    """What the cohort of one seed gives."""

    scores: pd.DataFrame
    """As in scores.csv, with the rows that are no models."""
    exemplars: pd.DataFrame
    """As `retrieval` gives them."""
    share: float | None
    """Share of the exemplars' mean in the blend; None without a blend."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every seed, print the table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of cohorts and runs; else a temporary one")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--spots", type=int, default=250, help="of a section, one a patient")
    parser.add_argument("--genes", type=int, default=16, help="of each family")
    parser.add_argument("--recipe", type=Path, default=SETTINGS, help="rows and how they train")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    start = perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        out = given.out or Path(temporary)
        seeds = [QUICK_SEED] if given.quick else given.seeds
        runs = {seed: _run(out / f"seed-{seed}", seed, given) for seed in seeds}
    of_seeds = {seed: run.scores for seed, run in runs.items()}
    scores = SimulatedScores.of_seeds(of_seeds, FAMILIES, unit="patient")
    rows = [name for name in dict.fromkeys(scores.scores["model"]) if name != ORACLE]
    pairs = [pair for pair in dict.fromkeys(PAIRS) if set(pair) <= set(rows)]
    exemplars = pd.concat([run.exemplars for run in runs.values()])
    print(scores.table(rows, pairs, _of_exemplars(exemplars)))
    report(
        "egn_simulated",
        n_seeds=len(runs),
        n_patients=scores.n_patients,
        seconds=perf_counter() - start,
        right_by_chance=float(exemplars["chance"].mean()),
        spots_with_right_in_pool=float(exemplars["spots"].mean()),
        blend_shares=", ".join(
            f"{run.share:.2f}" for run in runs.values() if run.share is not None
        ),
        **dict(_gains(scores, pairs)),
        **dict(scores.figures(pairs)),
    )


def _gains(
    scores: SimulatedScores, pairs: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, float]]:
    for name in GAINING:
        if (name, NETWORK) in pairs:
            gain = scores.gain((name, NETWORK), "lookup").mean
            yield f"{name}_gain_to_target_ratio", gain / TARGET_GAIN


def _of_exemplars(exemplars: pd.DataFrame) -> Mapping[str, Mapping[str, str]]:
    """Further columns of the table, by their heading: cells by row, means over patients."""
    heads = {
        "right exemplars": ("share", 100, ".1f", " %"),
        "spots with a right one": ("any", 100, ".1f", " %"),
        "weight of right ones": ("weight", 100, ".1f", " %"),
        "gain": ("gain", 1, ".3f", ""),
        "sharpness": ("sharpness", 1, ".1f", ""),
    }
    columns: dict[str, dict[str, str]] = {}
    for head, (name, factor, digits, unit) in heads.items():
        if name in exemplars:
            of_row = exemplars.groupby("model")[name].mean().dropna()
            columns[head] = {
                str(row): f"{factor * value:{digits}}{unit}" for row, value in of_row.items()
            }
    for cells in columns.values():
        if NEAREST in cells:  # the same exemplars
            cells |= {NEIGHBOURS: cells[NEAREST], BLEND: cells[NEAREST]}
    return columns


def _run(folder: Path, seed: int, given: argparse.Namespace) -> CohortResult:
    """Draw the cohort of a seed, benchmark it, and return its scores and exemplars."""
    manifest = simulate(
        folder / "cohort",
        n_patients=7 if given.quick else 12,
        families=FAMILIES,
        genes_per_family=4 if given.quick else given.genes,
        spots_per_section=30 if given.quick else given.spots,
        seed=seed,
    )
    settings = _settings(given.recipe, manifest, seed, quick=given.quick)
    run, cache = folder / f"run-{given.recipe.stem}", folder / "cache"
    benchmark(settings=settings, out=run, cache=cache)
    plan, motifs = make_plan(settings, run, weights={}, cache=cache), Motifs(manifest.parent)
    tables, exemplars, share = [pd.read_csv(run / "scores.csv")], [], None
    for fold in plan.folds:
        exemplars.append(retrieval(plan, fold, motifs))
        if {NETWORK, NEIGHBOURS} <= set(settings.models):
            blended, share = blend_scores(plan, fold)
            tables.append(blended)
        if NEAREST in settings.models:
            tables.append(ceiling_scores(plan, fold, motifs))
    return CohortResult(pd.concat(tables), pd.concat(exemplars), share)


def _settings(recipe: Path, manifest: Path, seed: int, *, quick: bool) -> RunSettings:
    """Settings for this cohort: rows and training of the recipe, our genes, folds, tile width."""
    table: dict[str, Any] = tomllib.loads(recipe.read_text(encoding="utf-8"))
    own: dict[str, Any] = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    truth = read_truth(manifest.parent, "P1S1")
    genes = [
        gene
        for gene, family in zip(truth.gene_ids, truth.family, strict=True)
        if family in FAMILIES
    ]
    table.pop("sections", None)
    table |= {"seed": seed, "cohort": str(manifest), "folds": own["folds"]}
    table["target"] = {
        "panel": "list",
        "genes": genes,
        "transform": own["target"]["transform"],
    }
    table["inputs"]["mpp"] = TILE_UM / table["inputs"]["tile_px"]
    if quick:
        table["inputs"] |= {"encoder": "colour_texture"}
        table["inputs"].pop("layer", None)
        table["exemplars"] = {**table["exemplars"], "n": 9}
        table["train"]["epochs"] = 1
    return parse_settings(table, str(recipe))


if __name__ == "__main__":
    main()

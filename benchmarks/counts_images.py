"""Calibration of counts that are predicted from images, on a simulated cohort.

`python benchmarks/counts_images.py --out runs/counts`: six patients, whose genes follow the mix of
compartments, the density of nuclei, nothing, or a sign of the patient's own. A network of counts is
trained under two protocols. `spot` tests new spots of training patients, `patient` other patients.
The randomised PIT of the counts of test spots, at their measured depth, is compared with an even
distribution: over all genes, and for each gene beside what chance gives at its number of spots.

`--loss nb` leaves out additional zeros; `--quick` shows in a minute that it runs.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from _machine import report
from jaxtyping import Float

from histoscribe.benchmark.cell import cell_prediction
from histoscribe.benchmark.plan import RunPlan, make_plan
from histoscribe.benchmark.run import benchmark
from histoscribe.metrics.calibration import ks_by_chance, ks_distance, randomised_pit
from histoscribe.metrics.negative_binomial import counts_at
from histoscribe.simulate import simulate
from histoscribe.train.settings import RunSettings, parse_settings

FAMILIES = ("compartment", "density", "null", "patient_flip")
GENES_PER_FAMILY = 64
"""Rates of about 8 counts per 10,000, as in a whole transcriptome, not hundreds."""
OF_FAMILY = 8
MODEL = "mlp"
FOLDS = {"spot": {"protocol": "spot", "k": 4}, "patient": {"protocol": "patient", "k": 3}}
LIMIT = 0.05
"""Largest distance on new spots of training patients, over all genes."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the cohort, run both protocols, print the tables and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of cohort and runs; else a temporary one")
    parser.add_argument("--loss", choices=("nb", "zinb"), default="zinb")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    start, n_patients, n_spots = perf_counter(), 3 if options.quick else 6, 300
    if options.quick:
        n_spots = 40
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary)
        manifest = simulate(
            out / "cohort",
            n_patients=n_patients,
            families=FAMILIES,
            genes_per_family=GENES_PER_FAMILY,
            spots_per_section=n_spots,
            seed=options.seed,
        )
        tables = {
            protocol: _calibration(_settings(manifest, protocol, options), out, options.seed)
            for protocol in FOLDS
        }
    pooled = {protocol: table.attrs["pooled"] for protocol, table in tables.items()}
    print(_beside(tables).to_string(index=False))
    for protocol, table in tables.items():
        above = (table["ks"] > table["chance"]).mean()
        print(
            f"{protocol}: over all genes {pooled[protocol]:.3f} ({table.attrs['n']} values); "
            f"{above:.0%} of the genes above chance"
        )
    report(
        "counts_images",
        loss=options.loss,
        n_values=int(tables["spot"].attrs["n"]),
        seconds=perf_counter() - start,
        ks_to_limit_ratio=pooled["spot"] / LIMIT,
        **{f"ks_{protocol}": value for protocol, value in pooled.items()},
    )


def _settings(manifest: Path, protocol: str, options: argparse.Namespace) -> RunSettings:
    """Settings of the run of a protocol; nothing of them was chosen by calibration."""
    genes = [f"SIM-{_upper(family)}{n + 1:03d}" for family in FAMILIES for n in range(OF_FAMILY)]
    table: dict[str, Any] = {
        "seed": options.seed,
        "cohort": str(manifest),
        "models": [MODEL],
        "folds": FOLDS[protocol],
        "target": {"panel": "list", "genes": genes, "transform": "cp10k"},
        "inputs": {"tile_px": 160, "mpp": 0.5},
        "train": {"loss": options.loss, "epochs": 3 if options.quick else 100},
        "run": {"device": "cpu"},
    }
    return parse_settings(table, "this script")


def _calibration(settings: RunSettings, out: Path, seed: int) -> pd.DataFrame:
    """One row a gene: its distance, and what chance gives at its number of test spots."""
    folder, cache = out / f"{settings.folds.protocol}-{settings.train.loss}", out / "cache"
    benchmark(settings=settings, out=folder, cache=cache)
    plan = make_plan(settings, folder, weights={}, cache=cache)
    rng = np.random.default_rng(seed)
    parts = [_pit(plan, number, rng) for number in range(len(plan.folds))]
    pit = np.concatenate([of for of, _ in parts])
    mean = np.concatenate([counts for _, counts in parts]).mean(axis=0)
    genes = plan.targets[plan.folds[0].name].genes
    table = pd.DataFrame(
        {
            "gene": [gene.removeprefix("SIM-") for gene in genes],
            "mean_count": mean,
            "n": len(pit),
            "ks": [ks_distance(of) for of in pit.T],
            "chance": ks_by_chance(len(pit)),
        }
    )
    table.attrs |= {"pooled": ks_distance(pit.ravel()), "n": pit.size}
    return table


def _pit(
    plan: RunPlan, number: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "N G"], Float[np.ndarray, "N G"]]:
    """Randomised PIT and counts of the test spots of one fold."""
    fold, cohort = plan.folds[number], plan.run_data.cohort
    pit, counts = [], []
    for section, rows in sorted(fold.test.items()):
        measured = plan.targets[fold.name].panel_counts(cohort[section], rows)
        predicted = counts_at(cell_prediction(plan, fold, MODEL, section), measured.total)
        pit.append(randomised_pit(predicted, measured.counts, rng))
        counts.append(measured.counts)
    return np.concatenate(pit), np.concatenate(counts)


def _beside(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Both protocols in one table."""
    first, second = tables.values()
    columns = ["gene", "ks"]
    both = first.merge(second[columns], on="gene", suffixes=tuple(f"_{name}" for name in tables))
    return both.round({"mean_count": 1, **dict.fromkeys(both.columns[3:], 3)})


def _upper(family: str) -> str:
    return family.upper().replace("_", "")


if __name__ == "__main__":
    main()

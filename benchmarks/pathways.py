"""Pathway maps of stformer on simulated cohorts, with the true gene sets and with shuffled ones.

`python benchmarks/pathways.py`: cohorts of 8 patients, drawn with seeds 0 to 4; genes of the family
`pathway` follow six programmes, genes of `null` follow nothing. Four patients are held out, twice.
Every row trains the same small network; rows differ in the gene sets and in how the weights from
pathways to genes start. Shuffled sets have the sizes of the true ones and the same genes, dealt out
at random. A score map is compared with the true map of its programme in the test sections: the mean
over its genes of the true log rate, in standard deviations, without any counting noise.

`--quick` shows in a minute that it runs.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from _machine import report
from scipy import stats

from histoscribe.data.activity import activity_of_values
from histoscribe.data.folds import make_folds
from histoscribe.io.atomic import write_text
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.gene_sets import read_gmt
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.seed import stream
from histoscribe.simulate import read_truth, simulate
from histoscribe.train.fit import fit
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import RunSettings, parse_settings
from histoscribe.train.tables import section_queries, training_table
from histoscribe.types import PATHWAYS, Pathways

QUICK_SEED = 100  # differs from the reported seeds
ROWS: Mapping[str, tuple[str, str, float]] = {
    "masked": ("masked", "true", 0.0),
    "masked, shuffled sets": ("masked", "shuffled", 0.0),
    "init": ("init", "true", 0.0),
    "init, shuffled sets": ("init", "shuffled", 0.0),
    "free": ("free", "true", 0.0),
    "masked, with the loss": ("masked", "true", 1.0),
    "masked, shuffled sets, with the loss": ("masked", "shuffled", 1.0),
    "free, with the loss": ("free", "true", 1.0),
}
"""Row -> start of the weights, gene sets, weight of the loss on measured activity."""
SHUFFLED, RIDGE = "masked, shuffled sets", "ridge, activity of predicted genes"
SIZE = {"width": 64, "layers": 2, "heads": 4, "learning_rate": 1e-3}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every seed, print the table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of the cohorts; else a temporary one")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--spots", type=int, default=150, help="of a section, one a patient")
    parser.add_argument("--genes", type=int, default=96, help="of each family")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.seeds, asked.spots, asked.genes, asked.epochs = [QUICK_SEED], 30, 64, 2
    start = perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        out = asked.out or Path(temporary)
        found = pd.concat([_seed(out / f"seed-{seed}", seed, asked) for seed in asked.seeds])
    print(_table(found))
    gain = _gain(found, "masked", SHUFFLED)
    low, high = _interval(gain)
    print(f"\nmasked minus {SHUFFLED}: {_with_interval(gain)}")
    print(f"masked minus {RIDGE}: {_with_interval(_gain(found, 'masked', RIDGE))}")
    report(
        "pathways",
        n_seeds=len(asked.seeds),
        seconds=perf_counter() - start,
        masked_gain=float(gain.mean()),
        masked_gain_low=low,
        masked_gain_high=high,
        masked_to_ridge_ratio=_mean(found, "masked") / _mean(found, RIDGE),
        **{f"r: {name}": _mean(found, name) for name in dict.fromkeys(found["row"])},
    )


def _seed(folder: Path, seed: int, asked: argparse.Namespace) -> pd.DataFrame:
    """Correlations of every row, patient and pathway of one cohort."""
    manifest = simulate(
        folder / "cohort",
        n_patients=4 if asked.quick else 8,
        families=("pathway", "null"),
        genes_per_family=asked.genes,
        spots_per_section=asked.spots,
        seed=seed,
    )
    sets = {
        name: members
        for name, members in read_gmt(manifest.parent / "pathways.gmt").items()
        if name != "SIM_DECOY"
    }
    files = {"true": folder / "true.gmt", "shuffled": folder / "shuffled.gmt"}
    for kind, path in files.items():
        own = sets if kind == "true" else _shuffled(sets, seed)
        lines = ("\t".join([name, kind, *members]) for name, members in own.items())
        write_text(path, "".join(line + "\n" for line in lines))
    rows: list[dict[str, Any]] = []
    for name, (start, kind, weight) in ROWS.items():
        settings = _settings(manifest, seed, asked.epochs, files[kind], weight, start)
        rows += [{"row": name, **row} for row in _scores(settings, folder, "stformer")]
    plain = _settings(manifest, seed, asked.epochs, files["true"], 0.0, None)
    rows += [{"row": RIDGE, **row} for row in _scores(plain, folder, "ridge")]
    return pd.DataFrame(rows).assign(seed=seed)


def _shuffled(sets: Mapping[str, Sequence[str]], seed: int) -> dict[str, list[str]]:
    """The same genes in sets of the same sizes, dealt out at random."""
    genes = [gene for members in sets.values() for gene in members]
    dealt = iter(stream(seed, "shuffled-sets").permutation(genes).tolist())
    return {name: [next(dealt) for _ in members] for name, members in sets.items()}


def _settings(
    manifest: Path, seed: int, epochs: int, sets: Path, weight: float, start: str | None
) -> RunSettings:
    """Settings of one row; its panel is all genes of both families."""
    truth = read_truth(manifest.parent, "P1S1")
    families = zip(truth.gene_ids, truth.family, strict=True)
    model = "ridge" if start is None else "stformer"
    table = {
        "seed": seed,
        "cohort": str(manifest),
        "models": [model],
        "folds": {"k": 2},
        "target": {
            "panel": "list",
            "genes": [gene for gene, family in families if family in ("pathway", "null")],
        },
        "pathways": {"sets": str(sets)},
        "inputs": {"tile_px": 64, "mpp": 1.0},
        "settings": {} if start is None else {model: {**SIZE, "pathway_init": start}},
        "train": {
            "epochs": epochs,
            "keep": "last",
            "batch_size": 1,
            "pathway_weight": weight,
        },
        "run": {"device": "cpu"},
    }
    return parse_settings(table, "benchmarks/pathways.py")


def _scores(settings: RunSettings, folder: Path, model: str) -> Iterator[dict[str, Any]]:
    """Correlations with the true map and with measured activity, per test section and pathway."""
    run_data = RunData(settings, read_cohort(settings.cohort), {}, folder / "cache")
    row = settings.row(model)
    for fold in make_folds(run_data.cohort, settings.folds, settings.seed):
        target = run_data.target(fold.train)
        table = training_table(run_data, fold, target, row.encoder)
        resume = folder / "resume" / sha256(f"{settings}{fold.name}".encode()).hexdigest()[:16]
        fitted = fit(row, table, settings, resume)
        pathways = table.gene_sets
        if pathways is None:
            raise ValueError("a run of this script has gene sets")
        for section in sorted(fold.test):
            predicted = fitted.predict(section_queries(run_data, row, section, fold))
            scores = predicted.evidence.get(PATHWAYS)
            if scores is None:
                scores = activity_of_values(predicted.values, pathways)
            measured = run_data.cohort[section]
            own = activity_of_values(target.apply(measured), pathways)
            true = _true_maps(Path(settings.cohort).parent, section, measured.spots.ids)
            order = [pathways.names.index(name) for name in true]
            maps = np.stack(list(true.values()), axis=1)
            r, r_own = pearson_per_gene(scores[:, order], maps), pearson_per_gene(scores, own)
            for name, value, place in zip(true, r, order, strict=True):
                yield {
                    "patient": measured.patient,
                    "pathway": name,
                    "r": float(value),
                    "r_own": float(r_own[place]),
                }


def _true_maps(folder: Path, section: str, spots: Sequence[str]) -> dict[str, np.ndarray]:
    """Set -> true activity of its programme in these spots, without counting noise."""
    truth = read_truth(folder, section)
    genes = pd.read_csv(folder / "truth" / "genes.csv", keep_default_na=False)
    row = {spot: place for place, spot in enumerate(truth.spot_ids)}
    logs = np.log(truth.rates[[row[spot] for spot in spots]])
    of_family = genes[genes["family"] == "pathway"]
    names = {f"SIM_{name}": own.index for name, own in of_family.groupby("programme")}
    members = np.zeros((len(names), len(genes)), dtype=bool)
    for place, columns in enumerate(names.values()):
        members[place, columns] = True
    activity = activity_of_values(logs, Pathways(tuple(names), members))
    return dict(zip(names, activity.T, strict=True))


def _by_seed(found: pd.DataFrame, row: str, column: str = "r") -> np.ndarray:
    """Mean over pathways, then patients, of each seed."""
    own = found[found["row"] == row]
    patients = own.groupby(["seed", "patient"])[column].mean()
    return patients.groupby("seed").mean().to_numpy()


def _mean(found: pd.DataFrame, row: str) -> float:
    return float(_by_seed(found, row).mean())


def _gain(found: pd.DataFrame, first: str, second: str) -> np.ndarray:
    return _by_seed(found, first) - _by_seed(found, second)


def _interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean over seeds, by Student's t."""
    if len(values) < 2:
        return float("nan"), float("nan")
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def _with_interval(values: np.ndarray) -> str:
    low, high = _interval(values)
    return f"{values.mean():.3f} (95 % over seeds {low:.3f} to {high:.3f})"


def _table(found: pd.DataFrame) -> str:
    lines = [
        "| row | r with the true map | 95 % over seeds | r with measured activity of its sets |",
        "|---|---|---|---|",
    ]
    for row in dict.fromkeys(found["row"]):
        values = _by_seed(found, row)
        low, high = _interval(values)
        own = _by_seed(found, row, "r_own").mean()
        lines.append(f"| {row} | {values.mean():.3f} | {low:.3f} to {high:.3f} | {own:.3f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

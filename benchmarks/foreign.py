"""Predictions of a finished run as files of another tool, scored by `hs.score`.

`python benchmarks/foreign.py RUN OUT` writes what the run's ridge and mean predicted as plain
AnnData (values, names of spots, ids of genes), and ridge with its spots shuffled within each
section (seed 0). It scores the three sets with the settings of the run, without its networks, and
prints their rows beside those of the run.
"""

import argparse
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

import histoscribe as hs
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.seed import stream
from histoscribe.train.settings import RunSettings, parse_settings, read_settings

SETS = {"their-ridge": "ridge", "their-means": "mean", "shuffled-ridge": "ridge"}
"""Name of a set -> model of the run whose predictions it has."""
BASELINES = ("mean", "colour", "depth", "knn", "ridge")
METRICS = ("pcc", "pcc_given_depth", "mse")


def main() -> None:
    """Write the sets, score them and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path)
    told = parser.parse_args()
    for name, model in SETS.items():
        write_set(told.run, told.out / name, model)
    settings = settings_of(told.run)
    result = hs.score(
        settings.cohort,
        [told.out / name for name in SETS],
        settings=settings,
        out=told.out / "scored",
        unit=settings.target.transform,
        trained_on={fold: [other for other in "BC" if other != fold] for fold in "BC"},
        cache=told.cache,
    )
    print(_means(result.summary, [*SETS, *BASELINES, "shuffled"]).to_string())
    print(_means(pd.read_csv(told.run / "summary.csv"), ["ridge", "mean"]).to_string())
    columns = ["model", "correlation", "gene_means", "depth", "rest"]
    print(result.parts.loc[result.parts["section"] == "*", columns].to_string(index=False))


def write_set(run: Path, folder: Path, model: str) -> None:
    """Write the predictions of a model as any tool could: values, spots and genes."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((run / "predictions" / model).glob("*/*.h5ad")):
        prediction = read_prediction(path)
        values = prediction.values
        if folder.name.startswith("shuffled"):
            values = stream(0, f"foreign-{path.stem}").permutation(values, axis=0)
        data = ad.AnnData(np.ascontiguousarray(values))
        data.obs_names, data.var_names = list(prediction.spots.ids), list(prediction.genes)
        data.write_h5ad(folder / path.name)


def settings_of(run: Path) -> RunSettings:
    """Settings of the run with the closed-form baselines only."""
    whole = read_settings(run / "settings.toml").model_dump(mode="json", exclude_none=True)
    return parse_settings({**whole, "models": list(BASELINES), "settings": {}}, "run")


def _means(summary: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    rows = summary[summary["model"].isin(models) & summary["metric"].isin(METRICS)]
    return rows.pivot_table(index="model", columns="metric", values="mean", sort=False)


if __name__ == "__main__":
    main()

"""Maps that models learn from one label a patient, beside the planted region.

`python benchmarks/bag_maps.py` makes features of 60 patients for each of five seeds, without
images. Tiles belong to four compartments in patches of tissue; a feature is the mean of its
compartment, a shift of the patient and noise. The label of a patient is log1p of one gene's counts
per 10,000, summed over all tiles. The gene is high in a compartment, or low in it, or high in a
rare region of 3 to 8 % of the tiles that a third of the patients lack. Models are trained on 40
patients and read at each tile of the other 20. Separation and shifts are such that ridge with a
label for each tile finds about nine of ten tiles, which leaves something to lose.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from _machine import report
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import RidgeCV
from sklearn.metrics import roc_auc_score

from histoscribe.data.items.spots import SpotQueries
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.train.fit import fit
from histoscribe.train.settings import MachineSettings, RunSettings, TrainSettings
from histoscribe.types import SpotKeys, SpotTable

N_PATIENTS, N_TRAIN, N_INNER = 60, 40, 10
SIDE = 18  # tiles
N_FEATURES, N_COMPARTMENTS = 32, 4
SEPARATION, PATIENT_SHIFT = 0.35, 0.1  # of compartments and of patients, in units of the noise
PENALTIES = np.logspace(-2, 5, 15)
Gene = Literal["compartment", "silent", "rare"]
LABELLED, ALONE = "ridge with a label for each tile", "prediction for the tile alone"
ROWS: Mapping[str, Mapping[str, Any]] = {
    "additive-mil": {"preset": "small"},
    "additive-mil (SGD)": {"model": "additive-mil"},
    "he2rna": {"preset": "small"},
    "abmil": {"preset": "small"},
    "transmil": {"preset": "small"},
}


@dataclass(frozen=True, eq=False)
class MadeCohort:
    """Made features of all patients, with the planted region and the label of each patient."""

    feature: Float[np.ndarray, "N D"]
    region: Bool[np.ndarray, " N"]
    """Tiles in which the gene is high."""
    patient: Int[np.ndarray, " N"]
    label: Float[np.ndarray, " M"]

    @property
    def n_tiles(self) -> int:
        """Number of tiles of a patient."""
        return len(self.patient) // len(self.label)


def made_cohort(seed: int, gene: Gene) -> MadeCohort:
    """Draw a cohort; the tissue is the same for all genes."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(N_COMPARTMENTS + 1, N_FEATURES))
    means *= SEPARATION / means.std()
    feature, region, label = [], [], []
    for patient in range(N_PATIENTS):
        fields = np.stack([_smooth(rng) for _ in range(N_COMPARTMENTS)])
        compartment = (fields + 0.8 * rng.normal(size=(N_COMPARTMENTS, 1))).argmax(axis=0)
        share = 0.0 if patient % 3 == 0 else rng.uniform(0.03, 0.08)
        field = _smooth(rng)
        rare = field > np.quantile(field, 1 - share) if share else np.zeros(len(field), dtype=bool)
        kind = np.where(rare, N_COMPARTMENTS, compartment)
        shift = PATIENT_SHIFT * rng.normal(size=N_FEATURES)
        feature.append(means[kind] + shift + rng.normal(size=(len(kind), N_FEATURES)))
        high = {"compartment": kind == 0, "silent": kind != 0, "rare": rare}[gene]
        total = rng.lognormal(8.0, 0.4, size=len(kind))
        counts = rng.poisson(total * np.where(high, 40.0, 4.0) / 10_000)
        region.append(high)
        label.append(np.log1p(10_000 * counts.sum() / total.sum()))
    return MadeCohort(
        feature=np.concatenate(feature).astype(np.float32),
        region=np.concatenate(region),
        patient=np.repeat(np.arange(N_PATIENTS), SIDE**2),
        label=np.array(label),
    )


def _smooth(rng: np.random.Generator) -> Float[np.ndarray, " tiles"]:
    """A field over the tiles of a slide that changes over some tiles; mean 0, deviation 1."""
    from scipy.ndimage import gaussian_filter  # scipy is slow to import

    field = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2.0, mode="wrap")
    return ((field - field.mean()) / field.std()).ravel()


def table_of(cohort: MadeCohort) -> SpotTable:
    """Tiles of the training patients; each has the label of its patient, so their mean has it."""
    rows = np.flatnonzero(cohort.patient < N_TRAIN)
    patient, fitted = cohort.patient[rows], N_TRAIN - N_INNER
    return SpotTable(
        feature=cohort.feature[rows],
        target=cohort.label[patient, None].astype(np.float32),
        log_total=np.zeros(len(rows)),
        keys=_keys(patient),
        inner=((np.flatnonzero(patient < fitted), np.flatnonzero(patient >= fitted)),),
        encoder="made",
        xy_um=_places_um(len(rows)),
    )


def queries_of(cohort: MadeCohort) -> SpotQueries:
    """Tiles of the held-out patients."""
    rows = np.flatnonzero(cohort.patient >= N_TRAIN)
    return SpotQueries(
        feature=cohort.feature[rows],
        keys=_keys(cohort.patient[rows]),
        encoder="made",
        xy_um=_places_um(len(rows)),
    )


def _keys(patient: Int[np.ndarray, " n"]) -> SpotKeys:
    names = [f"P{number:02d}" for number in patient]
    return SpotKeys.of_names(names, names, [str(row) for row in range(len(names))])


def _places_um(n_tiles: int) -> Float[np.ndarray, "n 2"]:
    row, column = np.divmod(np.arange(SIDE**2), SIDE)
    grid = 100.0 * (np.stack([column, row], axis=1) - (SIDE - 1) / 2)
    return np.tile(grid, (n_tiles // SIDE**2, 1))


def maps_of(
    cohort: MadeCohort, seed: int, epochs: int, names: Sequence[str]
) -> Iterator[tuple[str, Float[np.ndarray, " n"]]]:
    """Each map of the tiles of the held-out patients, by name."""
    held = cohort.patient >= N_TRAIN
    tiles = cohort.feature[~held]
    bags = tiles.reshape(N_TRAIN, cohort.n_tiles, -1).mean(axis=1)
    supervised = RidgeCV(PENALTIES).fit(tiles, cohort.region[~held])
    yield LABELLED, supervised.predict(cohort.feature[held])
    of_bags = RidgeCV(PENALTIES).fit(bags, cohort.label[:N_TRAIN])
    yield "ridge on bag means", of_bags.predict(cohort.feature[held])
    for name in names:
        predicted = trained(name, table_of(cohort), seed, epochs).predict(queries_of(cohort))
        yield f"{name}: {ALONE}", predicted.values[:, 0]
        for evidence in ("attention", "contribution", "class_attention"):
            if evidence in predicted.evidence:
                yield f"{name}: {evidence}", predicted.evidence[evidence].mean(axis=1)


def trained(name: str, table: SpotTable, seed: int, epochs: int) -> Fitted:
    """A model of bags, fitted as in a run, one bag per step."""
    row = name.split()[0]
    settings = RunSettings(
        seed=seed,
        cohort="none",
        models=("row",),
        settings={"row": {"model": row, **ROWS[name]}},
        train=TrainSettings(epochs=epochs, batch_size=1),
        run=MachineSettings(device="cpu"),
    )
    with TemporaryDirectory() as folder:
        return fit(settings.row("row"), table, settings, Path(folder))


def auroc(cohort: MadeCohort, values: Float[np.ndarray, " n"]) -> float:
    """Mean over held-out patients that have tiles inside and outside of the region."""
    region = cohort.region[cohort.patient >= N_TRAIN].reshape(-1, cohort.n_tiles)
    pairs = zip(region, values.reshape(region.shape), strict=True)
    return float(np.mean([roc_auc_score(of, value) for of, value in pairs if 0 < of.mean() < 1]))


def table_of_gene(gene: Gene, n_seeds: int, epochs: int, names: Sequence[str]) -> pd.DataFrame:
    """AUROC of each map: the mean, its part above chance of that with labels, and each seed."""
    columns = {}
    for seed in range(n_seeds):
        cohort = made_cohort(seed, gene)
        maps = maps_of(cohort, seed, epochs, names)
        columns[f"seed {seed}"] = {name: auroc(cohort, values) for name, values in maps}
    table = pd.DataFrame(columns)
    table.insert(0, "mean", table.mean(axis=1))
    table.insert(1, "of the labelled", (table["mean"] - 0.5) / (table.loc[LABELLED, "mean"] - 0.5))
    return table


def main() -> None:
    """Print a table for each gene: rows are maps, columns are seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--genes", nargs="*", default=list(get_args(Gene)))
    parser.add_argument("--models", nargs="*", default=list(ROWS))
    given = parser.parse_args()
    figures = {}
    for gene in given.genes:
        start = perf_counter()
        table = table_of_gene(gene, given.seeds, given.epochs, given.models)
        print(f"\n{gene} gene: AUROC for tiles in which it is high, {perf_counter() - start:.0f} s")
        print(table.round(2).to_string())
        figures |= {
            f"{gene}, {name}: ratio": float(table.loc[f"{name}: {ALONE}", "of the labelled"])
            for name in given.models
        }
    report("bag_maps", **figures)


if __name__ == "__main__":
    main()

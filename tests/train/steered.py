"""Tables with a concept and a nuisance, and networks that are trained on them with steering."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from histoscribe.predictor.forward import represent_spots
from histoscribe.train.fit import fit
from histoscribe.train.settings import MachineSettings, RunSettings, TrainSettings
from tests.contracts.fitting import QUICK
from tests.contracts.tables import planted_table, queries_of

CONCEPT, NUISANCE = "nuclear_density", "haematoxylin_density"
STEER = {"learn": (CONCEPT,), "unlearn": (NUISANCE, "patient")}
SITES = {"A": "north", "B": "south", "C": "north", "D": "south"}


def steered_table(seed=0, n_spots=240):
    """Spots with two features of their own for a concept and a nuisance; no gene follows them."""
    base = planted_table(seed, n_spots=n_spots)
    standard = (base.feature - 2.0) / 3.0
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(standard.shape[1], base.target.shape[1]))
    weights[[0, 5]] = 0.0
    target = standard @ weights + 0.5 * rng.normal(size=base.target.shape)
    return replace(
        base,
        target=target.astype(np.float32),
        concept=np.stack([standard[:, 5], standard[:, 0]], axis=1).astype(np.float32),
        sites=SITES,
    )


def steered_fit(name, folder: Path, table, steer=None, model=None, **train):
    """Fit a network with these concepts; without, as any other."""
    settings = RunSettings(
        cohort="none",
        models=(name,),
        settings={name: {"preset": "tiny", **QUICK.get(name, {}), **(model or {})}},
        train=TrainSettings(**{"epochs": 4, "batch_size": 16, **train}),
        run=MachineSettings(device="cpu"),
        steer=steer or {},
    )
    return fit(settings.row(name), table, settings, folder)


def probed(made, table):
    """Correlation of concept and nuisance with a linear probe refitted on every second spot."""
    spots = represent_spots(made.model, made.items(queries_of(table))).astype(np.float64)
    half = np.arange(len(spots)) % 2 == 0
    centred = (spots - spots[half].mean(axis=0)) / (spots[half].std(axis=0) + 1e-9)
    gram = centred[half].T @ centred[half] + np.eye(spots.shape[1])
    weights = np.linalg.solve(gram, centred[half].T @ table.concept[half])
    found = centred[~half] @ weights
    return [np.corrcoef(found[:, i], table.concept[~half, i])[0, 1] for i in range(2)]

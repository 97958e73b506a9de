"""Windows of a simulated cohort, a small extractor on them, and the scores of its features.

Shared by extractor.py and extractor_readings.py. Settings were chosen on cohorts of seeds 100 and
101.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histoscribe.data.tiles import Tiles, tile_batches
from histoscribe.data.tissue_windows import windows_on_tissue
from histoscribe.encoders.egn_extractor.layers import Code
from histoscribe.encoders.egn_extractor.settings import ExtractorSettings
from histoscribe.encoders.egn_extractor.step import PerceptualDistance
from histoscribe.encoders.egn_extractor.training import ExtractorTraining, Windows
from histoscribe.encoders.feature_l1 import FeatureL1, load_reconstruction_loss
from histoscribe.encoders.perceptual import Perceptual
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.simulate import read_truth, simulate
from histoscribe.types import Cohort, Section

SIDE_PX, MPP, N_NEIGHBOURS = 64, 1.0, 9
CODES: tuple[Code, ...] = ("style", "pooled")
SETTINGS = ExtractorSettings(
    width=64,
    full_width_px=8,
    encoder_channels=16,
    head_layers=1,
    mapping_layers=1,
    linear_rate=1.0,
    learning_rate=0.004,
    batch_size=16,
    l1_weight=100.0,
)


@dataclass(frozen=True)
class Labelled:
    """Windows around spots, with the simulator's truth."""

    image: torch.Tensor
    compartment: np.ndarray
    patient: np.ndarray


@dataclass(frozen=True)
class SimulatedWindows:
    """Windows of a cohort, of which the first quarter of patients is only for tests."""

    pool: torch.Tensor
    """Windows anywhere on the tissue of training patients."""
    train: Labelled
    test: Labelled

    def describe(self) -> None:
        """Print how many there are, and what guessing reaches."""
        train, test = self.train, self.test
        n_train, n_test = len(train.image), len(test.image)
        print(f"{len(self.pool)} training windows; {n_train} training and {n_test} spots")
        print(f"always the commonest compartment: {_commonest(train, test):.3f}")
        print(f"neighbours by chance: {chance(train, test):.3f}\n")


@dataclass(frozen=True)
class Figures:
    """Scores of a feature on patients outside the training data."""

    probe: float
    """Share of spots whose compartment a linear probe predicts correctly."""
    neighbours: float
    """Share of the nine nearest training spots in the spot's compartment."""


def simulated_windows(*, seed: int, n_patients: int, n_windows: int) -> SimulatedWindows:
    """Simulate a cohort and read its windows, `n_windows` of each training section."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        manifest = simulate(out, n_patients, spots_per_section=200, genes_per_family=2, seed=seed)
        cohort = read_cohort(manifest)
        held = cohort.ids[: len(cohort.ids) // 4]
        fitted = cohort.ids[len(held) :]
        pool = torch.cat([_random_windows(cohort[s], n_windows) for s in fitted])
        return SimulatedWindows(pool, _labelled(cohort, fitted, out), _labelled(cohort, held, out))


def perceptual_term(*, random: bool) -> FeatureL1 | Perceptual:
    """Perceptual term of the loss; `random` weights are for quick tests."""
    net, drawn = ("torchvision:squeezenet1_0", 0) if random else (None, None)
    return load_reconstruction_loss(net, random_seed=drawn)


def extractor_training(
    pool: torch.Tensor, settings: ExtractorSettings, perceptual: PerceptualDistance, *, seed: int
) -> ExtractorTraining:
    """Start a training on the pool."""
    windows = Windows(lambda at: pool[torch.from_numpy(at)], len(pool), SIDE_PX, "simulated")
    return ExtractorTraining(windows, settings, perceptual=perceptual, seed=seed, device="cpu")


def figures(known: np.ndarray, train: Labelled, tested: np.ndarray, test: Labelled) -> Figures:
    """Score features; the probe's penalty is chosen by leaving out training patients."""
    probe = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000)),
        {"logisticregression__C": [1e-4, 1e-3, 1e-2, 0.1, 1.0]},
        cv=GroupKFold(3),
    ).fit(known, train.compartment, groups=train.patient)
    distance = torch.cdist(torch.from_numpy(tested), torch.from_numpy(known))
    nearest = distance.topk(N_NEIGHBOURS, largest=False).indices.numpy()
    same = train.compartment[nearest] == test.compartment[:, None]
    return Figures(float((probe.predict(tested) == test.compartment).mean()), float(same.mean()))


def chance(train: Labelled, test: Labelled) -> float:
    """Share of training spots in a spot's compartment, mean over the test spots."""
    share = np.bincount(train.compartment, minlength=5) / len(train.compartment)
    return float(share[test.compartment].mean())


def _commonest(train: Labelled, test: Labelled) -> float:
    return float((test.compartment == np.bincount(train.compartment).argmax()).mean())


def _random_windows(section: Section, n: int) -> torch.Tensor:
    """Windows anywhere on the section's tissue, as a run draws them."""
    every, none = np.arange(len(section.spots)), np.arange(0)
    tiles = Tiles(SIDE_PX, MPP)
    return _windows(windows_on_tissue(section, tiles, n_windows=n, seed=0, train=every, test=none))


def _labelled(cohort: Cohort, ids: tuple[str, ...], folder: Path) -> Labelled:
    images, kinds, patients = [], [], []
    for name in ids:
        section, truth = cohort[name], read_truth(folder, name)
        row = {spot: n for n, spot in enumerate(truth.spot_ids)}
        kinds.append(truth.fraction[[row[spot] for spot in section.spots.ids]].argmax(axis=1))
        images.append(_windows(section))
        patients += [section.patient] * len(section.spots)
    return Labelled(torch.cat(images), np.concatenate(kinds), np.array(patients))


def _windows(section: Section) -> torch.Tensor:
    batches = np.array_split(np.arange(len(section.spots)), -(-len(section.spots) // 64))
    return torch.cat(list(tile_batches(section, Tiles(SIDE_PX, MPP), batches)))

"""Results of minutes of training: the extractor on 64-px windows of a simulated cohort.

Run alone: `python benchmarks/extractor.py` trains for a quarter of an hour on two cores; with
`--steps` it trains for numbers of steps, however busy the machine is. Patients that were not
trained on are made again from their codes, beside a PCA of the training windows; their compartment
is read off each of the two codes by a linear probe, and looked up among the nearest spots of
training patients, beside `colour_texture`. All figures are of the averaged weights; the row of 0
steps is of random weights.

The settings were chosen on patients of another cohort. An `l1_ratio` below 1 means less error
than the PCA's.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from _machine import report
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histoscribe.data.tiles import Tiles, tile_batches
from histoscribe.data.tissue_windows import windows_on_tissue
from histoscribe.encoders.egn_extractor.encoder import StyleEncoder
from histoscribe.encoders.egn_extractor.layers import Code
from histoscribe.encoders.egn_extractor.settings import ExtractorSettings
from histoscribe.encoders.egn_extractor.step import in_unit
from histoscribe.encoders.egn_extractor.training import ExtractorTraining, Windows
from histoscribe.encoders.encoder import Encoder, load_encoder
from histoscribe.encoders.feature_l1 import load_reconstruction_loss
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.seed import stream
from histoscribe.simulate import read_truth, simulate
from histoscribe.types import Cohort, Section

SIDE_PX, MPP, N_NEIGHBOURS, N_COMPONENTS = 64, 1.0, 9, 16
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
class Figures:
    """Scores of a feature on patients outside the training data."""

    probe: float
    """Share of spots whose compartment a linear probe predicts correctly."""
    neighbours: float
    """Share of the nine nearest training spots in the spot's compartment."""


def main() -> None:
    """Train, measure at each mark, print the table and one line of JSON."""
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        manifest = simulate(
            out, asked.patients, spots_per_section=200, genes_per_family=2, seed=asked.seed
        )
        cohort = read_cohort(manifest)
        held = cohort.ids[: len(cohort.ids) // 4]
        fitted = cohort.ids[len(held) :]
        pool = torch.cat([_random_windows(cohort[s], asked.windows) for s in fitted])
        train, test = _labelled(cohort, fitted, out), _labelled(cohort, held, out)
    pca_l1 = _pca_l1(pool, test.image)
    colours = load_encoder("colour_texture")
    plain = _figures(_features(colours, train), train, _features(colours, test), test)
    print(asked.settings)
    _print_head(len(pool), train, test)
    _print("PCA-16 / colour_texture", pca_l1, (plain, plain))
    perceptual = load_reconstruction_loss(
        "torchvision:squeezenet1_0" if asked.quick else None,
        random_seed=0 if asked.quick else None,
    )
    training = ExtractorTraining(
        Windows(lambda at: pool[torch.from_numpy(at)], len(pool), SIDE_PX, "simulated"),
        asked.settings,
        perceptual=perceptual,
        seed=asked.seed,
        device="cpu",
    )
    spent, l1, found = 0.0, float("nan"), [plain, plain]
    for mark in (0.0, *(asked.steps or asked.minutes)):
        spent = _train_until(training, mark, spent, in_steps=bool(asked.steps))
        l1 = _l1(training, test.image)
        found = _figures_of_codes(training, train, test)
        _print(f"{spent / 60:.1f} min, {training.n_steps} steps", l1, found)
    report(
        "extractor",
        perceptual=perceptual.name,
        minutes=spent / 60,
        steps=training.n_steps,
        l1=l1,
        l1_ratio=l1 / pca_l1,
        **{
            f"{what}_{code}": figure
            for code, of in zip(CODES, found, strict=True)
            for what, figure in (
                ("probe", of.probe),
                ("probe_ratio", of.probe / plain.probe),
                ("neighbours", of.neighbours),
                ("neighbours_ratio", of.neighbours / _chance(train, test)),
            )
        },
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0, 10.0, 15.0])
    parser.add_argument("--steps", type=int, nargs="+", help="instead of minutes")
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--windows", type=int, default=1500, help="of each training section")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--settings", default="{}", help='JSON over the settings, e.g. {"l1_weight": 1}'
    )
    parser.add_argument("--quick", action="store_true", help="whether it runs, and no more")
    asked = parser.parse_args()
    changed = SETTINGS.model_dump() | json.loads(asked.settings)
    asked.settings = ExtractorSettings.model_validate(changed)
    if asked.quick:
        asked.minutes, asked.patients, asked.windows = [0.02], 4, 100
    return asked


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


def _train_until(
    training: ExtractorTraining, mark: float, spent: float, *, in_steps: bool
) -> float:
    """Train up to this number of minutes or steps; returns the seconds spent."""
    while (training.n_steps if in_steps else spent / 60) < mark:
        start = perf_counter()
        training.advance()
        spent += perf_counter() - start
    return spent


@torch.no_grad()
def _l1(training: ExtractorTraining, image: torch.Tensor) -> float:
    """Mean absolute difference between windows, in -1..1, and their reconstructions."""
    nets = training.nets
    errors = [
        (nets.average_generator(nets.average_encoder.style(part)) - part).abs().mean(dim=(1, 2, 3))
        for part in in_unit(image).split(64)
    ]
    return float(torch.cat(errors).mean())


def _pca_l1(pool: torch.Tensor, image: torch.Tensor) -> float:
    few = pool[torch.from_numpy(stream(0, "pca").permutation(len(pool))[:4000])]
    pca = PCA(N_COMPONENTS, svd_solver="randomized", random_state=0)
    pca.fit(in_unit(few).flatten(1).numpy())
    rows = in_unit(image).flatten(1).numpy()
    return float(np.abs(pca.inverse_transform(pca.transform(rows)) - rows).mean())


def _figures_of_codes(
    training: ExtractorTraining, train: Labelled, test: Labelled
) -> list[Figures]:
    """Figures of each reading; all are read from one pass over the windows."""
    nets = training.whitened_encoders(CODES)
    known, tested = _codes(nets, train), _codes(nets, test)
    return [_figures(a, train, b, test) for a, b in zip(known, tested, strict=True)]


@torch.no_grad()
def _codes(nets: Sequence[StyleEncoder], of: Labelled) -> list[np.ndarray]:
    parts = [nets[0].readings(in_unit(part), CODES) for part in of.image.split(64)]
    return [
        net.whitening(torch.cat(raw)).numpy()
        for net, raw in zip(nets, zip(*parts, strict=True), strict=True)
    ]


@torch.no_grad()
def _features(encoder: Encoder, of: Labelled) -> np.ndarray:
    return torch.cat([encoder(part) for part in of.image.split(64)]).numpy()


def _figures(known: np.ndarray, train: Labelled, tested: np.ndarray, test: Labelled) -> Figures:
    """Fit the probe; its penalty is chosen by leaving out training patients."""
    probe = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000)),
        {"logisticregression__C": [1e-4, 1e-3, 1e-2, 0.1, 1.0]},
        cv=GroupKFold(3),
    ).fit(known, train.compartment, groups=train.patient)
    distance = torch.cdist(torch.from_numpy(tested), torch.from_numpy(known))
    nearest = distance.topk(N_NEIGHBOURS, largest=False).indices.numpy()
    same = train.compartment[nearest] == test.compartment[:, None]
    return Figures(float((probe.predict(tested) == test.compartment).mean()), float(same.mean()))


def _chance(train: Labelled, test: Labelled) -> float:
    """Share of training spots in a spot's compartment, mean over the test spots."""
    share = np.bincount(train.compartment, minlength=5) / len(train.compartment)
    return float(share[test.compartment].mean())


def _print_head(n_windows: int, train: Labelled, test: Labelled) -> None:
    print(f"{n_windows} training windows; {len(train.image)} training and {len(test.image)} spots")
    print(f"always the commonest compartment: {_commonest(train, test):.3f}")
    print(f"neighbours by chance: {_chance(train, test):.3f}\n")
    print(f"| | held-out L1 | probe: {' | '.join(CODES)} | neighbours: {' | '.join(CODES)} |")
    print("|---|---|---|---|---|---|")


def _commonest(train: Labelled, test: Labelled) -> float:
    return float((test.compartment == np.bincount(train.compartment).argmax()).mean())


def _print(what: str, l1: float, found: Sequence[Figures]) -> None:
    cells = [*(of.probe for of in found), *(of.neighbours for of in found)]
    print(f"| {what} | {l1:.4f} | {' | '.join(f'{cell:.3f}' for cell in cells)} |", flush=True)


if __name__ == "__main__":
    main()

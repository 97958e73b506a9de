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
from collections.abc import Sequence
from time import perf_counter

import numpy as np
import torch
from _extractor_windows import (
    CODES,
    SETTINGS,
    Figures,
    Labelled,
    chance,
    extractor_training,
    figures,
    perceptual_term,
    simulated_windows,
)
from _machine import report
from sklearn.decomposition import PCA

from histoscribe.encoders.egn_extractor.encoder import StyleEncoder
from histoscribe.encoders.egn_extractor.settings import ExtractorSettings
from histoscribe.encoders.egn_extractor.step import in_unit
from histoscribe.encoders.egn_extractor.training import ExtractorTraining
from histoscribe.encoders.encoder import Encoder, load_encoder
from histoscribe.seed import stream

N_COMPONENTS = 16


def main() -> None:
    """Train, measure at each mark, print the table and one line of JSON."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    windows = simulated_windows(seed=given.seed, n_patients=given.patients, n_windows=given.windows)
    train, test = windows.train, windows.test
    pca_l1 = _pca_l1(windows.pool, test.image)
    colours = load_encoder("colour_texture")
    plain = figures(_features(colours, train), train, _features(colours, test), test)
    print(given.settings)
    windows.describe()
    print(f"| | held-out L1 | probe: {' | '.join(CODES)} | neighbours: {' | '.join(CODES)} |")
    print("|---|---|---|---|---|---|")
    _print("PCA-16 / colour_texture", pca_l1, (plain, plain))
    perceptual = perceptual_term(random=given.quick)
    training = extractor_training(windows.pool, given.settings, perceptual, seed=given.seed)
    spent, l1, found = 0.0, float("nan"), [plain, plain]
    for mark in given.steps or given.minutes:
        spent = _train_until(training, mark, spent, in_steps=bool(given.steps))
        l1 = _l1(training, test.image)
        found = [] if given.l1 else _figures_of_codes(training, train, test)
        _print(f"{spent / 60:.1f} min, {training.n_steps} steps", l1, found)
    report(
        "extractor",
        perceptual=perceptual.name,
        minutes=spent / 60,
        steps=training.n_steps,
        l1=l1,
        l1_ratio=l1 / pca_l1,
        **_ratios(found, plain, chance(train, test)),
    )


def _ratios(found: Sequence[Figures], plain: Figures, guessed: float) -> dict[str, float]:
    """Figures of each reading that was measured, and their ratios to those beside them."""
    return {
        f"{what}_{code}": figure
        for code, of in zip(CODES, found, strict=False)  # --l1 measures none
        for what, figure in (
            ("probe", of.probe),
            ("probe_ratio", of.probe / plain.probe),
            ("neighbours", of.neighbours),
            ("neighbours_ratio", of.neighbours / guessed),
        )
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[0.0, 5.0, 10.0, 15.0])
    parser.add_argument("--steps", type=int, nargs="+", help="instead of minutes")
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--windows", type=int, default=1500, help="of each training section")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--settings", default="{}", help='JSON over the settings, e.g. {"l1_weight": 1}'
    )
    parser.add_argument("--l1", action="store_true", help="measure the reconstructions only")
    parser.add_argument("--quick", action="store_true", help="whether it runs, and no more")
    given = parser.parse_args()
    changed = SETTINGS.model_dump() | json.loads(given.settings)
    given.settings = ExtractorSettings.model_validate(changed)
    if given.quick:
        given.minutes, given.patients, given.windows = [0.0, 0.02], 4, 100
    return given


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
    return [figures(a, train, b, test) for a, b in zip(known, tested, strict=True)]


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


def _print(what: str, l1: float, found: Sequence[Figures]) -> None:
    scores = [*(of.probe for of in found), *(of.neighbours for of in found)]
    cells = [f"{score:.3f}" for score in scores] or [""] * 2 * len(CODES)
    print(f"| {what} | {l1:.4f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

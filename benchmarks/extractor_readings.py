"""Readings of one extractor: what symmetries, whitening and the number of directions change.

`python benchmarks/extractor_readings.py --seed 100` trains the small nets of extractor.py for some
hundred steps, and scores one net's code and its pooled maps in several forms: read off the window
as it lies or averaged over its eight symmetries, unchanged or whitened to so many directions. The
reading that histoscribe uses was chosen by such scores on cohorts of seeds 100 and 101: other
seeds tell how good it is. `--steps 0` is of random weights.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import torch
from _extractor_windows import (
    CODES,
    SETTINGS,
    Figures,
    SimulatedWindows,
    extractor_training,
    figures,
    perceptual_term,
    simulated_windows,
)
from _machine import report

from histoscribe.encoders.egn_extractor.encoder import StyleEncoder
from histoscribe.encoders.egn_extractor.layers import StyleConfig
from histoscribe.encoders.egn_extractor.step import in_unit
from histoscribe.encoders.egn_extractor.whitening import FLOOR, Whitening
from histoscribe.seed import stream

N_WHITENED = 4096
DIRECTIONS = (32, 64, 128, 512)
FLOORS = (0.001, 0.01)
SETS = ("whitened", "train", "test")
Features = dict[str, np.ndarray]
"""One reading of the windows of each set."""


def main() -> None:
    """Train, read, score; print the table and one line of JSON."""
    given = _arguments()
    torch.set_num_threads(1)
    windows = simulated_windows(seed=given.seed, n_patients=given.patients, n_windows=given.windows)
    perceptual = perceptual_term(random=given.quick)
    training = extractor_training(windows.pool, SETTINGS, perceptual, seed=given.seed)
    for _ in range(given.steps):
        training.advance()
    windows.describe()
    print("| reading | form | probe | neighbours |")
    print("|---|---|---|---|")
    scores = {}
    net = training.nets.average_encoder
    for name, form, features in _readings(net, windows):
        found = figures(features["train"], windows.train, features["test"], windows.test)
        print(f"| {name} | {form} | {found.probe:.3f} | {found.neighbours:.3f} |", flush=True)
        scores[name, form] = found
    report("extractor_readings", steps=given.steps, seed=given.seed, **_gains(scores))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--windows", type=int, default=1500, help="of each training section")
    parser.add_argument("--quick", action="store_true", help="whether it runs, and no more")
    given = parser.parse_args()
    if given.quick:
        given.steps, given.patients, given.windows = 2, 4, 100
    return given


def _readings(net: StyleEncoder, windows: SimulatedWindows) -> Iterator[tuple[str, str, Features]]:
    """Name, form and features of each reading."""
    draws = stream(0, "readings").permutation(len(windows.pool))[:N_WHITENED]
    images = (windows.pool[torch.from_numpy(draws)], windows.train.image, windows.test.image)
    of_sets = [_of_views(net, image) for image in images]
    for at, code in enumerate(CODES):
        one, mean = (
            {name: views[form][at] for name, views in zip(SETS, of_sets, strict=True)}
            for form in range(2)
        )
        yield code, "one view", one
        yield code, "one view, 128 directions", _whitened(one, 128)
        yield code, "mean of eight views", mean
        for n_kept in DIRECTIONS:
            yield code, f"mean of eight views, {n_kept} directions", _whitened(mean, n_kept)
        for floor in FLOORS:
            form = f"mean of eight views, 128 directions, floor {floor:g}"
            yield code, form, _whitened(mean, 128, floor)
        if code == "pooled":
            plain = {name: of[:, : _n_moments(net.config)] for name, of in mean.items()}
            yield "pooled without correlations", "128 directions", _whitened(plain, 128)


@torch.no_grad()
def _of_views(net: StyleEncoder, image: torch.Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Each code of windows as they lie, and its mean over the symmetries."""
    parts = in_unit(image).split(64)
    one = [net.readings_of_view(part, CODES) for part in parts]
    mean = [net.readings(part, CODES) for part in parts]
    return (
        [torch.cat(of).numpy() for of in zip(*one, strict=True)],
        [torch.cat(of).numpy() for of in zip(*mean, strict=True)],
    )


def _whitened(of: Features, n_kept: int, floor: float = FLOOR) -> Features:
    width = of["train"].shape[1]
    whitening = Whitening(width, min(n_kept, width))
    whitening.fit(torch.from_numpy(of["whitened"]), floor)
    return {name: whitening(torch.from_numpy(rows)).numpy() for name, rows in of.items()}


def _n_moments(config: StyleConfig) -> int:
    """Columns of means and deviations; correlations follow them."""
    return 2 * sum(config.encoder_widths[1:])


def _gains(scores: dict[tuple[str, str], Figures]) -> dict[str, float]:
    """What symmetries and whitening change together, for each code."""
    return {
        f"{what}_gain_{code}": getattr(scores[code, "mean of eight views, 128 directions"], what)
        - getattr(scores[code, "one view"], what)
        for code in CODES
        for what in ("probe", "neighbours")
    }


if __name__ == "__main__":
    main()

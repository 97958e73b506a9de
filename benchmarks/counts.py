"""Losses of counts without images: parameters that are found again, and calibration.

`python benchmarks/counts.py`: 20,000 draws of a gene with mean 5, inverse dispersion 2 and 30 %
additional zeros, at equal and at varying depth, in five seeds each. The count head of the networks
is fitted to them with the loss of the training. Then the randomised PIT of 20,000 new draws, by the
right family and by two wrong ones.

`--depth`, `--seeds` and `--draws` choose a part; `--draws 4000 --seeds 0` takes a few seconds.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from _machine import report
from jaxtyping import Float

from histoscribe.metrics.calibration import ks_by_chance, ks_distance, randomised_pit
from histoscribe.metrics.count_loss import count_loss
from histoscribe.metrics.negative_binomial import NegativeBinomial
from histoscribe.models.count_start import CountStart
from histoscribe.models.layers.count_head import CountHead
from histoscribe.types import CountFamily

MEAN, THETA, ZEROS = 5.0, 2.0, 0.3
TOLERANCE = {"mean": 0.05, "zero_inflation": 0.05, "inverse_dispersion": 0.08}
DEPTHS = ("equal", "varying")
STEPS = 100
POISSON = 1e8  # inverse dispersion of a negative binomial that is as good as a Poisson


@dataclass(frozen=True, eq=False)
class Draws:
    """Counts of one gene, with the size factor of each spot."""

    counts: Float[np.ndarray, " n"]
    size_factor: Float[np.ndarray, " n"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit every seed, print the table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--depth", nargs="+", choices=DEPTHS, default=list(DEPTHS))
    options = parser.parse_args(arguments)
    start = perf_counter()
    table = pd.DataFrame(
        [
            {"depth": depth, "seed": seed, **dict(_figures(depth, seed, options.draws))}
            for depth in options.depth
            for seed in options.seeds
        ]
    )
    print(table.round(3).to_string(index=False))
    print(f"KS distance by chance at {options.draws} draws: {ks_by_chance(options.draws):.3f}")
    truth = {"mean": MEAN, "inverse_dispersion": THETA, "zero_inflation": ZEROS}
    worst = {name: (table[name] / of - 1).abs().max() for name, of in truth.items()}
    ratios = {f"{name}_error_to_tolerance_ratio": worst[name] / TOLERANCE[name] for name in worst}
    report(
        "counts",
        n_seeds=len(options.seeds),
        seconds=perf_counter() - start,
        **ratios,
        **{f"{name}_largest_error": error for name, error in worst.items()},
        ks_right_largest=table["ks_zinb"].max(),
        ks_nb_smallest=table["ks_nb"].min(),
        ks_poisson_smallest=table["ks_poisson"].min(),
    )


def draw(depth: str, rng: np.random.Generator, n: int) -> Draws:
    """Draw counts at 10,000 counts a spot, or at depths that vary by a factor of about two."""
    factor = np.exp(0.5 * rng.standard_normal(n)) if depth == "varying" else np.ones(n)
    mean = MEAN * factor
    counts = rng.negative_binomial(THETA, THETA / (THETA + mean)).astype(np.float64)
    return Draws(counts * (rng.random(n) >= ZEROS), factor)


def fitted(draws: Draws, family: CountFamily) -> NegativeBinomial:
    """Fit the count head of networks to draws of one gene; the result is at 10,000 counts."""
    head, output = CountHead(CountStart.plain(family, 1)), torch.nn.Parameter(torch.zeros(1))
    counts = torch.from_numpy(draws.counts).float()[:, None]
    factor = torch.from_numpy(draws.size_factor).float()
    optimiser = torch.optim.LBFGS(
        [output, *head.parameters()], max_iter=STEPS, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = count_loss(head(output.expand(len(counts), 1)), counts, factor)
        value.backward()
        return value

    optimiser.step(loss)
    with torch.no_grad():
        found = head(output[None])
    zeros = found.zero_inflation
    return NegativeBinomial(
        found.rate.double().numpy()[0],
        found.inverse_dispersion.double().numpy()[0],
        0.0 if zeros is None else float(zeros),
    )


def distance(of: NegativeBinomial, draws: Draws, seed: int) -> float:
    """Distance of the randomised PIT of draws from an even distribution."""
    at_depth = NegativeBinomial(
        of.mean * draws.size_factor,
        np.full(len(draws.counts), of.inverse_dispersion),
        of.zero_inflation,
    )
    return ks_distance(randomised_pit(at_depth, draws.counts, np.random.default_rng(seed)))


def _figures(depth: str, seed: int, n: int) -> Iterator[tuple[str, float]]:
    """Fitted parameters, and the distance of new draws by each family."""
    rng = np.random.default_rng(seed)
    training, new = draw(depth, rng, n), draw(depth, rng, n)
    right, plain = fitted(training, "zinb"), fitted(training, "nb")
    yield "mean", float(right.mean[0])
    yield "inverse_dispersion", float(right.inverse_dispersion[0])
    yield "zero_inflation", float(right.zero_inflation)
    yield "ks_zinb", distance(right, new, seed)
    yield "ks_nb", distance(plain, new, seed)
    # the likeliest rate of a Poisson distribution is the ratio of the sums
    rate = training.counts.sum() / training.size_factor.sum()
    poisson = NegativeBinomial(np.array([rate]), np.array([POISSON]))
    yield "ks_poisson", distance(poisson, new, seed)


if __name__ == "__main__":
    main()

"""What the Exemplar Guided Network makes of exemplars, with planted truth.

`python benchmarks/egn_planted.py [--seeds 0 1 2] [--deviation 1.0]`: image, feature and expression
of every spot are drawn independently, so only exemplars tell of a spot's expression. Of its nine
exemplars `copies` are the spot plus noise (half a deviation, in feature and expression);
`duplicate` is the spot itself among eight strangers; `strangers` tell nothing. Networks of the size
of benchmarks/egn_simulated.py train with the rate and the schedule of their recipe, each step on 64
new spots. The table gives the correlation over 1,000 further spots, mean over 32 genes and over
seeds (least and greatest of the seeds), for each network and for the mean of all nine exemplars.
`--deviation 0.1` gives the target the spread of `log10-minmax`. `--quick` shows that it runs.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from _machine import report

from histoscribe.models.base import ExpressionModel, Facts, create_model
from histoscribe.train.optimiser import make_optimiser, schedule
from histoscribe.train.settings import TrainSettings
from histoscribe.types import Labels

NETWORKS = ("egn", "egn-released", "egn-readout")
SIZE: Mapping[str, Any] = {"preset": "small", "patch_px": 32, "depth": 2, "bridge_every": 1}
CASES = (("copies", 60), ("duplicate", 250), ("duplicate", 1000), ("strangers", 250))
"""Each kind of exemplars with its number of training steps."""
WIDTH, GENES, EXEMPLARS, TILE_PX = 512, 32, 9, 64
BATCH, TEST_SPOTS = 64, 1000
NOISE = 0.5
TARGET = 0.9


@final
@dataclass(frozen=True, eq=False)
class Planted:
    """Draws spots whose expression only their exemplars tell."""

    kind: str
    """`copies`, `duplicate` or `strangers`."""
    deviation: float
    """Of the target; its mean is 0.5."""
    generator: torch.Generator

    @classmethod
    def of_seed(cls, kind: str, deviation: float, seed: int) -> "Planted":
        """The same spots for every network."""
        return cls(kind, deviation, torch.Generator().manual_seed(seed))

    def spots(self, n: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Inputs of a network for `n` new spots, and their expression."""
        feature, expression = self._normal(n, WIDTH), self._normal(n, GENES)
        look, told = self._normal(n, EXEMPLARS, WIDTH), self._normal(n, EXEMPLARS, GENES)
        if self.kind == "copies":
            look, told = feature[:, None] + NOISE * look, expression[:, None] + NOISE * told
        if self.kind == "duplicate":
            spot, at = torch.arange(n), torch.randint(EXEMPLARS, (n,), generator=self.generator)
            look[spot, at], told[spot, at] = feature, expression
        shape = (n, 3, TILE_PX, TILE_PX)
        inputs = {
            "image": torch.randint(256, shape, generator=self.generator, dtype=torch.uint8),
            "feature": feature,
            "exemplar_feature": look,
            "exemplar_target": 0.5 + self.deviation * told,
        }
        return inputs, 0.5 + self.deviation * expression

    def facts(self) -> Facts:
        """What a network is told of its training spots."""
        return Facts(
            feature_mean=np.zeros(WIDTH),
            feature_scale=np.ones(WIDTH),
            target_mean=np.full(GENES, 0.5),
            target_scale=np.full(GENES, self.deviation),
            tile_px=TILE_PX,
            image_mean=(127.5, 127.5, 127.5),
            image_scale=(73.9, 73.9, 73.9),
        )

    def _normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=self.generator)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--deviation", type=float, default=1.0, help="of the target")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    cases = [(kind, 2) for kind, _ in CASES[:2]] if given.quick else CASES
    print("| exemplars | steps | mean of all | " + " | ".join(NETWORKS) + " |\n" + "|---" * 6 + "|")
    figures: dict[str, float] = {}
    for kind, steps in cases:
        found = [run_case(kind, steps, seed, given.deviation) for seed in given.seeds]
        shown = {name: np.array([of_seed[name] for of_seed in found]) for name in found[0]}
        cells = " | ".join(
            f"{r.mean():.3f} ({r.min():.3f} to {r.max():.3f})" for r in shown.values()
        )
        print(f"| {kind} | {steps:,} | {cells} |", flush=True)
        figures |= {f"{name}_{kind}_{steps}": float(r.mean()) for name, r in shown.items()}
    reached = figures[f"egn-readout_duplicate_{cases[1][1]}"] / TARGET
    report(
        "egn_planted",
        n_seeds=len(given.seeds),
        deviation=given.deviation,
        readout_duplicate_to_target_ratio=reached,
        **figures,
    )


def run_case(kind: str, steps: int, seed: int, deviation: float) -> dict[str, float]:
    """Correlation of the mean of all exemplars and of each network, on the same spots."""
    test, truth = Planted.of_seed(kind, deviation, 10_000 + seed).spots(TEST_SPOTS)
    found = {"mean": correlation(test["exemplar_target"].mean(dim=1), truth)}
    for name in NETWORKS:
        model = trained(name, Planted.of_seed(kind, deviation, seed), steps, seed)
        with torch.no_grad():
            found[name] = correlation(model(**test).expression, truth)
    return found


def trained(name: str, planted: Planted, steps: int, seed: int) -> ExpressionModel:
    """A network after `steps` steps of its own recipe, taken as one epoch."""
    torch.manual_seed(seed)
    model = create_model(name, facts=planted.facts(), **SIZE).train()
    optimiser = make_optimiser(model, TrainSettings())
    factor = schedule(model.recipe(model.config), 0, [steps])
    for step in range(steps):
        inputs, target = planted.spots(BATCH)
        for group in optimiser.param_groups:
            group["lr"] = model.config.learning_rate * (1.0 if factor is None else factor(step))
        optimiser.zero_grad()
        model.loss(model(**inputs), Labels(target)).backward()
        optimiser.step()
    return model.eval()


def correlation(predicted: torch.Tensor, truth: torch.Tensor) -> float:
    """Mean over genes of Pearson's correlation over spots."""
    pairs = zip(predicted.T.numpy(), truth.T.numpy(), strict=True)
    return float(np.mean([np.corrcoef(*pair)[0, 1] for pair in pairs]))


if __name__ == "__main__":
    main()

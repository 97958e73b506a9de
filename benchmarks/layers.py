"""Texture or arrangement, and images that excite units, on simulated cohorts.

`python benchmarks/layers.py`: for each of three seeds a simulated cohort of six patients with two
sections each, eight genes of `compartment` and eight of `arrangement`. Ridge on features of
`colour_texture`, and a network on features of SqueezeNet (needs `HISTOSCRIBE_DATA`), are trained on
four patients; `explain layers` about `texture` scores them on the other two. `--units` trains the
network alone and makes images for it instead. With `--out` cohorts, predictors and findings are
kept.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from _machine import report

import histoscribe as hs
from histoscribe.explain.finding import Finding, Number
from histoscribe.predictor.predictor import Predictor
from histoscribe.simulate.cohort import simulate

FAMILIES = ("compartment", "arrangement")
N_GENES = 8
GENES = [f"SIM-{name.upper()}{gene:03d}" for name in FAMILIES for gene in range(1, N_GENES + 1)]
TRAINING = [f"P{patient}S{section}" for patient in range(1, 5) for section in (1, 2)]
ENCODERS = {"ridge": "colour_texture", "mlp": "torchvision:squeezenet1_0"}

UNITS = {"about": "units", "sections": ("P5S1", "P6S1"), "tiles": 40, "steps": 40}


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask about every cohort, print the numbers and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--units", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    findings: dict[str, Finding] = {}
    with ExitStack() as stack:
        out = given.out or Path(stack.enter_context(TemporaryDirectory()))
        for seed in given.seeds:
            folder = out / f"seed-{seed}"
            manifest = simulate(
                folder / "cohort",
                sections_per_patient=2,
                families=FAMILIES,
                genes_per_family=N_GENES,
                seed=seed,
            )
            asked = UNITS if given.units else {"about": "texture"}
            for model in ["mlp"] if given.units else ENCODERS:
                predictor = _trained(manifest, model, folder / model, seed)
                findings[f"{model}, seed {seed}"] = hs.explain(
                    *("layers", predictor, manifest), out=folder / f"{model}-answer", **asked
                )
        for name, finding in findings.items():
            print(name, *_lines(finding), sep="\n  ")
        told = {
            f"{name.replace(', seed ', '-')}-{what}": value
            for name, finding in findings.items()
            for what, value in (_activations(finding) if given.units else _shares(finding))
        }
        report("layers", **told)


def _trained(manifest: Path, model: str, folder: Path, seed: int) -> Predictor:
    return hs.train(
        hs.read_cohort(manifest, sections=TRAINING),
        model,
        out=folder,
        seed=seed,
        inputs={"encoder": ENCODERS[model], "tile_px": 112, "mpp": 1.0},
        target={"panel": "list", "genes": GENES, "transform": "cp10k-log1p"},
        run={"device": "cpu"},
    )


def _lines(finding: Finding) -> Iterator[str]:
    """Each number with its range by chance, and scores of both families."""
    for number in finding.statistic:
        yield f"{number} [{_range(finding.chance(number.name))}]"
    for number in finding.null[len(finding.statistic) :]:
        yield f"{number}"
    if "genes.csv" not in finding.tables:
        return
    genes = pd.read_csv(finding.folder / "genes.csv")
    family = genes["gene"].str.rstrip("0123456789")
    scores = [name for name in genes.columns if name.startswith("score_")]
    yield from genes.groupby(family)[scores].mean().round(3).to_string().splitlines()
    yield from genes.groupby([family, "read_from"]).size().to_string().splitlines()


def _activations(finding: Finding) -> Iterator[tuple[str, float]]:
    for number in finding.statistic:
        yield number.name, round(number.value, 3)


def _shares(finding: Finding) -> Iterator[tuple[str, float]]:
    """Share of the score of each family that the finest pieces leave."""
    genes = pd.read_csv(finding.folder / "genes.csv")
    family = genes["gene"].str.rstrip("0123456789")
    means = genes.groupby(family)[["score_whole", "score_shuffled_16"]].mean()
    for name, row in means.iterrows():
        yield str(name).lower(), round(row["score_shuffled_16"] / row["score_whole"], 3)


def _range(number: Number) -> str:
    return f"{number.low:.3f} to {number.high:.3f}" if number.low is not None else "none"


if __name__ == "__main__":
    main()

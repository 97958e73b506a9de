"""What layers of small networks learn: similarity and distance of attention, with chance.

`python benchmarks/layer_similarity.py`: a simulated cohort of five patients (seed 0) with genes of
four families that tiles show. A small `vit`, and an `mlp` on SqueezeNet features, which needs
`HISTOSCRIBE_DATA`, are trained on three of them; `explain layers` is asked about the other two:
similarity of each, and of the `vit` how far attention reads, also trained on a tenth, a third and
all spots. `--out` keeps cohort, predictors and findings.
"""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from _machine import report

import histoscribe as hs
from histoscribe.explain.finding import Finding
from histoscribe.predictor.predictor import Predictor
from histoscribe.simulate.cohort import simulate

FAMILIES = ("compartment", "density", "arrangement", "pathway")
TRAINING = ("P1S1", "P2S1", "P3S1")
SQUEEZENET = {"encoder": "torchvision:squeezenet1_0"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask the questions, print the numbers and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        out = given.out or Path(stack.enter_context(TemporaryDirectory()))
        cohort = simulate(out / "cohort", n_patients=5, families=FAMILIES, seed=0)
        vit = _trained(cohort, {"vit": {"preset": "small"}}, out / "vit", given.epochs)
        mlp = _trained(cohort, "mlp", out / "mlp", given.epochs, **SQUEEZENET)
        findings = {
            "vit": hs.explain("layers", vit, cohort, out=out / "vit-similarity"),
            "mlp on SqueezeNet": hs.explain("layers", mlp, cohort, out=out / "mlp-similarity"),
            "attention of vit": hs.explain(
                "layers", vit, cohort, about="attention", retrain=True, out=out / "vit-attention"
            ),
        }
        for name, finding in findings.items():
            _print(name, finding)
        attention = findings["attention of vit"]
        report("layer_similarity", **{number.name: number.value for number in attention.statistic})


def _trained(
    cohort: Path, model: str | dict[str, dict], out: Path, epochs: int, **inputs: str
) -> Predictor:
    if out.exists():
        return hs.load_predictor(out)
    return hs.train(
        cohort,
        model,
        sections=list(TRAINING),
        out=out,
        inputs={"tile_px": 64, "mpp": 1.75, **inputs},
        target={"transform": "cp10k-log1p", "n_genes": 128},
        train={"epochs": epochs, "batch_size": 64},
        run={"device": "cpu"},
    )


def _print(name: str, finding: Finding) -> None:
    """Print each number beside its value by chance."""
    known = {number.name: number for number in finding.null}
    for number in finding.statistic:
        print(f"{name}: {number}; by chance {str(known.pop(number.name)).split(' ', 1)[1]}")
    for number in known.values():
        print(f"{name}: beside it {number}")


if __name__ == "__main__":
    main()

"""Whether alike maps of genes that go together mean anything: `explain together`, and its test.

`python benchmarks/together.py --draws 40`: false alarms and power of the test, on maps and
measured values drawn without images, 20 by 15 spots and 40 genes. Each row is a reason for which
two genes may look alike, each column a way to test.

`--asked`: a simulated cohort of six patients (seed 0), `ridge` and `mlp` trained on four of them on
features of `colour_texture`, and `explain together` about the other two.

`--real`: the same of her2st, `ridge` trained on the five sections of patient C on features of
SqueezeNet, about the section of patient B (needs `HISTOSCRIBE_DATA`). With `--out` cohort,
predictors and findings are kept, and a second call goes on.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from _machine import report
from scipy.ndimage import gaussian_filter

import histoscribe as hs
from histoscribe.explain.finding import Finding
from histoscribe.explain.together.agreement import (
    ALIKE,
    CARRIED,
    SAME_SPOTS,
    ComparedMaps,
    moved_measured,
    permuted_genes,
    share_above,
)
from histoscribe.explain.together.pairs import PairSection
from histoscribe.simulate.cohort import simulate

ROWS, COLUMNS, N_GENES, N_PROGRAMMES = 20, 15, 40, 4
ALARM = 0.05
FAMILIES = ("compartment", "density", "arrangement", "pathway", "null")
TRAINING, HELD_OUT = ("C2", "C3", "C4", "C5", "C6"), ("B4",)
"""Sections of her2st: those of patient C, and that of patient B."""
SQUEEZENET = {
    "encoder": "torchvision:squeezenet1_0",
    "layer": "features.10",
    "tile_px": 224,
    "mpp": 0.69,
}
Drawn = tuple[PairSection, np.ndarray]
"""What was measured of a section, and the maps of its genes."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Test the test, or ask the question; prints a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--asked", action="store_true")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    if not given.asked and not given.real:
        _print_alarms(given.draws)
        return
    with ExitStack() as stack:
        out = given.out or Path(stack.enter_context(TemporaryDirectory()))
        _print(dict(_real(out) if given.real else _simulated(out)))


def _print_alarms(n_draws: int) -> None:
    """Share of sections with p at most 0.05, by reason and way to test."""
    table = {name: _alarms(draw, n_draws) for name, draw in DRAWN.items()}
    shares = pd.DataFrame(table).T
    print(shares.to_string(float_format="%.3f"))
    report("together", n_draws=n_draws, **{name: of[ALIKE] for name, of in table.items()})


def _alarms(draw: Callable[[np.random.Generator], Drawn], n_draws: int) -> Mapping[str, float]:
    found = [_p_values(*draw(np.random.default_rng(seed))) for seed in range(n_draws)]
    return {name: float(np.mean([p[name] <= ALARM for p in found])) for name in found[0]}


def _p_values(section: PairSection, maps: np.ndarray) -> Mapping[str, float]:
    """Every way to test: as the question does, and with one step left out."""
    p = {name: _p(section, maps, name) for name in (ALIKE, SAME_SPOTS)}
    of = ComparedMaps.of(section, maps)
    p[CARRIED] = share_above(of.values[CARRIED], moved_measured([of]))
    flat = np.zeros_like(section.log_depth)
    p["alike, depth left in"] = _p(replace(section, log_depth=flat), maps, ALIKE)
    even = np.zeros_like(section.log_mean)
    p["alike, mean left in"] = _p(replace(section, log_mean=even), maps, ALIKE)
    return p


def _p(section: PairSection, maps: np.ndarray, name: str) -> float:
    of = ComparedMaps.of(section, maps)
    return share_above(of.values[name], permuted_genes([of])[name])


def _fields(rng: np.random.Generator, n_fields: int, smoothing: float) -> np.ndarray:
    """Standard maps over the spots, white noise smoothed with a Gaussian of so many pitches."""
    drawn = [
        gaussian_filter(rng.normal(size=(ROWS, COLUMNS)), smoothing, mode="constant").ravel()
        for _ in range(n_fields)
    ]
    fields = np.stack(drawn, axis=1)
    return (fields - fields.mean(axis=0)) / fields.std(axis=0)


def _section(
    rng: np.random.Generator,
    measured: np.ndarray,
    *,
    log_depth: np.ndarray | None = None,
    log_mean: np.ndarray | None = None,
) -> PairSection:
    """A section of these values, 100 um between spots; depth and means are noise unless given."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    return PairSection(
        name="S",
        patient="P",
        um=100.0 * np.stack([x.ravel(), y.ravel()], axis=1),
        log_depth=rng.normal(size=len(measured)) if log_depth is None else log_depth,
        measured=measured,
        log_mean=rng.normal(size=N_GENES) if log_mean is None else log_mean,
    )


def _unrelated(rng: np.random.Generator) -> Drawn:
    """Programmes that the maps do not follow: these have a trunk of their own."""
    return _section(rng, _of_programmes(rng, 2.0)), _of_programmes(rng, 4.0)


def _of_programmes(rng: np.random.Generator, smoothing: float) -> np.ndarray:
    """Genes that share smooth fields, each with noise of its own."""
    loading = rng.normal(size=(N_PROGRAMMES, N_GENES))
    shared = _fields(rng, N_PROGRAMMES, smoothing) @ loading / np.sqrt(N_PROGRAMMES)
    return shared + rng.normal(size=shared.shape)


def _by_accident(rng: np.random.Generator, smoothing: float) -> Drawn:
    """Genes without programmes, each with a smooth field of its own that its map follows."""
    fields = _fields(rng, N_GENES, smoothing)
    measured = fields + rng.normal(size=fields.shape)
    return _section(rng, measured), fields + 0.3 * rng.normal(size=fields.shape)


def _depth(rng: np.random.Generator) -> Drawn:
    """Genes and maps that follow depth, each gene as strongly as its map."""
    depth, slope = _fields(rng, 1, 2.0), rng.normal(size=(1, N_GENES))
    noise = [rng.normal(size=(ROWS * COLUMNS, N_GENES)) for _ in range(2)]
    section = _section(rng, depth * slope + noise[0], log_depth=depth[:, 0])
    return section, depth * slope + 0.3 * noise[1]


def _gradient(rng: np.random.Generator) -> Drawn:
    """Genes and maps that rise across the section, each gene as strongly as its map."""
    across = np.repeat(np.linspace(-1.7, 1.7, ROWS), COLUMNS)[:, None]
    slope = rng.normal(size=(1, N_GENES))
    noise = [rng.normal(size=(ROWS * COLUMNS, N_GENES)) for _ in range(2)]
    return _section(rng, across * slope + noise[0]), across * slope + 0.3 * noise[1]


def _mean(rng: np.random.Generator) -> Drawn:
    """One field for all genes, less of it in rare ones: their noise is larger, in maps, too."""
    log_mean = rng.uniform(0, 4, N_GENES)
    clear = np.sqrt(np.expm1(log_mean) / (1 + np.expm1(log_mean)))
    measured, shown = (
        _fields(rng, 1, 2.0) * clear + np.sqrt(1 - clear**2) * rng.normal(size=(300, N_GENES))
        for _ in range(2)
    )
    return _section(rng, measured, log_mean=log_mean), shown


def _planted(rng: np.random.Generator) -> Drawn:
    """Programmes that the maps follow, with two thirds of noise."""
    loading = rng.normal(size=(N_PROGRAMMES, N_GENES))
    shared = _fields(rng, N_PROGRAMMES, 2.0) @ loading / np.sqrt(N_PROGRAMMES)
    measured = shared + 2.0 * rng.normal(size=shared.shape)
    return _section(rng, measured), shared + rng.normal(size=shared.shape)


DRAWN: Mapping[str, Callable[[np.random.Generator], Drawn]] = {
    "unrelated maps": _unrelated,
    "smooth by accident, 1 pitch": lambda rng: _by_accident(rng, 1.0),
    "smooth by accident, 2 pitches": lambda rng: _by_accident(rng, 2.0),
    "smooth by accident, 4 pitches": lambda rng: _by_accident(rng, 4.0),
    "depth": _depth,
    "gradient": _gradient,
    "mean expression": _mean,
    "programmes (power)": _planted,
}
"""What is drawn: reasons to look alike without programmes, and programmes."""


def _simulated(out: Path) -> Iterator[tuple[str, Finding]]:
    folder = out / "cohort"
    manifest = simulate(
        folder, families=FAMILIES, genes_per_family=16, spots_per_section=150, seed=0
    )
    cohort = hs.read_cohort(manifest)
    training = cohort.subset(cohort.ids[2:])
    for model in ("ridge", "mlp"):
        predictor = hs.train(
            training,
            model,
            out=out / model,
            inputs={"tile_px": 112, "mpp": 1.0},
            target={"n_genes": 104, "transform": "cp10k-log1p"},
            run={"device": "cpu"},
        )
        yield (
            model,
            hs.explain(
                "together",
                predictor,
                cohort,
                sets="none",
                out=out / f"{model}-together",
            ),
        )


def _real(out: Path) -> Iterator[tuple[str, Finding]]:
    cohort = hs.read_cohort("catalog:her2st", sections=[*TRAINING, *HELD_OUT])
    predictor = hs.train(
        cohort.subset(TRAINING),
        "ridge",
        out=out / "her2st-ridge",
        inputs=SQUEEZENET,
        target={"n_genes": 250, "transform": "cp10k-log1p"},
        run={"device": "cpu"},
    )
    yield "her2st ridge", hs.explain("together", predictor, cohort, out=out / "her2st-together")


def _print(findings: Mapping[str, Finding]) -> None:
    """Numbers beside their values by chance, finding by finding."""
    facts = {}
    for name, finding in findings.items():
        print(name, dict(finding.about)["held-out patients"])
        chance = {number.name: number for number in finding.null}
        for number in finding.statistic:
            print(f"  {number}; by chance {chance.pop(number.name)}")
        for number in chance.values():
            print(f"  {number}")
        for measure in (ALIKE, CARRIED):
            facts[f"{name}_{measure}".replace(" ", "_")] = finding.number(measure).value
    report("together-asked", **facts)


if __name__ == "__main__":
    main()

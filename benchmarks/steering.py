"""What gradient reversal takes out of a network and what it costs, beside jitter and normalisation.

`python benchmarks/steering.py`: for each of three seeds, simulated cohorts of nine patients whose
stain differs from tile to tile, `independent` of the tissue or `tied` to the tumour share in the
six training patients. An `mlp` on features of `colour_texture` is trained on these and asked about
the three others, whose stain is free of the tissue in both. Rows:

* `unlearn` with weights 0, 0.3, 1 and 3: gradient reversal of the strength of the stain;
* `jitter`: two views of each training spot whose stains differ by up to 30 %;
* `reinhard`: the colours of each slide normalised to those of the training slides.

The width of the hidden layer, the epochs and the training of the heads were tried on `--seeds 100`;
no held-out patient of the other seeds chose anything.
The probe is that of `explain latent`, refitted within each section, of the gains that were drawn
(`probe_gain`) and of the strength that is measured in the tiles (`probe_strength`). The score is
the correlation within a section, mean over genes and patients.

With `--out` cohorts, features and finished rows are kept, and a second call goes on with the rows
that are missing or were made with other settings; `--figure`
writes the figure of docs/howto/steer-training.md. `--quick` shows in a minute that it runs.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from _machine import report
from matplotlib.figure import Figure

import histoscribe as hs
from histoscribe.explain.latent.probe import ProbedSection
from histoscribe.explain.latent.stain import strengths
from histoscribe.explain.representation import represent
from histoscribe.io.atomic import write_text
from histoscribe.plot.canvas import save_png
from histoscribe.predictor.predictor import Predictor
from histoscribe.simulate import read_truth
from histoscribe.threads import fixed_threads
from histoscribe.types import Section

GAINS = ("tied", "independent")
WEIGHTS = (0.0, 0.3, 1.0, 3.0)
N_PATIENTS, N_FREE, N_SPOTS = 9, 3, 120
FAMILIES = ("compartment", "density", "arrangement", "pathway")
INPUTS: Mapping[str, Any] = {"tile_px": 112, "mpp": 1.0}
MODEL = {"mlp": {"hidden": 16}}
TRAIN: Mapping[str, Any] = {"epochs": 100, "keep": "last"}
ROWS: Mapping[str, Mapping[str, Any]] = {
    **{
        f"unlearn {weight:g}": {"steer": {"unlearn": ["stain"], "unlearn_weight": weight}}
        for weight in WEIGHTS
    },
    "jitter": {"inputs": {**INPUTS, "hed_jitter": 0.3, "views": 2}},
    "reinhard": {"inputs": {**INPUTS, "stain": "reinhard"}},
}
QUICK_SEED = 1000  # differs from the reported seeds
MEASURES = ("score", "probe_gain", "probe_strength")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train every row on every cohort, print the tables and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--gains", nargs="+", choices=GAINS, default=GAINS)
    parser.add_argument("--rows", nargs="+", choices=tuple(ROWS), default=tuple(ROWS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.seeds, asked.rows = [QUICK_SEED], ("unlearn 0", "unlearn 1")
    start = perf_counter()
    with ExitStack() as stack:
        out = asked.out or Path(stack.enter_context(TemporaryDirectory()))
        found = [
            found
            for seed in asked.seeds
            for gains in asked.gains
            for found in _cohort(out / f"{gains}-{seed}", gains, seed, asked)
        ]
    table = pd.DataFrame(found)
    print(tables(table))
    if asked.figure is not None:
        draw(table, asked.figure)
    report(
        "steering",
        n_cohorts=len(table[["seed", "gains"]].drop_duplicates()),
        seconds=perf_counter() - start,
        **_figures(table),
    )


def tables(found: pd.DataFrame) -> str:
    """Mean over seeds of each row with its range, and the difference to weight 0 by seed."""
    lines = []
    for gains, part in found.groupby("gains", sort=False):
        heads = " | ".join(f"{name} | change" for name in MEASURES)
        lines += [f"{gains}:", "", f"| row | {heads} |", "|---" * (1 + 2 * len(MEASURES)) + "|"]
        for row in part["row"].unique():
            cells = [cell for name in MEASURES for cell in _cells(part, row, name)]
            lines.append(f"| {row} | {' | '.join(cells)} |")
        lines += ["", "Equally smooth random stains, middle 95 %, mean over rows:", ""]
        lines += [f"* {name}: {_chance(part, name)}" for name in MEASURES[1:]]
        lines.append("")
    return "\n".join(lines)


def draw(found: pd.DataFrame, path: Path) -> None:
    """Write a PNG: probe against score, a line over the weights, and the other rows as marks."""
    kinds = list(found["gains"].unique())
    figure = Figure(figsize=(3.8 * len(kinds), 3.6), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
    for axes, gains in zip(panels, kinds, strict=True):
        part = found[found["gains"] == gains]
        means = part.groupby("row", sort=False)[list(MEASURES)].mean()
        curve = means.loc[[row for row in means.index if row.startswith("unlearn")]]
        for _, one in part[part["row"].isin(curve.index)].groupby("seed"):
            axes.plot(one["probe_gain"], one["score"], color="0.8", linewidth=0.8, zorder=1)
        axes.plot(
            curve["probe_gain"], curve["score"], "o-", color="#0072B2", label="unlearn, weight"
        )
        for row, x, y in zip(curve.index, curve["probe_gain"], curve["score"], strict=True):
            axes.annotate(row.split()[1], (x, y), (4, 5), textcoords="offset points", fontsize=8)
        for row, mark, colour in (("jitter", "s", "#D55E00"), ("reinhard", "^", "#009E73")):
            if row in means.index:
                x, y = means.loc[row, ["probe_gain", "score"]]
                axes.plot([x], [y], mark, color=colour, label=row)
        axes.set_title(f"{gains} gains", fontsize=9)
        axes.set_xlabel("probe of the gain, r", fontsize=8)
        axes.tick_params(labelsize=7)
    panels[0].set_ylabel("score on held-out patients, r", fontsize=8)
    panels[-1].legend(fontsize=7, frameon=False)
    save_png(figure, path)


def _cohort(folder: Path, gains: str, seed: int, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures of every row on one cohort; finished rows are read."""
    n_patients = 4 if asked.quick else N_PATIENTS
    of_cohort: dict[str, Any] = {
        "families": FAMILIES,
        "genes_per_family": 4 if asked.quick else 16,
        "spots_per_section": 40 if asked.quick else N_SPOTS,
        "seed": seed,
        "stain_gains": gains,
    }
    manifest = hs.simulate(folder, n_patients, **of_cohort)
    n_free = 1 if asked.quick else N_FREE
    patients = [f"P{number + 1}" for number in range(n_patients)]
    done = []
    for row in asked.rows:
        path = folder / "rows" / f"{row.replace(' ', '-')}.json"
        of_training = _settings(row, seed, asked)
        settings = [n_patients, n_free, of_cohort, MODEL, of_training]
        found = _finished(path, settings)
        if found is None:
            predictor = _trained(manifest, patients[:-n_free], of_training)
            measured = _measured(predictor, manifest, patients[-n_free:])
            found = {"seed": seed, "gains": gains, "row": row, **measured}
            write_text(path, json.dumps({"settings": settings, **found}))
        done.append(found)
    return done


def _finished(path: Path, settings: Sequence[Any]) -> dict[str, Any] | None:
    """Measures of a row that is finished with these settings."""
    found = json.loads(path.read_text()) if path.is_file() else {}
    same = found.pop("settings", None) == json.loads(json.dumps(settings))
    return found if same else None


def _settings(row: str, seed: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Settings of the training of a row."""
    return {
        "seed": seed,
        "target": {"transform": "cp10k-log1p", "n_genes": 16 if asked.quick else 64},
        "train": {**TRAIN, "epochs": 2} if asked.quick else TRAIN,
        "run": {"device": "cpu"},
        "inputs": INPUTS,
        **ROWS[row],
    }


def _trained(manifest: Path, patients: Sequence[str], settings: Mapping[str, Any]) -> Predictor:
    sections = [f"{patient}S1" for patient in patients]
    return hs.train(hs.read_cohort(manifest, sections=sections), MODEL, **settings)


def _measured(predictor: Predictor, manifest: Path, patients: Sequence[str]) -> dict[str, Any]:
    """Score and probes of the sections of held-out patients, means over these."""
    cohort = hs.read_cohort(manifest)
    parts = []
    with fixed_threads():
        for section in (cohort[f"{patient}S1"] for patient in patients):
            spots = represent(predictor, [section], manifest.parent / "cache", {})
            prediction = predictor(section, keep_unlike=True)
            scores = hs.score_section(prediction, section, predictor)["pcc"]
            gain = np.log(read_truth(manifest.parent, section.id).stain_gain)
            rows = np.arange(len(section.spots))
            strength = strengths(
                section, replace(predictor.encoding.tiles, stain=None, jitter=None), rows
            )
            parts.append(
                {
                    "score": float(scores.mean()),
                    **_probe("probe_gain", section, spots.values, gain),
                    **_probe("probe_strength", section, spots.values, strength),
                }
            )
    return {name: np.mean([part[name] for part in parts], axis=0).tolist() for name in parts[0]}


def _probe(name: str, section: Section, values: np.ndarray, stain: np.ndarray) -> dict[str, Any]:
    """Correlation of both stains in the mean, the range of random stains, and these."""
    um = section.spots.xy * section.slide.mpp
    names, rows = (section.id, str(section.patient)), np.arange(len(section.spots))
    probed = ProbedSection.of(names, rows, stain, um)
    if probed is None:
        raise ValueError(f"section {section.id} cannot be probed")
    found = probed.scores(values[probed.rows].astype(np.float64)).mean(axis=0)
    low, high = np.percentile(found[1:], [2.5, 97.5])
    return {
        name: float(found[0]),
        f"{name}_low": float(low),
        f"{name}_high": float(high),
        f"{name}_draws": found[1:],
    }


def _chance(part: pd.DataFrame, name: str) -> str:
    """Range by chance of one section, and of the mean over the sections of all seeds."""
    low, high = part[f"{name}_low"].mean(), part[f"{name}_high"].mean()
    means = [np.mean([*of_row], axis=0) for _, of_row in part.groupby("row")[f"{name}_draws"]]
    of_means = np.percentile(means, [2.5, 97.5], axis=1).mean(axis=1)
    return (
        f"{low:.2f} to {high:.2f} in one section, "
        f"{of_means[0]:.2f} to {of_means[1]:.2f} in the mean of all sections"
    )


def _cells(part: pd.DataFrame, row: str, name: str) -> tuple[str, str]:
    """Mean with its range over seeds, and the mean change since weight 0 with its range."""
    of_row = part[part["row"] == row].set_index("seed")[name]
    first = part[part["row"] == "unlearn 0"].set_index("seed")[name]
    change = of_row - first
    return _spread(of_row), "" if row == "unlearn 0" else _spread(change)


def _spread(values: pd.Series) -> str:
    return f"{values.mean():.3f} ({values.min():.3f} to {values.max():.3f})"


def _figures(found: pd.DataFrame) -> dict[str, float]:
    """Means over seeds for the line of JSON."""
    means = found.groupby(["gains", "row"])[list(MEASURES)].mean()
    return {
        f"{gains}_{row}_{name}".replace(" ", "_"): float(means.loc[(gains, row), name])
        for gains, row in means.index
        for name in MEASURES
    }


if __name__ == "__main__":
    main()

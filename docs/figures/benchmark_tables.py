"""Print the tables of docs/benchmarks.md from run folders, so that no figure is copied by hand.

python docs/figures/benchmark_tables.py RUN [RUN...] > tables.md
"""

import json
import sys
from pathlib import Path

import pandas as pd

METRICS = ("pcc", "pcc_given_depth")
PATHWAY_METRICS = (
    "pathway_pcc",
    "pathway_pcc_given_depth",
    "activity_pcc",
    "activity_pcc_given_depth",
)


def table(run: Path) -> str:
    """The headline scores of a run: mean, each test patient (or interval), shuffled band."""
    card = json.loads((run / "card.json").read_text(encoding="utf-8"))
    summary = pd.read_csv(run / "summary.csv")
    patients = card["patients"] if len(card["patients"]) < 5 else []
    leaky = f" **LEAKY: {card['leaky']}.**" if card["leaky"] else ""
    heads = [head for metric in METRICS for head in (metric, *(patients or ["95 %"]))]
    lines = [
        f"Protocol: {card['protocol']}.{leaky} {_what(card)}",
        "",
        f"| model | {' | '.join(heads)} |",
        f"|---|{'---|' * len(heads)}",
    ]
    for model, rows in summary.groupby("model", sort=False):
        by_metric = rows.set_index("metric")
        cells = []
        for metric in METRICS:
            row = by_metric.loc[metric]
            cells.append(f"{row['mean']:.3f}")
            of = card["per_patient"][metric].get(str(model), {})
            cells += [_number(of.get(patient)) for patient in patients] or [_interval(row)]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    shuffled = summary[summary["model"] == "shuffled"].set_index("metric")
    bands = ", ".join(f"`{metric}` {_interval(shuffled.loc[metric])}" for metric in METRICS)
    shown = "ridge" if "ridge" in set(summary["model"]) else card["best_model"]
    codes = ", ".join(f"`{check['code']}`" for check in card["checks"])
    undefined = int(summary.loc[summary["metric"] == "pcc", "n_undefined"].max())
    return "\n".join(
        [
            *lines,
            "",
            f"{shown.capitalize()}, `pcc_given_depth` by section: {_by_section(run, shown)}.",
            "",
            f"Shuffled band (95 of 100 runs): {bands}. Undefined scores: {undefined}. "
            f"Folds sha256 `{card['folds_sha256'][:12]}`, seed {card['seed']}. Checks: {codes}.",
        ]
    )


def pathway_table(run: Path) -> str:
    """Scores of pathway maps: predicted scores of pathways, and activity from predicted genes."""
    summary = pd.read_csv(run / "summary.csv").set_index(["model", "metric"])["mean"]
    lines = [
        f"| model | {' | '.join(PATHWAY_METRICS)} |",
        f"|---|{'---|' * len(PATHWAY_METRICS)}",
    ]
    for model in dict.fromkeys(
        model for model, metric in summary.index if metric in PATHWAY_METRICS
    ):
        cells = [_number(summary.get((model, metric))) for metric in PATHWAY_METRICS]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    table = pd.read_csv(run / "summary.csv")
    band = table[table["model"] == "shuffled"].set_index("metric")
    bands = ", ".join(f"`{metric}` {_interval(band.loc[metric])}" for metric in PATHWAY_METRICS)
    return "\n".join([*lines, "", f"Shuffled band (95 of 100 runs): {bands}."])


def _by_section(run: Path, model: str) -> str:
    scores = pd.read_csv(run / "scores.csv")
    rows = scores[(scores["model"] == model) & (scores["metric"] == "pcc_given_depth")]
    means = rows.groupby("section")["value"].mean()
    return ", ".join(f"{section} {mean:.3f}" for section, mean in means.items())


def _what(card: dict) -> str:
    target = next(iter(card["target"].values()))
    used = card["encoder"]["used"]
    encoder = next(u for u in used if u["encoder"] == card["inputs"]["encoder"])
    layer = f", layer `{encoder['layer']}`" if encoder["layer"] else ""
    sections = {name: s["spots"] for name, s in card["sections"].items()}
    inner = ", ".join(f"{fold['name']}: {fold['validation']}" for fold in card["folds"])
    return (
        f"Sections and spots: {', '.join(f'{n} {s}' for n, s in sections.items())}. "
        f"{target['n_genes']} genes ({target['panel']}), `{target['transform']}`. "
        f"Encoder `{encoder['encoder']}`{layer}, weights: {encoder['weights'][:19]}, tiles "
        f"{encoder['tile_px']} px at {encoder['mpp']:g} um/px. Inner validation by {inner}."
    )


def _interval(row: pd.Series) -> str:
    return "" if pd.isna(row["low"]) else f"{row['low']:.3f} to {row['high']:.3f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def main() -> None:
    """Print one table per run."""
    for run in map(Path, sys.argv[1:]):
        print(f"### {run.name}\n\n{table(run)}\n")
        if (run / "pathways.csv").exists():
            print(f"{pathway_table(run)}\n")


if __name__ == "__main__":
    main()

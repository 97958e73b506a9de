"""Print a run of recipes/egn-ablations*.toml in the form of the EGN paper's ablation tables.

python docs/figures/ablation_tables.py RUN > ablations.md

A row belongs to the table of the settings in which it differs from the row `egn`. The tables also
give the values of the paper (Yang et al., WACV 2023) for these settings, with other data and
protocol.
"""

import sys
import tomllib
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from histoscribe.train.row import ModelRow
from histoscribe.train.settings import RunSettings, parse_settings

FULL = "egn"
METRICS = ("PCC@F", "PCC@S", "PCC@M", "pcc_given_depth")
TITLES = {
    "space": "Table 2: where exemplars are looked up",
    "bridge": "Table 3: the exemplar-bridging block",
    "parts": "Table 4: what is taken away",
    "number": "Figure 7: how many exemplars",
    "beside": "Beside them",
}
PAPER = {
    "space": {
        ("egn-extractor", "l2"): 0.202,
        ("egn-extractor", "cosine"): 0.183,
        ("torchvision:resnet50", "l2"): 0.189,
        ("torchvision:resnet50", "cosine"): 0.194,
        ("egn-extractor", "lpips"): 0.174,
    },
    "bridge": {(8, 64, 2): 0.202, (16, 64, 2): 0.182, (4, 64, 2): 0.176},
    "parts": {
        "nothing: the whole network": 0.202,
        "all but a linear layer on E": 0.156,
        "all but the backbone": 0.180,
        "bridge and exemplars": 0.170,
        "the projector": 0.185,
    },
}
"""PCC@M on the ST-Net data set, 4 folds over slides, epoch picked on the test fold."""


def tables(run: Path) -> str:
    """All tables of a run, each with its caption."""
    settings = parse_settings(
        tomllib.loads((run / "settings.toml").read_text(encoding="utf-8")), "settings.toml"
    )
    summary = pd.read_csv(run / "summary.csv")
    values = summary[summary["metric"].isin(METRICS)].pivot_table(
        index="model", columns="metric", values="mean", dropna=False
    )
    full = settings.row(FULL)
    by_table: dict[str, list[ModelRow]] = {name: [] for name in TITLES}
    for row in settings.rows:
        for name in _tables_of(row, full):
            by_table[name].append(row)
    parts = [_about(settings)]
    parts += [
        _table(name, _sorted(name, rows), values, settings)
        for name, rows in by_table.items()
        if len(rows) > (FULL in [row.name for row in rows])
    ]
    return "\n\n".join(parts)


def _about(settings: RunSettings) -> str:
    folds, k = settings.folds, settings.folds.k
    n_epochs = settings.train.epochs_of(settings.row(FULL).recipe)
    return (
        f"{settings.cohort.split('/')[-1]}, protocol {folds.protocol} (k = {k}), seed "
        f"{settings.seed}, {n_epochs} epochs, tiles {settings.inputs.tile_px} px at "
        f"{settings.inputs.mpp:g} um/px. PCC@F, @S, @M: lower quartile, median and mean over genes "
        "of the correlation pooled over the test spots of a fold, mean over folds; "
        "pcc_given_depth: mean correlation within a section, given the depth of its spots. The "
        "paper's: other protocol, for reference only."
    )


def _tables_of(row: ModelRow, full: ModelRow) -> tuple[str, ...]:
    """Tables that contain a row; the whole network is in all but the last."""
    if row.name == FULL:
        return tuple(TITLES)[:-1]
    if row.model != full.model:
        return ("parts",) if row.model == "linear-probe" else ("beside",)
    changed = {key for key, value in _facts(row).items() if value != _facts(full)[key]}
    if changed <= {"encoder", "distance", "perceptual"}:
        return ("space",)
    if changed <= {"bridge_heads", "bridge_dim", "bridge_every"}:
        return ("bridge",)
    if changed <= {"sees", "projector"}:
        return ("parts",)
    return ("number",) if changed == {"n"} else ("beside",)


def _facts(row: ModelRow) -> dict[str, Any]:
    """All settings of a network's row."""
    exemplars = {} if row.exemplars is None else row.exemplars.model_dump()
    return {**asdict(row.config), **exemplars, "encoder": row.encoder}


def _sorted(name: str, rows: Iterable[ModelRow]) -> list[ModelRow]:
    if name == "number":
        return sorted(rows, key=lambda row: _facts(row)["n"])
    return list(rows)


def _table(name: str, rows: list[ModelRow], values: pd.DataFrame, settings: RunSettings) -> str:
    with_paper = name in PAPER
    head = f"| {name} | {' | '.join(METRICS)} |" + (" paper's PCC@M |" if with_paper else "")
    lines = [f"### {TITLES[name]}", "", head, "|---" * head[1:].count("|") + "|"]
    for row in rows:
        label, paper = _label(name, row, settings)
        cells = [f"{values.loc[row.name, metric]:.3f}" for metric in METRICS]
        cells += [("" if paper is None else f"{paper:.3f}")] if with_paper else []
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _label(name: str, row: ModelRow, settings: RunSettings) -> tuple[str, float | None]:
    """Description of a row, and its value in the paper."""
    key, label = _KEYS[name](row, settings)
    return label, PAPER.get(name, {}).get(key)


def _space(row: ModelRow, settings: RunSettings) -> tuple[Any, str]:
    encoder = row.encoder or settings.inputs.encoder
    distance = _facts(row)["distance"]
    return (encoder, distance), f"{encoder}, {distance}"


def _bridge(row: ModelRow, settings: RunSettings) -> tuple[Any, str]:
    del settings
    facts = _facts(row)
    key = (facts["bridge_heads"], facts["bridge_dim"], facts["bridge_every"])
    return key, "{} heads of {}, every {}".format(*key)


def _parts(row: ModelRow, settings: RunSettings) -> tuple[Any, str]:
    del settings
    facts = {} if row.model != FULL else _facts(row)
    if not facts:
        label = "all but a linear layer on E"
    elif facts["sees"] != "exemplars":
        label = "all but the backbone" if facts["sees"] == "image" else "bridge and exemplars"
    else:
        label = "nothing: the whole network" if facts["projector"] else "the projector"
    return label, label


def _number(row: ModelRow, settings: RunSettings) -> tuple[Any, str]:
    del settings
    n = _facts(row)["n"]
    return n, str(n)


def _beside(row: ModelRow, settings: RunSettings) -> tuple[Any, str]:
    del settings
    return row.name, f"`{row.name}`"


_KEYS = {
    "space": _space,
    "bridge": _bridge,
    "parts": _parts,
    "number": _number,
    "beside": _beside,
}


def main() -> None:
    """Print the tables of a run."""
    (run,) = map(Path, sys.argv[1:])
    print(tables(run))


if __name__ == "__main__":
    main()

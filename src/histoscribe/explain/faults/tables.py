"""The tables of `faults`: classes, known facts, spots."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from histoscribe.explain.faults.class_errors import ClassErrors
from histoscribe.explain.faults.held_out import HeldOutSpots
from histoscribe.explain.faults.knowledge import KnownFact
from histoscribe.explain.finding import defined_mean
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text


def write_classes(errors: Sequence[ClassErrors], spots: HeldOutSpots, path: Path) -> None:
    """Write a line for each class: errors, chance, and spots in training."""
    lines = [_class_line(of, at, spots) for of in errors for at in range(len(of.classes.classes))]
    write_text(path, csv_text(pd.DataFrame(lines)))


def write_known(known: Sequence[KnownFact], path: Path) -> None:
    """Write a line for each fact and representation."""
    columns = ["fact", "read_off", "n_classes", "left_out", "n_left_out", "balanced_accuracy"]
    columns += ["by_chance", "by_chance_low", "by_chance_high"]
    lines = []
    for fact in known:
        value, chance = fact.number()
        units = fact.units
        about = (units.fact, fact.source, len(units.classes), units.kind, len(units.class_of))
        lines.append((*about, value.value, chance.value, chance.low, chance.high))
    write_text(path, csv_text(pd.DataFrame(lines, columns=columns)))


def write_spots(spots: HeldOutSpots, path: Path) -> None:
    """Write a line for each held-out spot, the largest error first."""
    table = pd.DataFrame(
        {
            "section": spots.keys.section_names,
            "patient": spots.keys.patient_names,
            "spot": spots.keys.spot,
            "error": spots.error,
            "error_of_training_mean": spots.of_mean,
            "total_count": spots.total,
            "distance_to_training": spots.distance,
            "label": spots.label,
        }
    )
    order = table.sort_values("error", ascending=False, kind="stable")
    write_text(path, csv_text(order))


def _class_line(of: ClassErrors, at: int, spots: HeldOutSpots) -> dict[str, object]:
    classes = of.classes
    inside = classes.code == at
    low, high = (np.nan, np.nan)
    by_chance = np.nan
    if of.draws is not None and np.isfinite(of.draws[:, at]).all():
        low, high = np.percentile(of.draws[:, at], [2.5, 97.5])
        by_chance = of.draws[:, at].mean()
    share = classes.training_share(at)
    name = classes.classes[at]
    return {
        "division": classes.name,
        "class": name,
        "n_patients": of.n_patients[at],
        "n_spots": int(inside.sum()),
        "error": of.error[at],
        "by_chance": by_chance,
        "by_chance_low": low,
        "by_chance_high": high,
        "above_chance": bool(of.is_above[at]),
        "error_of_training_mean": spots.of_mean[inside].mean(),
        "pcc": _pcc(of, at, spots),
        "n_training_spots": None if classes.training is None else classes.training.get(name, 0),
        "share_of_training": share,
        "share_of_held_out": classes.share(at),
        "under_represented": name in of.under_represented if classes.knows_training else None,
    }


def _pcc(of: ClassErrors, at: int, spots: HeldOutSpots) -> float:
    """Correlation within sections, mean over sections, then patients; NaN for classes of spots."""
    if not of.classes.of_patients:
        return float("nan")
    by_patient: dict[str, list[float]] = {}
    for name, patient, rows in spots.keys.by_section():
        if of.classes.code[rows[0]] == at:
            by_patient.setdefault(str(patient), []).append(spots.pcc[name])
    return defined_mean([defined_mean(values) for values in by_patient.values()])

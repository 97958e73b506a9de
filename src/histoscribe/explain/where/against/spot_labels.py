"""A pathologist's labels as references: each label against all the others."""

from pathlib import Path

import numpy as np

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.where.against.reference import MapReference
from histoscribe.io.sections.labels import read_labels
from histoscribe.types import Spots

LEAST_OF_LABEL = 5
"""Spots of a label, below which its AUROC is not computed: a single spot would decide it."""


def label_references(path: Path, spots: Spots) -> tuple[MapReference, ...]:
    """One reference for each label with at least five spots, in the order of names.

    Spots without a label are left out.

    Raises
    ------
    DataContractError
        for a table as `read_labels` refuses it, and for fewer than two labels, or none with five
        spots and five others.
    """
    label = np.array([name or "" for name in read_labels(path, spots)])
    present = label != ""
    names, n_spots = np.unique(label[present], return_counts=True)
    if len(names) < 2:
        raise DataContractError(_one_class(path, str(names[0])))
    n_labelled = int(present.sum())
    enough = [
        (str(name), int(n))
        for name, n in zip(names, n_spots, strict=True)
        if LEAST_OF_LABEL <= n <= n_labelled - LEAST_OF_LABEL
    ]
    if not enough:
        raise DataContractError(
            _too_few(path, dict(zip(names.tolist(), n_spots.tolist(), strict=True)))
        )
    # two labels mirror one another: the rarer one says everything
    kept = [min(enough, key=lambda of: of[1])] if len(names) == 2 else enough
    note = f"{len(kept)} labels are as many tests: by chance one p-value in twenty is below 0.05."
    return tuple(
        MapReference(
            name=f"label_{'_'.join(name.split())}",
            words=f"the label {name}",
            value=None,
            positive=label == name,
            positive_words=f"the {n} spots labelled {name}, against {n_labelled - n} others",
            present=present,
            notes=(note,) if len(kept) > 1 and number == 0 else (),
        )
        for number, (name, n) in enumerate(kept)
    )


def _one_class(path: Path, name: str) -> Problem:
    return Problem(
        where=f"labels {path}",
        found=f"one label: {name}",
        expected="at least two labels, to tell apart",
        remedy="label the other spots, too, e.g. as `other`; spots without a label are left out",
    )


def _too_few(path: Path, n_spots: dict[str, int]) -> Problem:
    counts = ", ".join(f"{name} {n}" for name, n in n_spots.items())
    return Problem(
        where=f"labels {path}",
        found=f"too few spots of every label: {counts}",
        expected=f"a label with at least {LEAST_OF_LABEL} spots, and {LEAST_OF_LABEL} others",
        remedy="label more spots",
    )

"""Pool of exemplars: training spots with expression, and the rule of exclusion.

An exemplar of the query's patient would reveal the answer, and exemplars that exist only in
training would teach a model to rely on them. So one rule holds for both: each query excludes its
patient, or only its section if set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int

from histoscribe.data.items.spots import SpotQueries
from histoscribe.errors import DataContractError, Problem
from histoscribe.types import SpotKeys

Distance = Literal["l2", "l1", "cosine"]
Exclusion = Literal["patient", "section"]

LARGEST_FEATURE = 1e15
"""Larger values overflow when squared in float32; no encoder gives such values."""


@dataclass(frozen=True, eq=False)
class ExemplarPool:
    """Training spots that can be exemplars.

    Rows are sorted by patient, section and spot, so that the cohort's order has no influence and
    each patient or section is one slice.

    Raises
    ------
    DataContractError
        for a repeated spot or a feature that is not finite.
    """

    feature: Float32[np.ndarray, "M D"]
    target: Float32[np.ndarray, "M G"]
    keys: SpotKeys
    encoder: str
    """Identity of the encoder of the features."""

    def __post_init__(self) -> None:
        sizes = {len(self.feature), len(self.target), len(self.keys)}
        if len(sizes) != 1:
            raise ValueError(f"an exemplar has a row in every field; lengths {sorted(sizes)}")
        problems = [*_pool_problems(self.keys), *_feature_problems("exemplars", self.feature)]
        if problems:
            raise DataContractError(problems)
        order = self.keys.order()
        if not np.array_equal(order, np.arange(len(self))):
            for name, sorted_rows in (
                ("feature", self.feature[order]),
                ("target", self.target[order]),
                ("keys", self.keys.take(order)),
            ):
                object.__setattr__(self, name, sorted_rows)

    def __len__(self) -> int:
        return len(self.keys)

    def excluded(self, patient: str | None, section: str, exclusion: Exclusion) -> tuple[int, int]:
        """First row and end of a query's excluded slice; an unknown patient excludes nothing."""
        keys = self.keys
        if exclusion == "patient":
            code, names, name = keys.patient, keys.patients, patient
        else:
            code, names, name = keys.section, keys.sections, section
        if name not in names:
            return 0, 0
        rows = np.flatnonzero(code == names.index(name))
        return (int(rows[0]), int(rows[-1]) + 1) if rows.size else (0, 0)


@dataclass(frozen=True, eq=False)
class Retrieved:
    """Exemplars of each query, nearest first; equally near ones in the order of rows."""

    rows: Int[np.ndarray, "N E"]
    """Rows of the pool."""
    distance: Float32[np.ndarray, "N E"]


def check_exclusion(patients: Mapping[str, str], exclusion: Exclusion, where: str) -> None:
    """Refuse a training side whose spots would have no exemplars.

    Parameters
    ----------
    patients
        Patient of each training section, by section id.
    where
        Name of the fold, for the message.

    Raises
    ------
    DataContractError
        for a single section, or a single patient if patients are excluded.
    """
    found = sorted(set(patients.values()))
    sections = f"{len(patients)} training section{'' if len(patients) == 1 else 's'}"
    if len(patients) < 2:
        raise DataContractError(
            Problem(
                where=where,
                found=f"{sections}: no other section can give exemplars",
                expected="two training sections or more"
                + (", of two patients or more" if exclusion == "patient" else ""),
                remedy="add sections, or leave out models that need exemplars",
            )
        )
    if exclusion == "patient" and len(found) < 2:
        raise DataContractError(
            Problem(
                where=where,
                found=f"{sections} of one patient ({found[0]}): excluding the patient of a "
                "training spot leaves it no exemplar",
                expected="training sections of two patients or more",
                remedy='add patients, or set exemplars.training_exclusion = "section"; the card '
                'then notes a "retrieval shift", because training spots have exemplars of their '
                "own patient and test spots never do",
            )
        )


def pool_sizes(pool: ExemplarPool, keys: SpotKeys, exclusion: Exclusion) -> dict[str, int]:
    """Number of permitted exemplars for the spots of each patient (or section)."""
    groups = {
        (patient or "unknown patient") if exclusion == "patient" else section: (patient, section)
        for section, patient, _ in keys.by_section()
    }
    spans = {name: pool.excluded(*group, exclusion) for name, group in groups.items()}
    return {name: len(pool) - stop + start for name, (start, stop) in sorted(spans.items())}


def more_sections(exclusion: Exclusion) -> str:
    """Remedy for too few exemplars."""
    if exclusion == "patient":
        return "give training sections of more patients"
    return "give more training sections"


def check_queries(pool: ExemplarPool, queries: SpotQueries, n: int, exclusion: Exclusion) -> None:
    """Refuse queries with unusable features or fewer than `n` permitted exemplars.

    Features are unusable if they come from another encoder or are no numbers.

    Raises
    ------
    DataContractError
        with the number of exemplars for every patient (or section), and the remedy.
    """
    if n < 1:
        raise ValueError(f"{n} exemplars per query; at least 1 is needed")
    problems = [*_fit_problems(pool, queries), *_feature_problems("queries", queries.feature)]
    if len(queries) and not problems:
        sizes = pool_sizes(pool, queries.keys, exclusion)
        problems = [
            Problem(
                where=f"exemplars of {exclusion} {name}",
                found=f"{n_eligible} training spots of other {exclusion}s",
                expected=f"at least exemplars.n = {n}",
                remedy=(f"set exemplars.n to {n_eligible} or less, or " if n_eligible else "")
                + more_sections(exclusion),
            )
            for name, n_eligible in sizes.items()
            if n_eligible < n
        ]
    if problems:
        raise DataContractError(problems)


def _pool_problems(keys: SpotKeys) -> list[Problem]:
    if not len(keys):
        return [Problem("exemplars", "no training spot", "one or more", "give training sections")]
    if keys.n_repeated:
        return [
            Problem(
                where="exemplars",
                found=f"{keys.n_repeated} spots are repeated",
                expected="each spot of a section once",
                remedy="give each section once, and no jittered copies",
            )
        ]
    return []


def _feature_problems(where: str, feature: Float[np.ndarray, "N D"]) -> list[Problem]:
    bad = ~(np.abs(feature) <= LARGEST_FEATURE).all(axis=1)  # comparisons with NaN are false
    if not bad.any():
        return []
    return [
        Problem(
            where=f"features of {where}",
            found=f"{int(bad.sum())} of {len(feature)} rows hold a NaN, an infinity or a number "
            f"beyond {LARGEST_FEATURE:g}",
            expected="finite numbers",
            remedy="check the tiles and weights of these features, and embed them again",
        )
    ]


def _fit_problems(pool: ExemplarPool, queries: SpotQueries) -> list[Problem]:
    """Problems of features from different encoders, whose distances mean nothing."""
    remedy = "embed the queries with the encoder of the exemplars, or build new exemplars"
    problems = []
    if pool.encoder != queries.encoder:
        problems.append(
            Problem("exemplars", f"queries embedded by {queries.encoder}", pool.encoder, remedy)
        )
    widths = queries.feature.shape[1], pool.feature.shape[1]
    if widths[0] != widths[1]:
        found, expected = (f"{width} features a spot" for width in widths)
        problems.append(Problem("exemplars", f"queries of {found}", expected, remedy))
    return problems

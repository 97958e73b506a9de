"""Exemplars: training spots whose expression a model may see beside a query, and who may see which.

An exemplar of the query's own patient would give the answer away, and one that a query can have in
training and never in testing teaches a model to lean on it. So one rule holds for both: whoever
asks is excluded together with its patient, or with its section where that was named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int

from histoscribe.errors import DataContractError, Problem

Distance = Literal["l2", "l1", "cosine"]
Exclusion = Literal["patient", "section"]

LARGEST_FEATURE = 1e15
"""Beyond this float32 squares overflow; no encoder means such a number."""


@dataclass(frozen=True, eq=False)
class ExemplarPool:
    """The training spots that can be exemplars.

    Rows are held sorted by patient, section and spot, whatever order they came in: the cohort's
    order changes nothing, and a patient or a section is one slice.

    Raises
    ------
    DataContractError
        A spot twice, a section of two patients, a feature that is no finite number.
    """

    feature: Float32[np.ndarray, "M D"]
    target: Float32[np.ndarray, "M G"]
    patient: tuple[str, ...]
    section: tuple[str, ...]
    spot: tuple[str, ...]
    encoder: str
    """Identity of the encoder the features come from."""

    def __post_init__(self) -> None:
        sizes = {len(self.feature), len(self.target)}
        sizes |= {len(self.patient), len(self.section), len(self.spot)}
        if len(sizes) != 1:
            raise ValueError(f"an exemplar has a row in every field; lengths {sorted(sizes)}")
        keys = list(zip(self.patient, self.section, self.spot, strict=True))
        problems = [*_pool_problems(keys), *_feature_problems("exemplars", self.feature)]
        if problems:
            raise DataContractError(problems)
        order = sorted(range(len(keys)), key=keys.__getitem__)
        if order != list(range(len(keys))):
            rows = np.array(order)
            object.__setattr__(self, "feature", self.feature[rows])
            object.__setattr__(self, "target", self.target[rows])
            for name, column in zip(("patient", "section", "spot"), range(3), strict=True):
                object.__setattr__(self, name, tuple(keys[row][column] for row in order))

    def __len__(self) -> int:
        return len(self.spot)

    def excluded(
        self, patient: str | None, section: str | None, exclusion: Exclusion
    ) -> tuple[int, int]:
        """First row and end of what this query may not see; an unknown patient excludes nothing."""
        names, own = (self.patient, patient) if exclusion == "patient" else (self.section, section)
        return _slices(names).get(own, (0, 0)) if own is not None else (0, 0)


@dataclass(frozen=True, eq=False)
class Queries:
    """Spots that ask for exemplars."""

    feature: Float32[np.ndarray, "N D"]
    patient: tuple[str | None, ...]
    """None where nobody knows, as on a slide that was never sequenced."""
    section: tuple[str, ...]
    spot: tuple[str, ...]
    encoder: str

    def __post_init__(self) -> None:
        sizes = {len(self.feature), len(self.patient), len(self.section), len(self.spot)}
        if len(sizes) != 1:
            raise ValueError(f"a query has a row in every field; lengths {sorted(sizes)}")
        problems = _feature_problems("queries", self.feature)
        if problems:
            raise DataContractError(problems)

    def __len__(self) -> int:
        return len(self.spot)


@dataclass(frozen=True, eq=False)
class Retrieved:
    """The exemplars of each query, nearest first; of equally near ones the first row."""

    rows: Int[np.ndarray, "N E"]
    """Rows of the pool."""
    distance: Float32[np.ndarray, "N E"]


def check_exclusion(patients: Mapping[str, str], exclusion: Exclusion, where: str) -> None:
    """Refuse a training side in which training spots would find no exemplar.

    Parameters
    ----------
    patients
        Patient of each training section, by section id.
    where
        The fold, for the message.

    Raises
    ------
    DataContractError
        One section only; or one patient only, and patients excluded.
    """
    found = sorted(set(patients.values()))
    sections = f"{len(patients)} training section{'' if len(patients) == 1 else 's'}"
    if len(patients) < 2:
        raise DataContractError(
            Problem(
                where=where,
                found=f"{sections}: no other can give its spots exemplars",
                expected="two training sections or more"
                + (", of two patients or more" if exclusion == "patient" else ""),
                remedy="add sections, or leave models that need exemplars out",
            )
        )
    if exclusion == "patient" and len(found) < 2:
        raise DataContractError(
            Problem(
                where=where,
                found=f"{sections} of one patient ({found[0]}): excluding the patient of a "
                "training spot leaves it no exemplar",
                expected="training sections of two patients or more",
                remedy="add patients, or name exemplars.training_exclusion = "
                '"section"; the card then says "retrieval shift", for training spots see '
                "exemplars of their own patient and test spots never do",
            )
        )


def pool_sizes(
    pool: ExemplarPool,
    patients: Sequence[str | None],
    sections: Sequence[str],
    exclusion: Exclusion,
) -> dict[str, int]:
    """Count the exemplars that each patient (or section, where that is excluded) may see.

    `patients` and `sections` have an entry a query.
    """
    groups = {
        (patient or "unknown patient") if exclusion == "patient" else section: (patient, section)
        for patient, section in zip(patients, sections, strict=True)
    }
    spans = {name: pool.excluded(*group, exclusion) for name, group in groups.items()}
    return {name: len(pool) - stop + start for name, (start, stop) in sorted(spans.items())}


def more_sections(exclusion: Exclusion) -> str:
    """Say what to add where there are too few exemplars."""
    if exclusion == "patient":
        return "give training sections of more patients"
    return "give more training sections"


def check_queries(pool: ExemplarPool, queries: Queries, n: int, exclusion: Exclusion) -> None:
    """Refuse queries of another encoder, and those with fewer than `n` eligible exemplars.

    Raises
    ------
    DataContractError
        Says of every patient (or section) how many exemplars there are and what to change.
    """
    if n < 1:
        raise ValueError(f"{n} exemplars a query; at least 1 is needed")
    problems = _fit_problems(pool, queries)
    if len(queries) and not problems:
        sizes = pool_sizes(pool, queries.patient, queries.section, exclusion)
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


def _slices(sorted_names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """First row and end of each name's rows."""
    spans: dict[str, tuple[int, int]] = {}
    start = 0
    for name, rows in groupby(sorted_names):
        stop = start + sum(1 for _ in rows)
        spans[name] = (start, stop)
        start = stop
    return spans


def _pool_problems(keys: Sequence[tuple[str, str, str]]) -> list[Problem]:
    if not keys:
        return [Problem("exemplars", "no training spot", "one or more", "give training sections")]
    problems = []
    if len({key[1:] for key in keys}) != len(keys):
        problems.append(
            Problem(
                where="exemplars",
                found=f"{len(keys) - len({key[1:] for key in keys})} spots are there twice",
                expected="each spot of a section once",
                remedy="give each section once, and no jittered copies",
            )
        )
    owners = {(section, patient) for patient, section, _ in keys}
    if len({section for section, _ in owners}) != len(owners):
        sections = sorted(section for section, _ in owners)
        shared = sorted({s for s in sections if sections.count(s) > 1})
        problems.append(
            Problem(
                where=f"exemplars of section {', '.join(shared)}",
                found="spots of more than one patient",
                expected="one patient a section",
                remedy="correct the patient in the manifest",
            )
        )
    return problems


def _feature_problems(where: str, feature: Float32[np.ndarray, "N D"]) -> list[Problem]:
    bad = ~(np.abs(feature) <= LARGEST_FEATURE).all(axis=1)  # NaN compares false
    if not bad.any():
        return []
    return [
        Problem(
            where=f"features of {where}",
            found=f"{int(bad.sum())} of {len(feature)} rows hold a NaN, an infinity or a number "
            f"beyond {LARGEST_FEATURE:g}",
            expected="finite numbers",
            remedy="look at the tiles and weights these features come from, and embed them again",
        )
    ]


def _fit_problems(pool: ExemplarPool, queries: Queries) -> list[Problem]:
    """Distances between features of two encoders mean nothing, even where widths agree."""
    remedy = "embed the queries with the encoder of the exemplars, or build the exemplars anew"
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

"""Section, patient and name of many spots, held as arrays: no Python object for each spot."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from histoscribe.errors import DataContractError, Problem

UNKNOWN = -1
"""The patient code of a spot whose patient is not known."""


@dataclass(frozen=True, eq=False)
class SpotKeys:
    """Section, patient and id of each row of a table.

    The tables of names are sorted and hold each name once, so codes sort as names do.

    Raises
    ------
    DataContractError
        A section has spots of two patients.
    """

    section: Int[np.ndarray, " N"]
    """Index into `sections`."""
    patient: Int[np.ndarray, " N"]
    """Index into `patients`; -1 where the patient is not known."""
    spot: Shaped[np.ndarray, " N"]
    """Ids as the section gives them, unique within a section; an array of strings."""
    sections: tuple[str, ...]
    patients: tuple[str, ...]

    def __post_init__(self) -> None:
        sizes = {len(self.section), len(self.patient), len(self.spot)}
        if len(sizes) != 1:
            raise ValueError(f"a spot has a section, a patient and an id; lengths {sorted(sizes)}")
        if self.spot.dtype.kind != "U":
            raise ValueError(f"ids of spots are strings, not {self.spot.dtype}")
        for names, code, least in (
            (self.sections, self.section, 0),
            (self.patients, self.patient, UNKNOWN),
        ):
            if list(names) != sorted(set(names)):
                raise ValueError(f"names are sorted, each once: {names}")
            if len(code) and not (code.min() >= least and code.max() < len(names)):
                raise ValueError(f"codes {code.min()} to {code.max()} of {len(names)} names")
        self._check_owners()

    def __len__(self) -> int:
        return len(self.section)

    @classmethod
    def of_section(cls, section: str, patient: str | None, spots: Sequence[str]) -> "SpotKeys":
        """Spots of one section; `patient` is None where it is not known."""
        zeros = np.zeros(len(spots), dtype=np.int32)
        return cls(
            section=zeros,
            patient=zeros if patient is not None else zeros + UNKNOWN,
            spot=np.array(spots, dtype=np.str_),
            sections=(section,),
            patients=() if patient is None else (patient,),
        )

    @classmethod
    def of_names(
        cls, section: Iterable[str], patient: Iterable[str | None], spot: Iterable[str]
    ) -> "SpotKeys":
        """Spots by the names of their sections and patients, row by row."""
        section, patient = [str(name) for name in section], list(patient)
        sections = tuple(sorted(set(section)))
        patients = tuple(sorted({str(name) for name in patient if name is not None}))
        section_codes, patient_codes = _codes(sections), _codes(patients)
        return cls(
            section=np.array([section_codes[name] for name in section], dtype=np.int32),
            patient=np.array(
                [UNKNOWN if name is None else patient_codes[name] for name in patient],
                dtype=np.int32,
            ),
            spot=np.array(list(spot), dtype=np.str_),
            sections=sections,
            patients=patients,
        )

    @classmethod
    def concatenate(cls, parts: "Sequence[SpotKeys]") -> "SpotKeys":
        """The spots of all parts, one part after the other."""
        sections = tuple(sorted({name for part in parts for name in part.sections}))
        patients = tuple(sorted({name for part in parts for name in part.patients}))
        return cls(
            section=np.concatenate([_moved(p.section, p.sections, sections) for p in parts]),
            patient=np.concatenate([_moved(p.patient, p.patients, patients) for p in parts]),
            spot=np.concatenate([part.spot for part in parts]),
            sections=sections,
            patients=patients,
        )

    def take(self, rows: Int[np.ndarray, " n"] | slice) -> "SpotKeys":
        """These rows, in this order."""
        return replace(
            self, section=self.section[rows], patient=self.patient[rows], spot=self.spot[rows]
        )

    @property
    def section_names(self) -> Shaped[np.ndarray, " N"]:
        """The section of each spot, by name."""
        return np.array(self.sections, dtype=np.str_)[self.section]

    @property
    def patient_names(self) -> Shaped[np.ndarray, " N"]:
        """Patient name of each spot; `unknown` for a missing one."""
        return np.array([*self.patients, "unknown"], dtype=np.str_)[self.patient]

    def by_section(self) -> Iterator[tuple[str, str | None, Int[np.ndarray, " n"]]]:
        """Name, patient and rows (ascending) of each section that has a row, in order of name."""
        order = np.argsort(self.section, kind="stable")
        codes, starts = np.unique(self.section[order], return_index=True)
        for code, rows in zip(codes, np.split(order, starts[1:]), strict=True):
            patient = int(self.patient[rows[0]])
            yield self.sections[code], None if patient < 0 else self.patients[patient], rows

    def order(self) -> Int[np.ndarray, " N"]:
        """The rows sorted by patient, section and spot."""
        return np.lexsort((self.spot, self.section, self.patient))

    @property
    def n_repeated(self) -> int:
        """How many rows are a spot that an earlier row is, too."""
        return int((_first_rows(self) != np.arange(len(self))).sum())

    def rows_in(self, other: "SpotKeys") -> Int[np.ndarray, " N"]:
        """Row of each spot in another table; the first row of several.

        Raises KeyError for a spot that the other table does not have.
        """
        found = _first_rows(SpotKeys.concatenate([other, self]))[len(other) :]
        missing = np.flatnonzero(found >= len(other))
        if missing.size:
            raise KeyError(f"{missing.size} spots, e.g. {self.spot[missing[0]]}")
        return found

    def same_spots(self, other: "SpotKeys") -> bool:
        """Whether both are the same spots of the same sections, in the same order."""
        return np.array_equal(self.section_names, other.section_names) and np.array_equal(
            self.spot, other.spot
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The codes and ids as numbers, by name, for a file of tensors."""
        text = np.char.encode(self.spot, "utf-8")
        width = max(text.dtype.itemsize, 1)
        letters = np.frombuffer(text.astype(f"S{width}").tobytes(), dtype=np.uint8)
        return {
            "section": self.section.astype(np.int32),
            "patient": self.patient.astype(np.int32),
            "spot": letters.reshape(len(self), width),
        }

    def names(self) -> dict[str, list[str]]:
        """The tables of names, for JSON."""
        return {"sections": list(self.sections), "patients": list(self.patients)}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], names: Mapping[str, Any]) -> "SpotKeys":
        """Take back what `arrays` and `names` gave."""
        letters = np.ascontiguousarray(arrays["spot"])
        text = np.frombuffer(letters.tobytes(), dtype=f"S{letters.shape[1]}")
        return cls(
            section=arrays["section"],
            patient=arrays["patient"],
            spot=np.char.decode(text, "utf-8"),
            sections=tuple(names["sections"]),
            patients=tuple(names["patients"]),
        )

    def _check_owners(self) -> None:
        owner = np.full(len(self.sections), UNKNOWN, dtype=np.int64)
        owner[self.section] = self.patient
        shared = np.unique(self.section[owner[self.section] != self.patient])
        if shared.size:
            raise DataContractError(
                Problem(
                    where=f"section {', '.join(self.sections[code] for code in shared)}",
                    found="spots of more than one patient",
                    expected="one patient a section",
                    remedy="correct the patient in the manifest",
                )
            )


def _codes(names: tuple[str, ...]) -> dict[str, int]:
    return {name: code for code, name in enumerate(names)}


def _moved(
    code: Int[np.ndarray, " N"], names: tuple[str, ...], into: tuple[str, ...]
) -> Int[np.ndarray, " N"]:
    """Translate codes to another name table that includes these names."""
    place = _codes(into)
    # the last entry is that of the code -1
    return np.array([*(place[name] for name in names), UNKNOWN], dtype=np.int32)[code]


def _first_rows(keys: SpotKeys) -> Int[np.ndarray, " N"]:
    """The first row that is the same spot as each row."""
    order = np.lexsort((keys.spot, keys.section))  # stable: equal ones stay in order
    section, spot = keys.section[order], keys.spot[order]
    new = np.ones(len(keys), dtype=bool)
    new[1:] = (section[1:] != section[:-1]) | (spot[1:] != spot[:-1])
    first = np.empty(len(keys), dtype=np.int64)
    first[order] = order[np.flatnonzero(new)][np.cumsum(new) - 1]
    return first

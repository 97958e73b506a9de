"""Facts of patients, such as site, sex or subtype, and their checks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from histoscribe.errors import Problem
from histoscribe.io.cohorts.patient_sites import SITE, sites_of
from histoscribe.near_names import did_you_mean
from histoscribe.types import Cohort

FEWEST_CLASSES = 2


@final
@dataclass(frozen=True)
class PatientFacts:
    """Classes of patients by fact; sections of a patient share them."""

    of_patient: Mapping[str, Mapping[str, str]]
    """Fact -> patient -> class; a patient without the fact is left out."""
    varying: tuple[str, ...]
    """Facts that differ between the sections of a patient."""

    @classmethod
    def of_cohort(cls, cohort: Cohort) -> "PatientFacts":
        """Facts of the patients of a cohort; the site of a TCGA barcode counts as one."""
        values: dict[str, dict[str, set[str]]] = {}
        slides = [(str(cohort.patients[id_]), facts) for id_, facts in cohort.facts.items()]
        for patient, facts in slides:
            for name, value in facts.items():
                values.setdefault(name, {}).setdefault(patient, set()).add(value)
        for patient, site in sites_of(slides).items():
            values.setdefault(SITE, {}).setdefault(patient, {site})
        varying = {
            name for name, of in values.items() if any(len(each) > 1 for each in of.values())
        }
        return cls(
            {
                name: {patient: next(iter(each)) for patient, each in sorted(of.items())}
                for name, of in sorted(values.items())
                if name not in varying
            },
            tuple(sorted(varying)),
        )

    def classes(self, fact: str, patients: Collection[str]) -> tuple[str, ...]:
        """Classes of a fact among some patients, sorted."""
        return tuple(sorted({c for of, c in self.of_patient[fact].items() if of in patients}))

    def compared(self, patients: Collection[str]) -> tuple[str, ...]:
        """Facts with at least two classes, one of them of at least two of these patients."""
        return tuple(
            fact
            for fact, of in self.of_patient.items()
            if FEWEST_CLASSES <= len(self.classes(fact, patients)) < len(patients & of.keys())
        )

    def problems(
        self, facts: Sequence[str], patients: Collection[str], whose: str
    ) -> list[Problem]:
        """Say which of these facts cannot be compared between patients; `whose` names them."""
        return [
            problem
            for fact in facts
            if (problem := self._problem(fact, patients, whose)) is not None
        ]

    def _problem(self, fact: str, patients: Collection[str], whose: str) -> Problem | None:
        known = list(self.of_patient)
        if fact in self.varying:
            return Problem(
                where=f"fact {fact}",
                found="it differs between sections of one patient",
                expected="a fact of patients, such as site, sex or subtype",
                remedy="name another one, or give it as labels of spots",
            )
        if fact not in self.of_patient:
            return Problem(
                where=f"fact {fact}",
                found="no such column in the cohort",
                expected=f"one of {', '.join(known)}" if known else "a cohort with facts",
                remedy=did_you_mean(fact, known, "add the column to the manifest"),
            )
        classes = self.classes(fact, patients)
        if len(classes) >= FEWEST_CLASSES:
            return None
        return Problem(
            where=f"fact {fact}",
            found=f"{whose} are all {classes[0]}" if classes else f"no value for {whose}",
            expected="at least two classes to compare",
            remedy="name another fact, or give more patients",
        )

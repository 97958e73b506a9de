"""The answer to `faults`: errors by class, and what the representation knows."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from histoscribe.explain.faults.class_errors import (
    FEWEST_PATIENTS,
    FEWEST_SPOTS,
    MOST_SHARE,
    ClassErrors,
    class_errors,
)
from histoscribe.explain.faults.facts import PatientFacts
from histoscribe.explain.faults.held_out import (
    LAST_LAYER,
    HeldOutSpots,
    mean_label,
    shared_genes,
)
from histoscribe.explain.faults.knowledge import KnownFact, known_facts
from histoscribe.explain.faults.pictures import draw_errors, draw_knowledge
from histoscribe.explain.faults.spot_classes import LABEL, PATIENT, TrainingSpots, divisions
from histoscribe.explain.faults.tables import write_classes, write_known, write_spots
from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.request import ExplainRequest
from histoscribe.types import Section

ERRORS, KNOWN = "errors.png", "known-facts.png"
CLASSES, FACTS, SPOTS = "classes.csv", "known-facts.csv", "spots.csv"


@final
@dataclass(frozen=True, eq=False)
class FaultsAnswer:
    """Compares errors on held-out tissue between classes."""

    request: ExplainRequest
    sections: tuple[Section, ...]
    """Of held-out patients."""
    facts: PatientFacts
    compared: tuple[str, ...]
    """Facts whose classes are compared."""
    labels: Mapping[str, Path]

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, held-out sections, facts and labels."""
        predictor = self.request.predictor
        tables = sorted(self.labels.items())
        labels = [f"{id_} sha256:{hashlib.sha256(p.read_bytes()).hexdigest()}" for id_, p in tables]
        patients = sorted({str(section.patient) for section in self.sections})
        of = self.facts.of_patient
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "sections": " ".join(section.id for section in self.sections),
            "patients": f"{len(patients)} held-out: {' '.join(patients)}",
            "facts": "; ".join(
                f"{fact}: {' '.join(f'{name}={one}' for name, one in of[fact].items())}"
                for fact in self.compared
            )
            or "none",
            "labels": ", ".join(labels) or "none",
            "error": "squared error, mean over genes, in units of that of the mean over training",
        }

    def work(self, out: Path) -> Finding:
        """Predict the held-out sections; write figures and tables."""
        request = self.request
        predictor, cohort = request.predictor, request.cohort
        ids = [section.id for section in self.sections]
        mean, mean_words = mean_label(predictor, cohort, ids)
        spots = HeldOutSpots.read(predictor, self.sections, mean, self.labels, request.cache)
        training = TrainingSpots(predictor, cohort)
        parts = divisions(spots, self.facts, self.compared, self.labels, training)
        errors = class_errors(spots, parts)
        of_patient = {fact: self.facts.of_patient[fact] for fact in self.compared}
        known = [*known_facts(spots, of_patient)]
        statistic, null = _numbers(errors, known)
        write_classes(errors, spots, out / CLASSES)
        write_known(known, out / FACTS)
        write_spots(spots, out / SPOTS)
        draw_errors(errors, f"{predictor.row}: errors of held-out patients", out / ERRORS)
        figures = [ERRORS]
        if known:
            draw_knowledge(known, f"{predictor.row}: read off new tissue", out / KNOWN)
            figures.append(KNOWN)
        return Finding(
            question="faults",
            about=self.about,
            folder=out,
            figures=tuple(figures),
            tables=(CLASSES, FACTS, SPOTS),
            statistic=tuple(statistic),
            null=tuple(null),
            caveat=tuple(self._caveats(spots, errors, training, mean_words)),
        )

    def _caveats(
        self,
        spots: HeldOutSpots,
        errors: Sequence[ClassErrors],
        training: TrainingSpots,
        mean_words: str,
    ) -> Iterator[str]:
        yield _under_represented(errors, training)
        yield (
            "A class differs from others in more than its name: site, stain, tissue and depth go "
            "together, and a difference in error has no single cause here."
        )
        if len(spots.patients) < FEWEST_PATIENTS:
            yield (
                f"{len(spots.patients)} held-out patients: their facts are listed, and chance has "
                f"no range; {FEWEST_PATIENTS} are needed."
            )
        yield f"The training mean is that of {mean_words}."
        genes = self.request.predictor.target.genes
        n_shared = len(shared_genes(self.request.predictor, self.sections))
        if n_shared < len(genes):
            yield (
                f"Errors are of the {n_shared} of {len(genes)} genes that all held-out sections "
                "measured."
            )
        if training.missing:
            yield (
                f"Training spots are counted without {len(training.missing)} training sections "
                "that the cohort lacks."
            )
        if self.facts.varying:
            yield f"Not compared, for they differ within a patient: {', '.join(self.facts.varying)}"
        if LAST_LAYER not in spots.readings:
            yield "The model has no layer between features and genes: facts are read off features."
        if LABEL not in [of.classes.name for of in errors]:
            yield "No tissue labels are compared: give them with `labels`."


def _under_represented(errors: Sequence[ClassErrors], training: TrainingSpots) -> str:
    """Name the classes that training lacks, with the rule; or say what it takes to know them."""
    if training.missing:
        return (
            f"Under-represented in training: not known, for the cohort lacks "
            f"{len(training.missing)} training sections. Give them to have classes named."
        )
    rule = (
        f"A class is called under-represented if its share of the training spots is at most "
        f"{MOST_SHARE:g} of its share of the held-out spots, and its error is above chance, all "
        f"classes of a fact together (patients with fewer than {FEWEST_SPOTS} spots of it left out)"
    )
    named = [f"{of.classes.name} {one}" for of in errors for one in of.under_represented]
    return f"Under-represented in training: {', '.join(named) or 'no class'}. {rule}."


def _numbers(
    errors: Sequence[ClassErrors], known: Sequence[KnownFact]
) -> tuple[list[Number], list[Number]]:
    statistic: list[Number] = []
    null: list[Number] = []
    for of in errors:
        if of.classes.name == PATIENT:
            continue  # each patient is a class of its own: nothing can be permuted
        values, by_chance = of.numbers()
        statistic += values
        null += by_chance
    for fact in known:
        value, chance = fact.number()
        statistic.append(value)
        null.append(chance)
    return statistic, null

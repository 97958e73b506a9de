"""Top of the page: what was asked, four numbers, and the sentence that they allow."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from histoscribe.metrics.chance import CHANCE_Q
from histoscribe.report.glossary import unit_in_words
from histoscribe.report.origin import cohort_in_words, tissue_in_words
from histoscribe.report.patients import FEWEST_FOR_INTERVALS, patient_means
from histoscribe.report.run import Run
from histoscribe.report.summary import (
    models_of,
    n_patients,
    score,
    summary_rows,
)
from histoscribe.report.text import counted, number, span
from histoscribe.types import EncoderUse, TargetCard

_MOST_NAMED = 8
_HELD_OUT = {
    "patient": "whole patients",
    "site": "whole sites, with all their patients",
    "section": "sections; other sections of the same patient are in training",
    "spot": "spots; their neighbours are in training",
}


@dataclass(frozen=True)
class KeyNumber:
    """One of the numbers on top."""

    value: str
    name: str
    comparison: str
    """What to compare it with."""


def question(run: Run) -> tuple[tuple[str, str], ...]:
    """What the run was asked: names of its facts, and the facts in words."""
    return tuple((name, fact) for name, fact in _facts(run) if fact)


def key_numbers(run: Run) -> tuple[KeyNumber, ...]:
    """Best score, genes above chance, gain over depth, spread over patients."""
    return _best_score(run), _genes_found(run), _over_depth(run), _over_patients(run)


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    card = run.card
    yield "Data", cohort_in_words(run.origin)
    yield "Tissue", tissue_in_words(card)
    n_spots = sum(section.spots for section in card.sections.values())
    people = sorted({str(section.patient) for section in card.sections.values()})
    yield (
        "Size",
        f"{counted(len(card.sections), 'section')} of {counted(len(people), 'patient')}"
        f"{_named(people)}, {counted(n_spots, 'spot')}",
    )
    yield "Held out", f"{_HELD_OUT[run.protocol]}, {counted(len(card.folds), 'fold')}"
    yield "Predicted", _target(list(card.target.values()))
    yield "Encoders", "; ".join(dict.fromkeys(encoder_in_words(used) for used in card.encoder.used))
    yield "Models", ", ".join(name for name in models_of(run) if name in card.models)
    yield "Predicted elsewhere", ", ".join(card.foreign)


def _named(patients: Sequence[str]) -> str:
    return f" ({', '.join(patients)})" if len(patients) <= _MOST_NAMED else ""


def _target(targets: Sequence[TargetCard]) -> str:
    first = targets[0]
    sizes = sorted({target.n_genes for target in targets})
    n_genes = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return (
        f"{n_genes} genes in each fold ({first.panel.replace('-', ' ')}), as "
        f"{unit_in_words(first.transform).partition(':')[0]}"
    )


def encoder_in_words(used: EncoderUse) -> str:
    """Name of an encoder and the size of its tiles."""
    name = used.encoder.rpartition(":")[2]
    return f"{name}, tiles of {used.tile_px} px at {used.mpp:g} µm/px"


def _best_score(run: Run) -> KeyNumber:
    band = score(run, "shuffled", "pcc_given_depth")
    chance = f"by chance {band.interval}" if band.interval else "its chance level is unknown"
    mean = score(run, run.best_model, "pcc_given_depth").mean
    return KeyNumber(number(mean), f"mean correlation given depth, {run.best_model}", chance)


def _genes_found(run: Run) -> KeyNumber:
    row = next((row for row in summary_rows(run)[0] if row.model == run.best_model), None)
    if row is None or row.chance is None:
        return KeyNumber("—", "genes above chance", "its chance level is unknown")
    count = row.chance
    errors = ": about one in twenty of them is a false positive" if count.n_above_chance else ""
    return KeyNumber(
        f"{count.n_above_chance} of {count.n_genes}",
        f"genes above chance, {run.best_model}",
        f"q < {CHANCE_Q:g}{errors}",
    )


def _over_depth(run: Run) -> KeyNumber:
    name = "correlation more than depth alone"
    depth, best = score(run, "depth", "pcc").mean, score(run, run.best_model, "pcc").mean
    if not (math.isfinite(depth) and math.isfinite(best)):
        return KeyNumber("—", name, "the model depth was not run")
    gain = number(best - depth)
    both = f"pcc {number(best)}; depth alone {number(depth)}"
    return KeyNumber(gain if best < depth else f"+{gain}", name, both)


def _over_patients(run: Run) -> KeyNumber:
    of_best = score(run, run.best_model, "pcc_given_depth")
    n = n_patients(run)
    if n >= FEWEST_FOR_INTERVALS and of_best.interval:
        return KeyNumber(of_best.interval, f"95 % interval over {n} patients", run.best_model)
    values = patient_means(run, "pcc_given_depth").get(run.best_model, {}).values()
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return KeyNumber("—", "from patient to patient", "no patient has a score")
    value = number(known[0]) if len(known) == 1 else span(min(known), max(known))
    few = f"{counted(n, 'patient')}: too few for an interval or a ranking"
    return KeyNumber(value, "worst to best patient" if len(known) > 1 else "one patient", few)

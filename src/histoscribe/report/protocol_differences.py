"""Protocol differences of runs, in words, with their meaning for scores."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from histoscribe.report.glossary import unit_in_words
from histoscribe.report.head import encoder_in_words
from histoscribe.report.origin import cohort_in_words
from histoscribe.report.run import Run
from histoscribe.report.text import counted
from histoscribe.types import TargetCard


@dataclass(frozen=True)
class DifferentFact:
    """Fact whose values differ between runs."""

    name: str
    values: tuple[str, ...]
    """Its value in each run."""
    meaning: str
    """What the difference means for the scores; empty where it is what a comparison is for."""


_OTHER_SPOTS = "Other spots were tested: a difference may be one between tissues."
_OTHER_VALUES = "Other values were predicted: the scores answer different questions."
_FACTS: tuple[tuple[str, Callable[[Run], str], str], ...] = (
    ("held out", lambda run: run.protocol, "Scores of different protocols cannot be compared."),
    (
        "leak",
        lambda run: run.leaky or "none",
        "Scores of a leaky protocol are too high by an unknown amount.",
    ),
    ("cohort", lambda run: cohort_in_words(run.origin), _OTHER_SPOTS),
    ("tested patients", lambda run: ", ".join(run.card.patients), _OTHER_SPOTS),
    (
        "sections",
        lambda run: ", ".join(
            f"{name} ({counted(section.spots, 'spot')})"
            for name, section in sorted(run.card.sections.items())
        ),
        _OTHER_SPOTS,
    ),
    (
        "images and counts",
        lambda run: _digest({s.image_sha256 + s.counts_sha256 for s in run.card.sections.values()}),
        _OTHER_SPOTS,
    ),
    (
        "choice of genes",
        lambda run: ", ".join(sorted({of.panel.replace("-", " ") for of in _targets(run)})),
        "Other genes were predicted: some genes are easier than others.",
    ),
    (
        "lists of genes",
        lambda run: _digest({target.genes_sha256 for target in _targets(run)}),
        "Other genes were predicted: some genes are easier than others.",
    ),
    (
        "value of a gene",
        lambda run: ", ".join(sorted({unit_in_words(of.transform) for of in _targets(run)})),
        _OTHER_VALUES,
    ),
    (
        "encoders",
        lambda run: "; ".join(
            dict.fromkeys(encoder_in_words(used) for used in run.card.encoder.used)
        ),
        "",
    ),
    ("models", lambda run: ", ".join(run.card.models), ""),
    (
        "version",
        lambda run: run.card.versions.get("histoscribe", "unknown"),
        "",
    ),
)


def different_facts(runs: Sequence[Run]) -> tuple[DifferentFact, ...]:
    """Facts of the cards with more than one value, those that forbid a comparison first."""
    return tuple(sorted(_different(runs), key=lambda fact: not fact.meaning))


def different_settings(runs: Sequence[Run]) -> tuple[DifferentFact, ...]:
    """Settings by their names in the settings file, where they differ."""
    names = dict.fromkeys(name for run in runs for name in run.origin.settings)
    rows = (
        (name, tuple(run.origin.settings.get(name, "not set") for run in runs)) for name in names
    )
    return tuple(DifferentFact(name, values, "") for name, values in rows if len(set(values)) > 1)


def _different(runs: Sequence[Run]) -> Iterator[DifferentFact]:
    for name, words, meaning in _FACTS:
        values = tuple(words(run) for run in runs)
        if len(set(values)) > 1:
            yield DifferentFact(name, values, meaning)


def _targets(run: Run) -> tuple[TargetCard, ...]:
    return tuple(run.card.target.values())


def _digest(hashes: Collection[str]) -> str:
    """Short name of a set of hashes: equal names are equal contents."""
    return f"sha256 {sha256(''.join(sorted(hashes)).encode()).hexdigest()[:12]}"

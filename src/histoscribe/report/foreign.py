"""What a page says of predictions that were made elsewhere."""

from collections.abc import Iterator

from histoscribe.report.run import Run
from histoscribe.report.summary import score, summary_rows
from histoscribe.report.text import number, span

_BESIDE = ("depth", "ridge")


def foreign_headline(run: Run) -> str:
    """The result in one line; empty for a benchmark."""
    names = list(run.card.foreign)
    if len(names) < 2:
        return "".join(_in_short(run, name) for name in names)
    bands = {row.model: row.band for row in summary_rows(run)[0]}
    above = [name for name in names if bands.get(name) == "above"]
    if not above:
        return f"None of {len(names)} predictions scores above chance"
    leaks = " (some were trained on these patients)" if any(_leaks(run, n) for n in names) else ""
    return f"{len(above)} of {len(names)} predictions above chance: {', '.join(above)}{leaks}"


def foreign_sentences(run: Run) -> Iterator[str]:
    """Sentences about each foreign model: its score beside chance, and unknown training."""
    for name, card in run.card.foreign.items():
        band = score(run, "shuffled", "pcc_given_depth")
        rows = [r for r in _BESIDE if r in run.card.models]
        beside = ", ".join(
            f"{row} {number(score(run, row, 'pcc_given_depth').mean)}" for row in rows
        )
        if leaks := _leaks(run, name):
            yield (
                f"**{name} was trained on patients that it is scored on** (sections "
                f"{', '.join(leaks)}): its scores there are too high by an unknown amount."
            )
        yield (
            f"**{name}**, predicted elsewhere, has `pcc_given_depth` "
            f"**{number(score(run, name, 'pcc_given_depth').mean)}**; "
            f"{f'{beside}; ' if beside else ''}by chance {span(band.low, band.high)}."
        )
        unknown = [section for section, of in card.sections.items() if of.trained_on is None]
        if unknown:
            yield (
                f"Nobody said which patients {name} was trained on for {len(unknown)} of "
                f"{len(card.sections)} sections: a leak there cannot be excluded."
            )


def foreign_in_words(run: Run, name: str) -> str:
    """Explanation of a foreign row; empty for another one."""
    card = run.card.foreign.get(name)
    if card is None:
        return ""
    unit = "in an unknown unit" if card.unit is None else f"in {card.unit}"
    return f"A prediction made elsewhere, {unit}, from {card.source}."


def _leaks(run: Run, name: str) -> list[str]:
    """Sections of patients that a model was trained on."""
    return [section for section, of in run.card.foreign[name].sections.items() if of.overlap]


def _in_short(run: Run, name: str) -> str:
    if _leaks(run, name):
        return f"{name} was trained on patients that it is scored on: its scores are too high"
    row = next((row for row in summary_rows(run)[0] if row.model == name), None)
    count = None if row is None else row.chance
    if row is None or count is None or not row.band:
        return f"{name}: the chance level is unknown"
    if row.band == "above":
        return (
            f"{name} predicts more than chance: {count.n_above_chance} of {count.n_genes} genes "
            "stand out"
        )
    return f"{name} predicts no more than chance"

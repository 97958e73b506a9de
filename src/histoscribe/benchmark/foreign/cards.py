"""Foreign models on the protocol card: what was scored, and what could not be checked."""

from collections.abc import Iterator

from histoscribe.benchmark.foreign.common import leaks_of, untold_sections
from histoscribe.benchmark.foreign.model import ForeignModel
from histoscribe.benchmark.plan import RunPlan
from histoscribe.types import ForeignCard, ForeignSectionCard, RunCard

_NEVER = (
    "how its genes and settings were chosen, and on which scores",
    "whether values of the test sections, e.g. their counts, were among its inputs",
    "whether pictures of its training are those of test sections under other names",
)
"""What no file of predictions can prove."""

_COLUMNS = (
    *("section", "spots scored", "rows left out", "genes", "columns left out"),
    *("spots found by", "trained on"),
)


def foreign_cards(plan: RunPlan) -> dict[str, ForeignCard]:
    """Card of each foreign model of a run."""
    return {name: _card(plan, model) for name, model in plan.foreign.models.items()}


def foreign_leaks(plan: RunPlan) -> Iterator[str]:
    """Reasons in words why scores of foreign models are too high."""
    cohort = plan.run_data.cohort
    for name, model in plan.foreign.models.items():
        leaks = leaks_of(model, plan.folds, cohort)
        if leaks:
            patients = sorted({str(cohort.patients[section]) for section in leaks})
            yield (
                f"{name} was trained on patients that it is scored on ({', '.join(patients)}): its "
                "scores there are too high"
            )


def foreign_lines(run: RunCard) -> Iterator[str]:
    """Foreign models in words, as Markdown; empty for a benchmark."""
    transform = next(iter(run.target.values())).transform
    for name, card in run.foreign.items():
        yield f"## Prediction made elsewhere: {name}"
        yield ""
        yield f"- From {card.source}."
        yield f"- Unit: {_unit(card.unit, transform)}."
        yield from (f"- Not predicted: {n} spots of section {s}." for s, n in card.missing.items())
        yield from (f"- Could not be checked: {words}." for words in card.unchecked)
        yield ""
        yield f"| {' | '.join(_COLUMNS)} |"
        yield "|---" * len(_COLUMNS) + "|"
        for section, of in card.sections.items():
            yield (
                f"| {section} | {of.spots} | {of.rows_unknown} | {of.genes} | {of.genes_unknown} | "
                f"{of.matched_by} | {_training(of)} |"
            )
        yield ""


def _card(plan: RunPlan, model: ForeignModel) -> ForeignCard:
    cohort = plan.run_data.cohort
    untold = untold_sections(model, plan.folds, cohort)
    training = (
        (f"which patients it was trained on to predict {', '.join(untold)}",) if untold else ()
    )
    return ForeignCard(
        source=model.source,
        unit=model.unit,
        sections={
            section: ForeignSectionCard(
                spots=sum(len(of.test.get(section, ())) for of in plan.folds),
                rows_unknown=model.sections[section].n_unknown_rows,
                genes=len(model.sections[section].genes),
                genes_unknown=model.sections[section].n_unknown_genes,
                matched_by=model.sections[section].matched_by,
                sha256=model.sections[section].hash,
                trained_on=model.training.of(cohort, section, fold.name),
                overlap=model.training.overlap(cohort, section, fold.name),
            )
            for fold in plan.folds
            for section in sorted(fold.test)
        },
        missing=dict(plan.foreign.missing[model.name]),
        unchecked=(*training, *_NEVER),
    )


def _unit(unit: str | None, transform: str) -> str:
    if unit == transform:
        return f"{unit}, that of the target"
    known = "unknown" if unit is None else unit
    return (
        f"{known}, and the target is in {transform}: scores that compare values are left out, and "
        "so is the cut into parts"
    )


def _training(of: ForeignSectionCard) -> str:
    if of.trained_on is None:
        return "unknown"
    leak = f"; LEAK: {', '.join(of.overlap)}" if of.overlap else ""
    return f"{', '.join(of.trained_on)}{leak}"

"""Conclusions that the numbers of a run allow, in sentences."""

import math

from histoscribe.data.fold_settings import leaky
from histoscribe.metrics.chance import CHANCE_Q, least_q
from histoscribe.report.foreign import foreign_headline, foreign_sentences
from histoscribe.report.patients import FEWEST_FOR_INTERVALS, patient_tables
from histoscribe.report.run import Run
from histoscribe.report.summary import n_patients, score, summary_rows
from histoscribe.report.text import number, span


def headline(run: Run) -> str:
    """The result in one line, as a title; it claims no more than the sentences below it."""
    if leaky(run.protocol) is None and run.card.foreign:
        return foreign_headline(run)
    return _of_best(run)


def _of_best(run: Run) -> str:
    if run.leaky is not None:
        return "Scores of a leaky protocol: nothing about new patients"
    row = next((row for row in summary_rows(run)[0] if row.model == run.best_model), None)
    if row is None or row.chance is None or not row.band:
        return "Gene expression predicted from H&E; the chance level is unknown"
    count = row.chance
    if row.band == "above" and count.n_above_chance == 0:
        return f"{run.best_model} scores above chance on average, and no single gene stands out"
    if row.band == "above":
        return (
            f"{run.best_model} predicts more than chance: {count.n_above_chance} of "
            f"{count.n_genes} genes stand out"
        )
    if row.band == "below":
        return "All models score below chance: look for a mistake in the data"
    return "No model predicts more than chance"


def verdict(run: Run) -> list[str]:
    """Sentences for the top of the page: a number of the run and its meaning."""
    best = run.best_model
    sentences = _leaky(run), _best(run, best), _chance(run), _genes(run), _depth(run), _few(run)
    return [sentence for sentence in (*foreign_sentences(run), *sentences) if sentence]


def _leaky(run: Run) -> str:
    if leaky(run.protocol) is None:
        return ""
    return (
        "**These scores say nothing about new patients**: the protocol is leaky, and the scores "
        "are too high by an unknown amount."
    )


def _best(run: Run, best: str) -> str:
    mean = score(run, best, "pcc_given_depth").mean
    if not math.isfinite(mean):
        return ""
    spread = next((t for t in patient_tables(run) if t.metric == "pcc_given_depth"), None)
    of_best = next((row[1:] for row in spread.rows if row[0] == best), ()) if spread else ()
    each = ", ".join(
        f"{patient} {value}"
        for patient, value in zip(spread.patients if spread else (), of_best, strict=False)
    )
    return (
        f"**{best}** has the highest `pcc_given_depth`: **{number(mean)}**"
        f"{f' (by patient: {each})' if 0 < len(of_best) <= 8 else ''}."
        f"{_explained(mean)}"
    )


def _explained(mean: float) -> str:
    if mean <= 0:
        return ""
    return (
        f" A gene predicted with this correlation has {100 * mean**2:.1f} % of its variation "
        "between spots explained, of the variation that depth leaves."
    )


def _chance(run: Run) -> str:
    row = next((row for row in summary_rows(run)[0] if row.model == run.best_model), None)
    band = score(run, "shuffled", "pcc_given_depth")
    meaning = {
        "above": "it has learned something that chance does not explain",
        "inside": "it shows nothing beyond chance",
        "below": "it does worse than chance: look for a mistake in the data",
    }
    if row is None or row.band not in meaning:
        return ""
    return (
        f"By chance alone ridge scores {span(band.low, band.high)} (95 of 100 runs on shuffled "
        f"expression): {run.best_model} lies **{row.band}** that, so {meaning[row.band]}."
    )


def _genes(run: Run) -> str:
    row = next((row for row in summary_rows(run)[0] if row.model == run.best_model), None)
    if row is None or row.chance is None or not row.chance.n_genes:
        return ""
    count, n_runs = row.chance, run.card.shuffled_runs
    return (
        f"**{count.n_above_band} of {count.n_genes}** genes lie above their own band for "
        f"{run.best_model}; by chance up to {count.n_by_chance:.0f} would. "
        f"**{count.n_above_chance}** of them have q < {CHANCE_Q:g}"
        f"{_false(count.n_above_chance)} ({n_runs} shuffled runs give a gene that is found alone "
        f"no q below {least_q(n_runs):.2g})."
    )


def _false(n_genes: int) -> str:
    if n_genes == 0:
        return ""
    return ", and about one in twenty of these is expected to be a false positive"


def _depth(run: Run) -> str:
    depth, best = score(run, "depth", "pcc").mean, score(run, run.best_model, "pcc").mean
    if not (math.isfinite(depth) and math.isfinite(best)) or run.best_model == "depth":
        return ""
    return (
        "A model that only estimates the total count of each spot (`depth`) reaches `pcc` "
        f"{number(depth)}; {run.best_model} {number(best)}."
    )


def _few(run: Run) -> str:
    n = n_patients(run)
    if n >= FEWEST_FOR_INTERVALS:
        return ""
    return (
        f"{n} patient{'' if n == 1 else 's'} cannot show how much scores differ between people: "
        "the models cannot be ranked."
    )

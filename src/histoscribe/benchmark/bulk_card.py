"""Findings and card of a benchmark on bags, as JSON and in words."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import pandas as pd

from histoscribe.benchmark.band import SHUFFLED
from histoscribe.benchmark.bulk_cell import BulkPlan
from histoscribe.benchmark.bulk_scores import OVER_BLOCKS, OVER_PATIENTS, WITHIN
from histoscribe.data.fold_settings import leaks_in_words, leaky
from histoscribe.data.folds import fold_cards, folds_hash
from histoscribe.metrics.chance import SHUFFLED_RUNS
from histoscribe.predictor.facts import cohort_card, versions
from histoscribe.train.departures import departures
from histoscribe.types import BulkRunCard, Check

FEWEST_PATIENTS = 5
"""With fewer, a row must be above the band in every fold."""
_NAMES = {
    OVER_PATIENTS: "correlation over patients",
    OVER_BLOCKS: "correlation over blocks",
    WITHIN: "correlation within blocks",
    "mape": "mean relative error (mape)",
}


def bulk_checks(plan: BulkPlan, summary: pd.DataFrame, metrics: Sequence[str]) -> list[Check]:
    """Findings of a run: leaks, few patients, rows inside the band, values left out."""
    checks = [*_protocol_checks(plan)]
    for metric in metrics:
        checks += _band_checks(plan, summary, metric)
    excluded = summary[(summary["metric"] == "mape_excluded") & (summary["fold"] == "*")]
    if len(excluded) and excluded["mean"].max() > 0:
        n_mean = float(excluded["mean"].max())
        checks.append(
            Check(
                "mape-excluded",
                "info",
                f"mape leaves out bags whose value is 0: {n_mean:.2f} a gene and fold on average "
                "(see mape_excluded in scores.csv)",
                "read mape together with that number",
            )
        )
    return checks


def bulk_card(plan: BulkPlan, checks: Sequence[Check]) -> BulkRunCard:
    """Card of a run."""
    bulk, settings = plan.bulk, plan.bulk.settings
    sites = Counter(bag.site for bag in bulk.bags if bag.site is not None)
    train, networks = settings.train, [row for row in settings.rows if row.is_network]
    return BulkRunCard(
        protocol=settings.folds.protocol,
        leaky=leaky(settings.folds.protocol),
        labels=settings.bulk.measured,
        n_bags=len(bulk.bags),
        n_tiles=sum(map(len, bulk.bags)),
        patients=tuple(sorted({bag.patient for bag in bulk.bags})),
        sites=dict(sorted(sites.items())),
        notes=bulk.notes,
        sections=cohort_card(bulk.cohort, bulk.cohort.ids),
        folds=fold_cards(plan.folds),
        folds_sha256=folds_hash(plan.folds),
        target={name: target.card() for name, target in plan.targets.items()},
        unit=next(iter(plan.targets.values())).unit,
        encoder=tuple(json.loads(bulk.run_data.encoders_text())),
        settings={row.name: dict(settings.settings.get(row.name, {})) for row in settings.rows},
        inputs=settings.inputs.model_dump(mode="json"),
        train=train.model_dump(mode="json"),
        epochs={row.name: train.epochs_of(row.recipe) for row in networks},
        batch_size={row.name: train.batch_size_of(row.recipe) for row in networks},
        departures={row.name: of for row in networks if (of := departures(settings, row))},
        seed=settings.seed,
        shuffled_runs=SHUFFLED_RUNS,
        checks=tuple(checks),
        versions=versions(),
    )


def bulk_card_text(card: BulkRunCard, summary: pd.DataFrame, metrics: Sequence[str]) -> str:
    """Card in words, with the tables of scores."""
    return "\n".join([*_head(card), *_tables(card, summary, metrics), *_findings(card)]) + "\n"


def _protocol_checks(plan: BulkPlan) -> Iterator[Check]:
    for reason in leaks_in_words(plan.bulk.settings.folds):
        yield Check("leaky", "warning", f"leaky protocol: {reason}", 'use protocol = "patient"')
    patients = {bag.patient for bag in plan.bulk.bags}
    if len(patients) < FEWEST_PATIENTS:
        yield Check(
            "few-patients",
            "warning",
            f"number of patients: {len(patients)}; bags of one patient are no independent samples, "
            "and nothing here ranks models",
            "add patients",
        )
    for note in plan.bulk.notes:
        yield Check("left-out", "info", note, "complete the manifest or the table")


def _band_checks(plan: BulkPlan, summary: pd.DataFrame, metric: str) -> Iterator[Check]:
    """Say which rows lie inside the band of shuffled bags, where there is such a band."""
    of_metric = summary[summary["metric"] == metric]
    if SHUFFLED not in set(of_metric["model"]):
        return
    tops = of_metric[of_metric["model"] == SHUFFLED].set_index("fold")[["low", "high"]]
    patients = {bag.patient for bag in plan.bulk.bags}
    is_leaky = leaky(plan.bulk.settings.folds.protocol) is not None
    # a mean over few patients hides that one of them shows nothing
    strict = len(patients) < FEWEST_PATIENTS and not is_leaky
    folds = list(tops.index) if strict else ["*"]
    inside = [
        str(model)
        for model, rows in of_metric.groupby("model", sort=False)
        if model != SHUFFLED and not _above(rows.set_index("fold")["mean"], tops["high"], folds)
    ]
    if inside:
        low, high = tops.loc["*"]
        where = " in every fold" if len(folds) > 1 else ""
        what = "across patients" if metric != WITHIN else "within bags"
        if is_leaky:
            what = "on these leaky folds"
        yield Check(
            "inside-band",
            "warning",
            f"nothing is shown {what} by {', '.join(inside)}: their {_NAMES[metric]} is not above "
            f"the band of shuffled bags{where} ({low:.2f} to {high:.2f} over folds)",
            "claim nothing from these rows; more patients narrow the band",
        )


def _above(means: pd.Series, tops: pd.Series, folds: Sequence[str]) -> bool:
    return all(means.loc[fold] > tops.loc[fold] for fold in folds)


def _head(card: BulkRunCard) -> Iterator[str]:
    yield "# Benchmark on bags"
    yield ""
    if card.leaky:
        yield f"**LEAKY PROTOCOL: {card.leaky}.**"
        yield ""
    yield (
        f"- {card.n_bags} bags of {len(card.patients)} patients, {card.n_tiles:,} tiles; labels: "
        f"{card.labels}; held out together: {card.protocol}"
    )
    sites = ", ".join(f"{site} {n}" for site, n in card.sites.items())
    if sites:
        yield f"- sites: {sites}"
    genes = {target.n_genes for target in card.target.values()}
    yield f"- genes: {' to '.join(str(n) for n in sorted(genes))}; unit: {card.unit}"
    yield f"- chosen by: {next(iter(card.target.values())).chosen_by}"
    yield f"- folds: {len(card.folds)}, sha256 {card.folds_sha256[:12]}; seed {card.seed}"
    if card.epochs:
        each = (
            f"{name} {n} in batches of at most {card.batch_size[name]}"
            for name, n in card.epochs.items()
        )
        yield f"- epochs of networks, at most: {', '.join(each)}"
    for name, of in card.departures.items():
        yield f"- {name} is not as published (in brackets what is): {', '.join(of)}"
    for note in card.notes:
        yield f"- {note}"
    yield ""


def _tables(card: BulkRunCard, summary: pd.DataFrame, metrics: Sequence[str]) -> Iterator[str]:
    """One table a metric: mean over genes, in each fold and over folds."""
    folds = list(dict.fromkeys(summary["fold"]))
    for metric in metrics:
        of_metric = summary[summary["metric"] == metric]
        if of_metric.empty:
            continue
        yield f"## {_NAMES[metric].capitalize()}"
        yield ""
        band = (
            f"; the band is that of {card.shuffled_runs} runs of ridge with labels exchanged among "
            "the training bags (2.5 and 97.5 percentiles)"
        )
        yield f"Mean over genes{band if SHUFFLED in set(of_metric['model']) else ''}."
        yield ""
        heads = ["mean over folds" if fold == "*" else f"fold {fold}" for fold in folds]
        yield f"| row | {' | '.join(heads)} | undefined |"
        yield "|---|" + "---:|" * (len(folds) + 1)
        for model in dict.fromkeys(of_metric["model"]):
            of_model = of_metric[of_metric["model"] == model].set_index("fold")
            cells = [_cell(of_model, fold) for fold in folds]
            n_undefined = of_model.loc["*", "n_undefined"]
            undefined = "" if pd.isna(n_undefined) else f"{n_undefined:.0f}"
            yield f"| {model} | {' | '.join(cells)} | {undefined} |"
        yield ""


def _cell(of_model: pd.DataFrame, fold: str) -> str:
    if fold not in of_model.index:
        return ""
    row = of_model.loc[fold]
    band: str = "" if pd.isna(row["low"]) else f" ({row['low']:.3f} to {row['high']:.3f})"
    return f"{row['mean']:.3f}{band}"


def _findings(card: BulkRunCard) -> Iterator[str]:
    yield "## Checks"
    yield ""
    for check in card.checks:
        yield f"- **{check.code}** ({check.level}): {check.message}. {check.remedy}."
    if not card.checks:
        yield "All passed without a remark."

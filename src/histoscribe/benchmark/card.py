"""The protocol card of a run, as JSON and in words."""

import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from histoscribe.benchmark.card_pathways import pathway_lines
from histoscribe.benchmark.card_rows import row_lines
from histoscribe.benchmark.card_target import fold_lines, target_lines
from histoscribe.benchmark.cell import predictor_folder
from histoscribe.benchmark.file_names import labels_of
from histoscribe.benchmark.foreign.cards import foreign_cards, foreign_leaks, foreign_lines
from histoscribe.benchmark.part_tables import parts_cards
from histoscribe.benchmark.plan import RunPlan
from histoscribe.benchmark.results import Results
from histoscribe.benchmark.score import EVERY
from histoscribe.data.fold_settings import leaks_in_words
from histoscribe.data.folds import fold_cards, folds_hash
from histoscribe.data.target import Target
from histoscribe.metrics.chance import CHANCE_Q, SHUFFLED_RUNS, ChanceCount, least_q
from histoscribe.metrics.registry import METRICS
from histoscribe.precision import arithmetic
from histoscribe.predictor.facts import cohort_card, needs_in_words, versions
from histoscribe.predictor.folder import read_training_card
from histoscribe.train.departures import departures
from histoscribe.train.row import ModelRow
from histoscribe.train.settings import InputSettings, TrainSettings
from histoscribe.types import (
    Check,
    EncoderUse,
    Fold,
    GeneMap,
    RowCard,
    RunCard,
    RunEncoders,
    ScorePartsCard,
    SectionCard,
    StainCard,
)

AGGREGATION = "mean over genes in a section, over sections in a patient, over patients"


def run_card(
    results: Results,
    targets: Sequence[tuple[Fold, Target]],
    scores: pd.DataFrame,
    checks: Sequence[Check],
    maps: tuple[Sequence[GeneMap], Sequence[GeneMap]],
) -> RunCard:
    """Card of a run: everything that its numbers depend on; `maps` are of genes and of pathways."""
    plan: RunPlan = results.plan
    settings = plan.settings
    return RunCard(
        protocol=settings.folds.protocol,
        leaky="; ".join((*leaks_in_words(settings.folds), *foreign_leaks(plan))) or None,
        grouping=settings.folds.protocol,
        seed=settings.seed,
        patients=tuple(sorted({truth.patient for truth in results.truths})),
        sections=cohort_card(plan.run_data.cohort, plan.run_data.cohort.ids),
        folds=fold_cards(plan.folds),
        folds_sha256=folds_hash(plan.folds),
        target={fold.name: target.card() for fold, target in targets},
        gene_labels=_labels(plan, targets),
        inputs=settings.inputs.model_dump(mode="json"),
        encoder=RunEncoders(used=tuple(_encoders_used(plan)), models=_encoder_of_each(plan)),
        models={row.name: _row_card(plan, row) for row in settings.rows},
        train=settings.train.model_dump(mode="json"),
        metrics=tuple(METRICS),
        aggregation=AGGREGATION,
        shuffled_runs=SHUFFLED_RUNS,
        per_patient=per_patient(scores),
        constant_predictions=results.constant,
        best_model=results.best(),
        maps=tuple(maps[0]),
        pathways={name: of.card for name, of in plan.pathways.items()},
        pathway_maps=tuple(maps[1]),
        checks=tuple(checks),
        versions=versions(),
        parts=parts_cards(results.parts),
        foreign=foreign_cards(plan),
        stain=_references(plan),
        facts=_shared_facts(plan.run_data.cohort.facts),
    )


def _shared_facts(by_section: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Facts that every section states alike."""
    first, *others = by_section.values()
    return {
        name: value
        for name, value in sorted(first.items())
        if value and all(of.get(name) == value for of in others)
    }


def _labels(plan: RunPlan, targets: Sequence[tuple[Fold, Target]]) -> dict[str, str]:
    return dict(labels_of(plan.run_data.cohort, (g for _, target in targets for g in target.genes)))


def _encoder_of_each(plan: RunPlan) -> dict[str, str]:
    asked = plan.settings
    return {row.name: row.encoder or asked.inputs.encoder for row in asked.rows}


def _encoders_used(plan: RunPlan) -> Iterator[EncoderUse]:
    """Encoders of a run, with the precision used, which may exceed the requested one."""
    run_data = plan.run_data
    for encoder in run_data.encoders():
        # an encoder trained by folds has other weights in each
        source = run_data.source(encoder)
        for fold in plan.folds if source.by_fold else plan.folds[:1]:
            encoding = run_data.encoding(encoder, fold)
            yield EncoderUse(
                encoder=encoding.encoder,
                layer=encoding.layer,
                weights=encoding.weights,
                tile_px=encoding.tile_px,
                mpp=encoding.mpp,
                white_off_tissue=encoding.white_off_tissue,
                precision=encoding.precision,
                precision_used=run_data.precision_used(encoder, fold),
                fold=fold.name if source.by_fold else None,
                needs=source.needs(),
            )


def _references(plan: RunPlan) -> dict[str, StainCard]:
    """Reference colour of each fold; empty without normalisation."""
    stains = {fold.name: plan.run_data.tiles.geometry(fold).stain for fold in plan.folds}
    return {
        name: StainCard(mean=stain.mean, deviation=stain.deviation)
        for name, stain in stains.items()
        if stain is not None
    }


def _row_card(plan: RunPlan, row: ModelRow) -> RowCard:
    """Settings, number of fitted parameters in each fold, and initial weights of networks."""
    cards = {
        fold.name: read_training_card(predictor_folder(plan.out, row.name, fold))
        for fold in plan.folds
    }
    weights = {name: card.weights for name, card in cards.items()}
    exemplars = {name: card.exemplars for name, card in cards.items()}
    train = plan.settings.train.of(row.recipe) if row.is_network else None
    return RowCard(
        model=row.model,
        settings=dict(plan.settings.settings.get(row.name, {})),
        n_parameters={name: card.n_parameters for name, card in cards.items()},
        epochs=None if train is None else train.epochs,
        batch_size=None if train is None else train.batch_size,
        departures=departures(plan.settings, row),
        weights={name: of for name, of in weights.items() if of is not None},
        exemplars={name: of for name, of in exemplars.items() if of is not None},
        steer={name: of.steer for name, of in cards.items() if of.steer is not None},
    )


def per_patient(scores: pd.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
    """Metric -> model -> patient -> value, for the two headline metrics."""
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for metric in ("pcc", "pcc_given_depth"):
        rows = scores[(scores["metric"] == metric) & (scores["section"] != EVERY)]
        sections = rows.groupby(["model", "patient", "fold", "section"], sort=False)["value"].mean()
        patients = sections.groupby(["model", "patient"], sort=False).mean()
        table: dict[str, dict[str, float | None]] = {}
        for (name, patient), value in zip(patients.index, patients.to_list(), strict=True):
            table.setdefault(name, {})[patient] = None if math.isnan(value) else value
        found[metric] = table
    return found


def card_text(card: RunCard, chance: Mapping[str, ChanceCount]) -> str:
    """The card in words, as Markdown; `chance` counts the genes of each model above chance."""
    lines = [
        f"# Protocol card: {card.protocol}",
        *([f"\n**LEAKY: {card.leaky}**"] if card.leaky else []),
        "",
        f"- Patients tested: {', '.join(card.patients)}; grouped by {card.grouping}; "
        f"seed {card.seed}.",
        f"- Folds: {len(card.folds)}, in folds.json (sha256 {card.folds_sha256[:12]}).",
        *target_lines(card),
        *(f"- Encoder: {_encoder(used)}." for used in card.encoder.used),
        *(f"- Arithmetic: {arithmetic(used.precision)}." for used in card.encoder.used[:1]),
        *_stain_lines(InputSettings.model_validate(card.inputs)),
        f"- Scores: {card.aggregation}; undefined scores are left out and counted.",
        f"- Shuffled band: ridge, {card.shuffled_runs} runs, rows permuted within a section.",
        *_chance_lines(chance, card.shuffled_runs),
        f"- Best by `pcc_given_depth` on the test sections: {card.best_model}; the maps are of it.",
        *(f"- Shown in maps: {gene} ({why})." for gene, why in _shown(card)),
        "",
        *foreign_lines(card),
        *_part_lines(card.parts),
        "## Sections",
        "",
        "| section | patient | spots | median total | um/px | left out | notes |",
        "|---|---|---|---|---|---|---|",
        *(_section_row(name, section) for name, section in sorted(card.sections.items())),
        "",
        *fold_lines(card),
        *pathway_lines(card.pathways, TrainSettings.model_validate(card.train)),
        *row_lines(card.models, TrainSettings.model_validate(card.train)),
        *_check_lines(card.checks),
        "## Versions",
        "",
        ", ".join(f"{name} {version}" for name, version in sorted(card.versions.items())),
        "",
    ]
    return "\n".join(lines)


def _check_lines(checks: Sequence[Check]) -> Iterator[str]:
    """Findings of the checks; empty without any."""
    if checks:
        yield from ("## Checks", "")
        yield from (f"- **{c.code}** ({c.level}): {c.message}. {c.remedy}." for c in checks)
        yield ""


def _chance_lines(chance: Mapping[str, ChanceCount], n_runs: int) -> Iterator[str]:
    """Genes above chance of all models, in one line; the bounds are those of all of them."""
    if not chance:
        return
    first = next(iter(chance.values()))
    each = ", ".join(
        f"{model} {of.n_above_band} ({of.n_above_chance})" for model, of in chance.items()
    )
    yield (
        f"- Genes above their own band, of {first.n_genes}, by chance up to "
        f"{first.n_by_chance:.0f} (in brackets those with q < {CHANCE_Q:g}): {each}. {n_runs} "
        f"shuffled runs give a gene that is found alone no q below {least_q(n_runs):.2g}."
    )


def _shown(card: RunCard) -> list[tuple[str, str]]:
    label = card.gene_labels
    return sorted({(label.get(item.gene, item.gene), item.why) for item in card.maps})


def _encoder(used: EncoderUse) -> str:
    layer = f" ({used.layer})" if used.layer else ""
    off = "made white" if used.white_off_tissue else "kept"
    trained = f", trained in fold {used.fold}" if used.fold else ""
    return (
        f"{used.encoder}{layer}, weights: {used.weights[:19]}, tiles of {used.tile_px} px at "
        f"{used.mpp:g} um/px, off-tissue pixels {off}, {used.precision_used}{trained}"
        f"{needs_in_words(used.needs)}"
    )


def _stain_lines(inputs: InputSettings) -> Iterator[str]:
    if inputs.stain == "reinhard":
        yield (
            "- Stain: the tissue of every slide is given the mean and deviation of colour of its "
            "fold's training slides (Reinhard); inner folds share that reference."
        )
    if inputs.hed_jitter > 0:
        yield (
            f"- Training spots: besides, {inputs.views} of each with its stains jittered "
            f"(HED, up to {inputs.hed_jitter:g}); test spots as they are."
        )


def _part_lines(parts: Mapping[str, ScorePartsCard]) -> Iterator[str]:
    """Table of the scores in parts; empty for a card without them."""
    if not parts:
        return
    yield "## Scores in parts"
    yield ""
    yield (
        "Correlation over all spots and genes of a section (mean over sections, then patients): "
        "the sum of what comes from the means of the genes, from depth within genes, and from the "
        "rest within genes."
    )
    yield ""
    yield "| model | correlation | gene means | depth | rest within genes |"
    yield "|---|---|---|---|---|"
    for model, of in parts.items():
        numbers = (of.correlation, of.gene_means, of.depth, of.rest)
        # adding zero turns -0.000 into 0.000
        yield f"| {model} | {' | '.join(f'{round(n, 3) + 0.0:.3f}' for n in numbers)} |"
    yield ""


def _section_row(name: str, section: SectionCard) -> str:
    dropped = ", ".join(f"{why} {n}" for why, n in sorted(section.dropped.items()) if n) or "none"
    notes = "; ".join(section.notes) or "none"
    return (
        f"| {name} | {section.patient} | {section.spots} | {section.median_total:.0f} "
        f"| {section.mpp:g} | {dropped} | {notes} |"
    )

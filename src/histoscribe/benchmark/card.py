"""The protocol card of a run, as JSON and in words."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from histoscribe.benchmark.band import RUNS
from histoscribe.benchmark.card_rows import row_lines
from histoscribe.benchmark.cell import predictor_folder
from histoscribe.benchmark.file_names import labels_of
from histoscribe.benchmark.maps import GeneMap
from histoscribe.benchmark.plan import RunPlan
from histoscribe.benchmark.results import Check, Results
from histoscribe.benchmark.score import EVERY
from histoscribe.data.fold_settings import leaks_in_words
from histoscribe.data.folds import folds_hash, folds_json
from histoscribe.data.target import Target
from histoscribe.metrics.registry import METRICS
from histoscribe.predictor.facts import cohort_card, versions
from histoscribe.predictor.folder import read_record
from histoscribe.types import Fold

AGGREGATION = "mean over genes in a section, over sections in a patient, over patients"


def run_card(
    results: Results,
    targets: Sequence[tuple[Fold, Target]],
    scores: pd.DataFrame,
    checks: Sequence[Check],
    maps: Sequence[GeneMap],
) -> dict[str, Any]:
    """Everything a number of this run depends on."""
    plan: RunPlan = results.plan
    settings = plan.settings
    return {
        "protocol": settings.folds.protocol,
        "leaky": "; ".join(leaks_in_words(settings.folds)) or None,
        "grouping": "patient" if settings.folds.protocol == "patient" else settings.folds.protocol,
        "seed": settings.seed,
        "patients": sorted({truth.patient for truth in results.truths}),
        "sections": cohort_card(plan.bank.cohort, plan.bank.cohort.ids),
        "folds": folds_json(plan.folds),
        "folds_sha256": folds_hash(plan.folds),
        "target": {fold.name: target.card() for fold, target in targets},
        "gene_labels": _labels(plan, targets),
        "inputs": settings.inputs.model_dump(mode="json"),
        "encoder": {"used": _encoders_used(plan), "models": _encoder_of_each(plan)},
        **_references(plan),
        "models": {m: _model_card(plan, m) for m in settings.models},
        "train": settings.train.model_dump(mode="json"),
        "metrics": list(METRICS),
        "aggregation": AGGREGATION,
        "shuffled_runs": RUNS,
        "per_patient": per_patient(scores),
        "constant_predictions": results.constant,
        "best_model": results.best(),
        "maps": [item.to_json() for item in maps],
        "checks": [check.to_json() for check in checks],
        "versions": versions(),
    }


def _labels(plan: RunPlan, targets: Sequence[tuple[Fold, Target]]) -> dict[str, str]:
    return dict(labels_of(plan.bank.cohort, (g for _, target in targets for g in target.genes)))


def _encoder_of_each(plan: RunPlan) -> dict[str, str]:
    asked = plan.settings
    return {row.name: row.encoder or asked.inputs.encoder for row in asked.rows}


def _encoders_used(plan: RunPlan) -> list[dict[str, Any]]:
    """Every encoder, and the precision it ran in, which may be more than was asked for."""
    bank = plan.bank
    used = []
    for encoder in bank.encoders():
        # an encoder that folds train has other weights in each
        source = bank.source(encoder)
        for fold in plan.folds if source.by_fold else plan.folds[:1]:
            # the colour of the training slides stands on the card by itself
            encoding = replace(bank.encoding(encoder, fold), stain=None).to_json()
            fold_of = {"fold": fold.name} if source.by_fold else {}
            precision = bank.precision_used(encoder, fold)
            used.append({**encoding, "precision_used": precision, **fold_of, **source.needs()})
    return used


def _references(plan: RunPlan) -> dict[str, Any]:
    """The colour that the slides of each fold were given; nothing where they kept their own."""
    if not plan.bank.tiles.normalised:
        return {}
    found = {fold.name: plan.bank.encoding(None, fold).to_json() for fold in plan.folds}
    return {"stain": {name: encoding["stain"] for name, encoding in found.items()}}


def _model_card(plan: RunPlan, model: str) -> dict[str, Any]:
    """Settings, the number of fitted numbers in each fold, and what networks started from."""
    folders = {fold.name: predictor_folder(plan.out, model, fold) for fold in plan.folds}
    cards = {name: read_record(folder)["card"] for name, folder in folders.items()}
    said = {
        key: {name: card[key] for name, card in cards.items() if key in card}
        for key in ("n_parameters", "weights", "exemplars")
    }
    settings = dict(plan.settings.settings.get(model, {}))
    said = {key: by_fold for key, by_fold in said.items() if by_fold}
    return {"model": plan.settings.row(model).model, "settings": settings, **said}


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


def card_text(card: dict[str, Any]) -> str:
    """The card in words, as Markdown."""
    target = next(iter(card["target"].values()))
    lines = [
        f"# Protocol card: {card['protocol']}",
        *([f"\n**LEAKY: {card['leaky']}**"] if card["leaky"] else []),
        "",
        f"- Patients tested: {', '.join(card['patients'])}; grouped by {card['grouping']}; "
        f"seed {card['seed']}.",
        f"- Folds (sha256 {card['folds_sha256'][:12]}): see folds.json.",
        f"- Inner validation: {_validations(card)}.",
        *(f"- Target: {key} {value}." for key, value in sorted(target.items())),
        *(f"- Encoder: {_encoder(used)}." for used in card["encoder"]["used"]),
        *_stain_lines(card["inputs"]),
        f"- Scores: {card['aggregation']}; undefined scores are left out and counted.",
        f"- Shuffled band: ridge, {card['shuffled_runs']} runs, rows permuted within a section.",
        f"- Best by `pcc_given_depth` on the test sections: {card['best_model']}; the maps are "
        "of it.",
        *(f"- Shown in maps: {gene} ({why})." for gene, why in _shown(card)),
        "",
        "## Sections",
        "",
        "| section | patient | spots | median total | um/px | left out | notes |",
        "|---|---|---|---|---|---|---|",
        *(_section_row(name, card["sections"][name]) for name in sorted(card["sections"])),
        "",
        *row_lines(card),
        "## Checks",
        "",
        *(
            f"- **{c['code']}** ({c['level']}): {c['message']}. {c['remedy']}."
            for c in card["checks"]
        ),
        "",
        "## Versions",
        "",
        ", ".join(f"{name} {version}" for name, version in sorted(card["versions"].items())),
        "",
    ]
    return "\n".join(lines)


def _validations(card: dict[str, Any]) -> str:
    return ", ".join(f"{fold['name']} by {fold['validation']}" for fold in card["folds"])


def _shown(card: dict[str, Any]) -> list[tuple[str, str]]:
    label = card["gene_labels"]
    return sorted({(label.get(item["gene"], item["gene"]), item["why"]) for item in card["maps"]})


def _encoder(used: dict[str, Any]) -> str:
    layer = f" ({used['layer']})" if used["layer"] else ""
    off = "made white" if used["white_off_tissue"] else "kept"
    trained = f", trained in fold {used['fold']}" if "fold" in used else ""
    if "perceptual" in used:
        trained += f", windows compared by {used['perceptual']}"
    return (
        f"{used['encoder']}{layer}, weights: {used['weights']}, tiles of {used['tile_px']} px at "
        f"{used['mpp']:g} um/px, off-tissue pixels {off}, {used['precision_used']}{trained}"
    )


def _stain_lines(inputs: dict[str, Any]) -> Iterator[str]:
    if inputs["stain"] == "reinhard":
        yield (
            "- Stain: the tissue of every slide is given the mean and deviation of colour of its "
            "fold's training slides (Reinhard); inner folds share that reference."
        )
    if inputs["hed_jitter"] > 0:
        yield (
            f"- Training spots: besides, {inputs['views']} of each with its stains jittered "
            f"(HED, up to {inputs['hed_jitter']:g}); test spots as they are."
        )


def _section_row(name: str, section: dict[str, Any]) -> str:
    dropped = (
        ", ".join(f"{why} {n}" for why, n in sorted(section["dropped"].items()) if n) or "none"
    )
    notes = "; ".join(section["notes"]) or "none"
    return (
        f"| {name} | {section['patient']} | {section['spots']} | {section['median_total']:.0f} "
        f"| {section['mpp']:g} | {dropped} | {notes} |"
    )

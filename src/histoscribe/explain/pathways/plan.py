"""What the question `pathways` checks before the long work."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from histoscribe.data.genesets import PathwaySettings, open_gene_sets, panel_pathways
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.pathways.answer import PathwaysAnswer
from histoscribe.explain.pathways.border import both_sides
from histoscribe.explain.pathways.halves import LEAST_GENES
from histoscribe.explain.pathways.pool import measured_everywhere
from histoscribe.explain.pathways.question import PathwaysQuestionSettings
from histoscribe.explain.pathways.training import HalfTraining
from histoscribe.explain.request import AnswerPlan, ExplainRequest, unknown_sections
from histoscribe.explain.retraining.recipe import training_recipe
from histoscribe.io.sections.labels import read_labels
from histoscribe.models.evidence import PathwayModel, models_with
from histoscribe.near_names import did_you_mean
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section

MOST_DRAWN = 4
"""Pathways in the figure of maps."""


def plan_pathways(request: ExplainRequest, settings: PathwaysQuestionSettings) -> AnswerPlan:
    """Find sections, genes and labels, and plan the training.

    Raises
    ------
    DataContractError
        for a model without scores of named pathways, unknown sections and pathways, sections
        without counts, labels that cannot be used, and sets with too few genes to measure by.
    """
    problems = [*_model_problems(request.predictor)]
    problems += unknown_sections(request.cohort, settings.sections, "section")
    problems += unknown_sections(request.cohort, settings.labels, "labels")
    if problems:
        raise DataContractError(problems)
    problems += _name_problems(request.predictor, settings.pathways)
    chosen = _sections(request, settings)
    problems += _section_problems(request, settings, chosen)
    problems += _label_problems(settings, chosen)
    if problems:
        raise DataContractError(problems)
    training: HalfTraining | None = None
    trained: tuple[str, ...] = ()
    if settings.retrain:
        trained = tuple(id_ for id_ in request.cohort.ids if id_ in request.predictor.card.sections)
        training = HalfTraining.plan(request, trained, tuple(of.id for of in chosen))
        sets: Mapping[str, tuple[str, ...]] = training.halves.measured_sets()
    else:
        sets = _outside_panel(request.predictor, settings.gene_sets, chosen)
    usable = measured_everywhere(chosen)
    measured = {name: [g for g in genes if g in usable] for name, genes in sets.items()}
    kept = {name: tuple(genes) for name, genes in measured.items() if len(genes) >= LEAST_GENES}
    missing = [name for name in settings.pathways if name not in kept]
    if not kept or missing:
        raise DataContractError(_too_few(request.predictor, measured, missing, settings))
    answer = PathwaysAnswer(request, chosen, kept, training, settings)
    read = (*(request.cohort[id_] for id_ in trained), *chosen)
    return AnswerPlan(about=answer.about, sections=read, work=answer.work)


def _model_problems(predictor: Predictor) -> Iterator[Problem]:
    where = f"predictor {predictor.name}"
    expected = "a predictor of a model that gives each spot scores of pathways"
    if not isinstance(predictor.model, PathwayModel) or predictor.fitted.item != "section":
        names = [name for name in models_with(PathwayModel) if not name.endswith("-global")]
        yield Problem(
            where,
            f"{predictor.model.name} gives no spot scores of pathways",
            expected,
            f"train {' or '.join(names)} with gene sets (pathways.sets)",
        )
    elif predictor.fitted.pathways is None or predictor.card.pathways is None:
        yield Problem(
            where,
            "its pathways have no names: no gene set says which genes belong to them",
            expected,
            "train it with gene sets (pathways.sets)",
        )


def _name_problems(predictor: Predictor, names: tuple[str, ...]) -> Iterator[Problem]:
    sets = predictor.fitted.pathways
    known = () if sets is None else sets.names
    for name in names:
        if name not in known:
            yield Problem(
                where=f"pathway {name}",
                found="no such pathway in the predictor",
                expected=f"one of {', '.join(known)}",
                remedy=did_you_mean(name, known, "correct the name"),
            )
    if len(names) > MOST_DRAWN:
        yield Problem(
            where="explain pathways, pathways",
            found=f"{len(names)} pathways",
            expected=f"at most {MOST_DRAWN}, which the figure has room for",
            remedy="ask for the others in a second folder; the tables have all",
        )


def _sections(request: ExplainRequest, settings: PathwaysQuestionSettings) -> tuple[Section, ...]:
    """Named sections; by default those of held-out patients."""
    if settings.sections:
        return tuple(request.cohort[name] for name in settings.sections)
    return tuple(of for of in request.cohort if not _was_trained_on(request.predictor, of))


def _was_trained_on(predictor: Predictor, section: Section) -> bool:
    card = predictor.card
    known = section.patient is not None and section.patient in card.patients
    return section.id in card.sections or known


def _section_problems(
    request: ExplainRequest, settings: PathwaysQuestionSettings, chosen: tuple[Section, ...]
) -> Iterator[Problem]:
    name = request.predictor.name
    if not chosen:
        yield Problem(
            where="the cohort",
            found=f"only patients whom {name} was trained on",
            expected="at least one section of another patient, to measure activity in",
            remedy="give a predictor that was trained without some patients, e.g. one of a "
            "benchmark, or more sections",
        )
    for section in chosen:
        if section.counts is None:
            yield Problem(
                where=f"section {section.id}",
                found="no counts",
                expected="counts, from which activity is measured",
                remedy="leave the section out (sections)",
            )
    if settings.retrain:
        yield from _training_problems(request, settings, chosen)


def _training_problems(
    request: ExplainRequest, settings: PathwaysQuestionSettings, chosen: tuple[Section, ...]
) -> Iterator[Problem]:
    predictor = request.predictor
    for section in chosen:
        where = f"section {section.id}"
        if _was_trained_on(predictor, section):
            yield Problem(
                where,
                f"{predictor.name} was trained on it, or on its patient",
                "sections of other patients: the model is trained again on these",
                "leave it out (sections), or ask with retrain = false",
            )
        elif section.patient is None:
            yield Problem(
                where,
                "no patient, so it may be of one whom the model is trained on",
                "sections with the name of their patient",
                "name the patient in the manifest, or ask with retrain = false",
            )
    if settings.gene_sets is not None:
        yield Problem(
            where="explain pathways, gene_sets",
            found="a file of gene sets, and a training, which takes those of the predictor",
            expected="one of them",
            remedy="leave the file out, or ask with retrain = false",
        )
    cohort = request.cohort.ids
    if lacking := [id_ for id_ in predictor.card.sections if id_ not in cohort]:
        yield Problem(
            where="the cohort",
            found=f"no section {', '.join(lacking)}, only {', '.join(cohort)}",
            expected=f"every training section of {predictor.name}, too: the model is trained "
            "again on them",
            remedy="give the whole cohort, or ask with retrain = false",
        )


def _label_problems(
    settings: PathwaysQuestionSettings, chosen: tuple[Section, ...]
) -> Iterator[Problem]:
    by_id = {section.id: section for section in chosen}
    border = settings.border
    if (border is None) != (not settings.labels):
        found = "a border, and no labels" if border else "labels, and no border"
        yield Problem(
            where="explain pathways, border",
            found=found,
            expected="both: tables of labels, and the label whose border gives the distance",
            remedy="add the other one, or leave both out",
        )
        return
    for id_, path in settings.labels.items():
        if id_ not in by_id:
            expected = f"one of {', '.join(by_id)}"
            yield Problem(
                f"labels {id_}", "not one of the chosen sections", expected, "leave them out"
            )
            continue
        try:
            labels = read_labels(path, by_id[id_].spots)
        except DataContractError as error:
            yield from error.problems
            continue
        if border is not None and not both_sides(labels, border).all():
            classes = sorted({label for label in labels if label is not None})
            yield Problem(
                where=f"labels {id_}",
                found=f"the labels {', '.join(classes)}",
                expected=f"{border} and at least one other label: a border has two sides",
                remedy=did_you_mean(border, classes, "name another label, or leave the table out"),
            )


def _outside_panel(
    predictor: Predictor, source: str | None, chosen: tuple[Section, ...]
) -> Mapping[str, tuple[str, ...]]:
    """Set -> its genes outside the panel that all these sections measured."""
    card, known = predictor.card.pathways, predictor.fitted.pathways
    if card is None or known is None:
        raise ValueError("a predictor without named pathways")
    settings = training_recipe(predictor).pathways
    if source is not None:
        settings = PathwaySettings(sets=source, orthologues=settings.orthologues)
    sets = open_gene_sets(settings)
    if sets is None or sets.hash != card.sha256:
        raise DataContractError(
            Problem(
                where=f"gene sets {settings.sets}",
                found=f"other sets than those of the training of {predictor.name}",
                expected=f"{card.source} with the content of sha256 {card.sha256[:12]}",
                remedy="give that file (gene_sets), or ask with retrain = true",
            )
        )
    ids, panel = measured_everywhere(chosen), set(predictor.target.genes)
    names = {
        id_: name
        for of in chosen
        for id_, name in zip(of.measured.gene_ids, of.measured.gene_names, strict=True)
    }
    every = panel_pathways(replace(sets, min_members=1), ids, [names[id_] for id_ in ids]).pathways
    members = {
        name: tuple(ids[gene] for gene in row.nonzero()[0] if ids[gene] not in panel)
        for name, row in zip(every.names, every.members, strict=True)
        if name in known.names
    }
    return {name: genes for name, genes in members.items() if genes}


def _too_few(
    predictor: Predictor,
    measured: Mapping[str, list[str]],
    missing: list[str],
    settings: PathwaysQuestionSettings,
) -> Problem:
    most = max((len(genes) for genes in measured.values()), default=0)
    which = f"too few genes of {', '.join(missing)}" if missing else "too few genes of every set"
    kind = "outside the training" if settings.retrain else "outside the panel"
    return Problem(
        where=f"predictor {predictor.name}",
        found=f"{which} {kind} that all sections measured; the most of a set is {most}",
        expected=f"at least {LEAST_GENES} genes of a set that activity is measured by"
        + (", and as many to train on" if settings.retrain else ""),
        remedy="ask with retrain = false: genes outside the panel are then used"
        if settings.retrain
        else "ask with retrain = true, or take a smaller panel",
    )

"""What the question `together` needs, checked before the long work."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Int

from histoscribe.data.genesets import (
    GeneSets,
    PanelPathways,
    PathwaySettings,
    open_gene_sets,
    panel_pathways,
)
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.request import (
    AnswerPlan,
    ExplainRequest,
    problems_of,
    trained_on,
    unknown_sections,
)
from histoscribe.explain.together.answer import TogetherAnswer
from histoscribe.explain.together.held_out import (
    HeldOutSections,
    mean_expression,
    measured_section,
)
from histoscribe.explain.together.pairs import PairSection
from histoscribe.explain.together.question import TogetherQuestionSettings
from histoscribe.explain.together.shuffled_rows import ShuffledRows
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import GeneLookup, Section

FEWEST_GENES, MOST_GENES = 8, 300
"""Genes to compare: fewer have less than 28 pairs, more have over 45,000."""
_BETWEEN = ":"
_WITHOUT = "none"


@dataclass(frozen=True)
class _Genes:
    """Columns of the named genes (empty: all of the panel), and pairs of columns."""

    named: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]


def plan_together(request: ExplainRequest, settings: TogetherQuestionSettings) -> AnswerPlan:
    """Find held-out sections, genes, pairs and sets, and plan the trainings on shuffled rows.

    Raises
    ------
    DataContractError
        for unknown sections and genes, sections of training patients, without counts or with few
        spots, fewer than eight genes that can be compared, gene sets that do not fit, and a
        predictor that cannot be trained again on this cohort.
    """
    predictor = request.predictor
    genes: list[_Genes] = []
    sets: list[GeneSets | None] = []
    shuffled: list[ShuffledRows] = []
    sections: list[Section] = []
    every: list[PairSection] = []
    known = [name for name in settings.sections if name in request.cohort.ids]
    problems = [
        *unknown_sections(request.cohort, settings.sections, "section"),
        *problems_of(
            [
                lambda: genes.append(_genes(predictor, settings)),
                lambda: sets.append(_open_sets(settings.sets)),
                lambda: sections.extend(_held_out(request, known)),
                lambda: every.extend(_measured(predictor, sections)),
                lambda: shuffled.append(ShuffledRows.plan(request, settings.shuffles)),
            ]
        ),
    ]
    if problems:
        raise DataContractError(problems)
    columns = _compared(predictor, every, genes[0])
    held_out = HeldOutSections(
        predictor, tuple(sections), tuple(section.of_genes(columns) for section in every), columns
    )
    answer = TogetherAnswer(
        held_out=held_out,
        shuffled=shuffled[0],
        sets=_sets_of(sets[0], predictor, columns),
        pairs=tuple(_places(columns, pair) for pair in genes[0].pairs),
        cache=request.cache,
    )
    trained = [request.cohort[name] for name in sorted(predictor.card.sections)]
    return AnswerPlan(about=answer.about, sections=(*trained, *sections), work=answer.work)


def _genes(predictor: Predictor, settings: TogetherQuestionSettings) -> _Genes:
    """Find genes and pairs; raises DataContractError with all that are unknown."""
    panel = predictor.target.genes
    lookup = GeneLookup(zip(panel, predictor.gene_names, strict=True), predictor.name)
    halves = {pair: [name.strip() for name in pair.split(_BETWEEN)] for pair in settings.pairs}
    wrong = [pair for pair, names in halves.items() if not _are_two(lookup, names)]
    problems = [_no_pair(pair) for pair in wrong]
    of_pairs = [name for pair, names in halves.items() if pair not in wrong for name in names]
    problems += lookup.problems(dict.fromkeys([*settings.genes, *of_pairs]))
    if len(settings.genes) > MOST_GENES:
        problems.append(_number_of_genes(len(settings.genes), "genes named"))
    if problems:
        raise DataContractError(problems)
    place = {gene: column for column, gene in enumerate(panel)}
    pairs = [tuple(place[lookup.id_of(name)] for name in names) for names in halves.values()]
    named = [place[gene] for gene in lookup.ids(settings.genes)]
    return _Genes(tuple(named), tuple((one, other) for one, other in pairs))


def _are_two(lookup: GeneLookup, names: Sequence[str]) -> bool:
    """Whether names mean two different genes; the id and the symbol of one gene do not."""
    ids = {lookup.id_of(name) if lookup.means_one(name) else name for name in names}
    return len(names) == len(ids) == 2


def _no_pair(pair: str) -> Problem:
    return Problem(
        where=f"pair {pair}",
        found="no two different genes",
        expected="two genes with a colon between them, e.g. ERBB2:GRB7",
        remedy="name both genes of the pair",
    )


def _open_sets(sets: str) -> GeneSets | None:
    return None if sets == _WITHOUT else open_gene_sets(PathwaySettings(sets=sets))


def _sets_of(
    sets: GeneSets | None, predictor: Predictor, columns: Int[np.ndarray, " g"]
) -> PanelPathways | None:
    if sets is None:
        return None
    ids, names = (
        [of[column] for column in columns] for of in (predictor.target.genes, predictor.gene_names)
    )
    try:
        return panel_pathways(sets, ids, names)
    except DataContractError as error:
        without = Problem(
            where="sets",
            found="gene sets that do not fit the compared genes",
            expected="sets of these genes, or none",
            remedy="give another file, or `none` for programmes without sets",
        )
        raise DataContractError([*error.problems, without]) from None


def _held_out(request: ExplainRequest, names: Sequence[str]) -> tuple[Section, ...]:
    """Sections of patients that training held out; raises DataContractError for others."""
    predictor, cohort = request.predictor, request.cohort
    sections = [cohort[name] for name in names or cohort.ids]
    words = {section.id: trained_on(predictor, section) for section in sections}
    if names and (trained := {id_: why for id_, why in words.items() if why is not None}):
        raise DataContractError([_in_training(id_, why) for id_, why in trained.items()])
    held_out = tuple(section for section in sections if words[section.id] is None)
    if not held_out:
        raise DataContractError(_none_held_out(predictor))
    return held_out


def _in_training(section: str, why: str) -> Problem:
    return Problem(
        where=f"section {section}",
        found=why,
        expected="a section of a patient that training held out",
        remedy="name other sections, or leave `sections` out for all that training held out",
    )


def _none_held_out(predictor: Predictor) -> Problem:
    return Problem(
        where="the cohort",
        found=f"all of its patients were in the training of {predictor.name}",
        expected="a patient that training held out, to compare maps with what was measured",
        remedy="give a predictor that holds a patient out, as in the folder of a benchmark "
        "(RUN/predictors/MODEL/FOLD), or a cohort with further patients",
    )


def _measured(predictor: Predictor, sections: Sequence[Section]) -> tuple[PairSection, ...]:
    """Read every section; raises DataContractError with the problems of all of them."""
    read: list[PairSection] = []

    def add(section: Section) -> None:
        read.append(measured_section(predictor, section))

    if problems := problems_of([partial(add, section) for section in sections]):
        raise DataContractError(problems)
    return tuple(read)


def _compared(
    predictor: Predictor, sections: Sequence[PairSection], genes: _Genes
) -> Int[np.ndarray, " g"]:
    """Columns of the genes that vary at both ends of each section, in order of the panel.

    Raises DataContractError for a pair with another gene, and for too few genes.
    """
    varies = np.logical_and.reduce([section.varies for section in sections])
    of_pairs = sorted({column for pair in genes.pairs for column in pair})
    labels = predictor.gene_labels
    problems = [_constant(labels[column]) for column in of_pairs if not varies[column]]
    columns = set(genes.named or _highest(sections, varies, MOST_GENES)) | set(of_pairs)
    compared = np.array(sorted(column for column in columns if varies[column]), dtype=np.int64)
    if len(compared) < FEWEST_GENES:
        problems.append(
            _number_of_genes(len(compared), "genes that vary at both ends of every section")
        )
    if problems:
        raise DataContractError(problems)
    return compared


def _highest(sections: Sequence[PairSection], varies: np.ndarray, n_genes: int) -> Iterator[int]:
    """Columns of the genes that vary, those with the highest mean expression."""
    mean = np.where(varies, mean_expression(sections), -np.inf)
    return (int(column) for column in np.argsort(-mean, kind="stable")[:n_genes])


def _constant(label: str) -> Problem:
    return Problem(
        where=f"gene {label}",
        found="it was not measured, or is constant, at an end of a held-out section",
        expected="a gene of a pair that varies at both ends of every section",
        remedy="leave the pair out, or name sections in which the gene varies (`sections`)",
    )


def _number_of_genes(n_genes: int, what: str) -> Problem:
    return Problem(
        where="explain together, genes",
        found=f"{n_genes} {what}",
        expected=f"{FEWEST_GENES} to {MOST_GENES}: pairs of fewer genes show nothing, and those "
        "of more make no picture",
        remedy="name other genes, or leave `genes` out",
    )


def _places(columns: Int[np.ndarray, " g"], pair: tuple[int, int]) -> tuple[int, int]:
    """Places of a pair of columns among the compared genes."""
    one, other = np.searchsorted(columns, pair)
    return int(one), int(other)

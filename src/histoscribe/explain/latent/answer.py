"""The answer to `latent`: whether a network groups spots by their tissue or by their patient."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.manifold import TSNE

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.latent.purity import (
    N_NEAREST,
    nearest,
    nearest_within,
    same_kind_share,
    shuffled_share,
)
from histoscribe.explain.latent.question import LatentQuestionSettings
from histoscribe.explain.representation import Representation, represent, sample
from histoscribe.explain.request import AnswerPlan, ExplainRequest, trained_on, unknown_sections
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.io.sections.labels import read_labels
from histoscribe.models.base import Estimator
from histoscribe.plot.embedding import Colouring, draw_embedding
from histoscribe.seed import integer
from histoscribe.threads import fixed_threads
from histoscribe.types import Section

FIGURE, TABLE = "latent.png", "latent.csv"
PERPLEXITY = 30.0
_SEED = 0  # of sampling, shuffles and t-SNE; nobody needs another one


def plan_latent(request: ExplainRequest, settings: LatentQuestionSettings) -> AnswerPlan:
    """Find the sections, check their labels, and plan the work on them.

    Raises
    ------
    DataContractError
        For a model that is no network, an unknown section, labels that cannot be used and too few
        spots.
    """
    cohort, model = request.cohort, request.predictor.model
    problems = unknown_sections(cohort, settings.sections, "section")
    problems += unknown_sections(cohort, settings.labels, "labels")
    if isinstance(model, Estimator):
        problems.append(
            Problem(
                where=f"predictor {request.predictor.name}",
                found=f"{model.name} is no network: it has no layer between features and genes",
                expected="a predictor of a network",
                remedy="give a predictor of another model",
            )
        )
    elif model.item == "bag":
        problems.append(
            Problem(
                where=f"predictor {request.predictor.name}",
                found=f"{model.name} reads all tiles of a patient as one",
                expected="a predictor of a network that represents single spots",
                remedy="give a predictor of another model",
            )
        )
    if problems:
        raise DataContractError(problems)
    sections = tuple(cohort[name] for name in settings.sections or cohort.ids)
    problems += _label_problems(settings.labels, sections)
    n_spots = sum(len(section.spots) for section in sections)
    if n_spots <= N_NEAREST:
        expected = f"at least {N_NEAREST + 1}, to have {N_NEAREST} neighbours"
        problems.append(Problem("the cohort", f"{n_spots} spots", expected, "give more sections"))
    if problems:
        raise DataContractError(problems)
    answer = LatentAnswer(request, sections, settings.labels)
    return AnswerPlan(about=answer.about, sections=sections, work=answer.work)


@final
@dataclass(frozen=True, eq=False)
class LatentAnswer:
    """Answers the question for some sections."""

    request: ExplainRequest
    sections: tuple[Section, ...]
    labels: Mapping[str, Path]
    """Table of labels of a section; some sections have none."""

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, sections, labels, and how the figure is made."""
        predictor = self.request.predictor
        files = sorted(self.labels.items())
        labels = [f"{id_} sha256:{hashlib.sha256(f.read_bytes()).hexdigest()}" for id_, f in files]
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "sections": " ".join(section.id for section in self.sections),
            "labels": ", ".join(labels) or "none",
            "figure": f"t-SNE, started from PCA, perplexity at most {PERPLEXITY:g}, seed {_SEED}",
            "neighbours": f"{N_NEAREST} nearest by L2 in what the last layer reads",
        }

    def work(self, out: Path) -> Finding:
        """Represent the spots, count how many neighbours are of the same kind, and draw them."""
        request = self.request
        every = represent(request.predictor, self.sections, request.cache, self.labels)
        spots = sample(every, _SEED)
        by_patient = same_kind_share(nearest(spots.values), spots.keys.patient_names)
        statistic, null = _patient_numbers(spots, by_patient)
        colourings = [_colouring("patient", spots.keys.patient_names.tolist(), statistic, null)]
        labelled = np.flatnonzero([label is not None for label in spots.label])
        by_label = np.full(len(spots), np.nan)
        if len(labelled) > N_NEAREST:
            part = spots.take(labelled)
            by_label[labelled] = same_kind_share(nearest(part.values), _labels(part))
            numbers = _label_numbers(part, by_label[labelled])
            colourings.append(_colouring("label", spots.label, *numbers))
            statistic, null = [*statistic, *numbers[0]], [*null, *numbers[1]]
        xy = tsne(spots.values)
        write_text(out / TABLE, _table(spots, xy, by_patient, by_label))
        draw_embedding(xy, colourings, self._title(len(spots), len(every)), out / FIGURE)
        return Finding(
            question="latent",
            about=self.about,
            folder=out,
            figures=(FIGURE,),
            tables=(TABLE,),
            statistic=tuple(statistic),
            null=tuple(null),
            caveat=tuple(self._caveats(spots, len(labelled))),
        )

    def _title(self, n_drawn: int, n_spots: int) -> str:
        of = f"{n_spots:,} spots" if n_drawn == n_spots else f"{n_drawn:,} of {n_spots:,} spots"
        return (
            f"What the last layer of {self.request.predictor.name} reads: {of}\n"
            f"t-SNE, perplexity {perplexity(n_drawn):g}. Its distances mean little;\n"
            "the numbers are of the representation itself."
        )

    def _caveats(self, spots: Representation, n_labelled: int) -> list[str]:
        caveats = [
            "Distances, sizes and gaps in a t-SNE mean little; the numbers are of the "
            "representation itself.",
            "Neighbouring spots of a tissue look alike and often have the same label: compare the "
            "share with the same label with the share of the nearest spots by place.",
        ]
        if 0 < n_labelled <= N_NEAREST:
            caveats.append(f"{n_labelled} spots have labels: too few to look at their neighbours.")
        if len(np.unique(spots.keys.patient)) == 1:
            caveats.append(
                "All spots are of one patient: whether it separates patients is not known."
            )
        trained = [trained_on(self.request.predictor, section) for section in self.sections]
        known = [words for words in trained if words is not None]
        if known:
            caveats.append(f"Not held out: {'; '.join(known)}.")
        return caveats


def tsne(values: Float[np.ndarray, "N R"]) -> Float[np.ndarray, "N 2"]:
    """Place points in the plane by t-SNE; equal points give equal places.

    Of raw values by L2, started from PCA (van der Maaten and Hinton, JMLR 9:2579, 2008).
    """
    method = TSNE(
        init="pca", perplexity=perplexity(len(values)), random_state=integer(_SEED, "explain-tsne")
    )
    with fixed_threads():  # with several threads, sums would have no fixed order
        return method.fit_transform(values.astype(np.float32)).astype(np.float64)


def perplexity(n_spots: int) -> float:
    """Perplexity of the t-SNE: 30, at most a third of the other spots."""
    return min(PERPLEXITY, (n_spots - 1) / 3)


def _label_problems(labels: Mapping[str, Path], sections: Sequence[Section]) -> list[Problem]:
    problems: list[Problem] = []
    by_id = {section.id: section for section in sections}
    for id_, path in labels.items():
        if id_ not in by_id:
            found, expected = "not one of the chosen sections", f"one of {', '.join(by_id)}"
            problems.append(Problem(f"labels {id_}", found, expected, "name the section, too"))
            continue
        try:
            read_labels(path, by_id[id_].spots)
        except DataContractError as error:
            problems += error.problems
    return problems


def _labels(spots: Representation) -> tuple[str, ...]:
    return tuple(str(label) for label in spots.label)


_NumberLists = tuple[list[Number], list[Number]]


def _patient_numbers(spots: Representation, shares: Float[np.ndarray, " N"]) -> _NumberLists:
    """How many neighbours are of the same patient; no numbers where there is one patient."""
    patient = spots.keys.patient_names
    if len(np.unique(patient)) < 2:
        return [], []
    meaning = f"of the {N_NEAREST} nearest spots, the share of the same patient"
    together = len(spots) * ("",)
    drawn = shuffled_share(nearest(spots.values), patient, together, _SEED)
    before = same_kind_share(nearest(spots.feature), patient).mean()
    return [Number("same_patient", float(shares.mean()), meaning)], [
        Number.of_draws("same_patient", drawn, f"{meaning}, patients shuffled among all spots"),
        Number("same_patient_in_features", float(before), f"{meaning}, in the encoder's features"),
    ]


def _label_numbers(spots: Representation, shares: Float[np.ndarray, " N"]) -> _NumberLists:
    """How many neighbours of labelled spots have the same label."""
    labels = _labels(spots)
    meaning = f"of the {N_NEAREST} nearest labelled spots, the share with the same label"
    section = spots.keys.section_names
    drawn = shuffled_share(nearest(spots.values), labels, section, _SEED)
    before = same_kind_share(nearest(spots.feature), labels).mean()
    null = [
        Number.of_draws("same_label", drawn, f"{meaning}, labels shuffled within each section"),
        Number("same_label_in_features", float(before), f"{meaning}, in the encoder's features"),
    ]
    if min(len(rows) for _, _, rows in spots.keys.by_section()) > N_NEAREST:
        place = same_kind_share(nearest_within(spots.um, section), labels).mean()
        meaning_place = (
            f"{meaning}, nearest by place in the section, whatever the tissue looks like"
        )
        null.append(Number("same_label_by_place", float(place), meaning_place))
    return [Number("same_label", float(shares.mean()), meaning)], null


def _colouring(
    what: str,
    names: Sequence[str | None],
    statistic: Sequence[Number],
    null: Sequence[Number],
) -> Colouring:
    if not statistic:
        return Colouring(f"by {what}", tuple(names))
    share, by_chance, before = statistic[0].value, null[0].value, null[1].value
    numbers = (
        f"{share:.2f} of the {N_NEAREST} nearest share it\n"
        f"(shuffled {by_chance:.2f}, in the encoder's features {before:.2f})"
    )
    return Colouring(f"by {what}: {numbers}", tuple(names))


def _table(
    spots: Representation,
    xy: Float[np.ndarray, "N 2"],
    by_patient: Float[np.ndarray, " N"],
    by_label: Float[np.ndarray, " N"],
) -> str:
    table = pd.DataFrame(
        {
            "section": spots.keys.section_names,
            "patient": spots.keys.patient_names,
            "spot": spots.keys.spot,
            "label": spots.label,
            "tsne_1": xy[:, 0],
            "tsne_2": xy[:, 1],
            "same_patient": by_patient,
            "same_label": by_label,
        }
    )
    return csv_text(table)

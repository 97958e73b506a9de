"""`explain latent`: does a network see spots by what the tissue is, or by whose it is."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.latent.purity import (
    N_NEAREST,
    nearest,
    nearest_within,
    own_share,
    shuffled_share,
)
from histoscribe.explain.representation import Representation, drawn, represent
from histoscribe.explain.request import ExplainRequest, Question, trained_on, unknown_sections
from histoscribe.io.atomic import write_text
from histoscribe.io.sections.labels import read_labels
from histoscribe.models.base import Estimator
from histoscribe.plot.embedding import Colouring, draw_embedding
from histoscribe.seed import integer
from histoscribe.types import Section

FIGURE, TABLE = "latent.png", "latent.csv"
PERPLEXITY = 30.0
_SEED = 0  # of drawings and shuffles: a figure needs no seed of its user's


def ask_latent(asked: ExplainRequest) -> Question:
    """Make the question ready: its sections and their labels.

    Raises
    ------
    DataContractError
        An estimator that is no network, an unknown section, labels that do not do, too few spots.
    """
    problems = [
        *_wishes(asked),
        *unknown_sections(asked, asked.sections, "--section"),
        *unknown_sections(asked, asked.labels, "--labels"),
    ]
    model = asked.predictor.model
    if isinstance(model, Estimator):
        problems.append(
            Problem(
                where=f"predictor {asked.predictor.name}",
                found=f"{model.name} is no network: nothing lies between features and genes",
                expected="a predictor of a network",
                remedy="explain a predictor of another model",
            )
        )
    if problems:
        raise DataContractError(problems)
    sections = tuple(asked.cohort[name] for name in asked.sections or asked.cohort.ids)
    problems += _label_problems(asked, sections)
    n_spots = sum(len(section.spots) for section in sections)
    if n_spots <= N_NEAREST:
        expected = f"at least {N_NEAREST + 1}, to have {N_NEAREST} neighbours"
        problems.append(Problem("the cohort", f"{n_spots} spots", expected, "give more sections"))
    if problems:
        raise DataContractError(problems)
    return LatentQuestion(asked, sections)


@final
@dataclass(frozen=True, eq=False)
class LatentQuestion(Question):
    """The sections whose spots are shown."""

    asked: ExplainRequest
    of: tuple[Section, ...]

    @property
    def sections(self) -> tuple[Section, ...]:
        """Those sections."""
        return self.of

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, sections, labels, how it is drawn."""
        predictor = self.asked.predictor
        files = sorted(self.asked.labels.items())
        labels = [f"{id_} sha256:{hashlib.sha256(f.read_bytes()).hexdigest()}" for id_, f in files]
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "sections": " ".join(section.id for section in self.sections),
            "labels": ", ".join(labels) or "none",
            "drawn_by": f"t-SNE, started from PCA, perplexity at most {PERPLEXITY:g}, seed {_SEED}",
            "neighbours": f"{N_NEAREST} nearest by L2 in what the last layer reads",
        }

    def answer(self, out: Path) -> Finding:
        """Represent the spots, measure who lies beside whom, and draw them."""
        every = represent(self.asked, self.sections)
        spots = drawn(every, _SEED)
        beside = nearest(spots.values)
        by_patient = own_share(beside, spots.patient)
        statistic, null = _patients(spots, by_patient)
        colourings = [_colouring("patient", spots.patient, statistic, null)]
        labelled = np.flatnonzero([label is not None for label in spots.label])
        by_label = np.full(len(spots.who), np.nan)
        if len(labelled) > N_NEAREST:
            some = spots.take(labelled)
            by_label[labelled] = own_share(nearest(some.values), _labels(some))
            more = _labels_found(some, by_label[labelled])
            colourings.append(_colouring("label", spots.label, *more))
            statistic, null = [*statistic, *more[0]], [*null, *more[1]]
        xy = tsne(spots.values)
        write_text(out / TABLE, _table(spots, xy, by_patient, by_label))
        draw_embedding(xy, colourings, self._title(len(spots.who), len(every.who)), out / FIGURE)
        return Finding(
            question="latent",
            about=self.about,
            figure=FIGURE,
            table=TABLE,
            statistic=tuple(statistic),
            null=tuple(null),
            caveat=tuple(self._caveats(spots, len(labelled))),
        )

    def _title(self, n_drawn: int, n_spots: int) -> str:
        of = f"{n_spots:,} spots" if n_drawn == n_spots else f"{n_drawn:,} of {n_spots:,} spots"
        return (
            f"What the last layer of {self.asked.predictor.name} reads: {of}\n"
            f"t-SNE, perplexity {perplexity(n_drawn):g}. Distances in it mean little;\n"
            "the numbers are of the representation itself."
        )

    def _caveats(self, spots: Representation, n_labelled: int) -> list[str]:
        said = [
            "Distances, sizes and gaps in a t-SNE mean little; the numbers are of the "
            "representation itself.",
            "Spots that lie beside each other in tissue look alike and share a label: hold the "
            "share by label against that of the places alone.",
        ]
        if 0 < n_labelled <= N_NEAREST:
            said.append(f"{n_labelled} spots have labels: too few to say who lies beside whom.")
        if len(set(spots.patient)) == 1:
            said.append("All spots are of one patient: whether patients lie apart is not known.")
        trained = [trained_on(self.asked.predictor, section) for section in self.sections]
        known = [words for words in trained if words is not None]
        if known:
            said.append(f"Not held out: {'; '.join(known)}.")
        return said


def tsne(values: Float[np.ndarray, "N R"]) -> Float[np.ndarray, "N 2"]:
    """Draw points in the plane; the same points give the same picture.

    Raw values, L2, started from PCA (van der Maaten and Hinton, JMLR 9:2579, 2008).
    """
    method = TSNE(
        init="pca", perplexity=perplexity(len(values)), random_state=integer(_SEED, "explain-tsne")
    )
    with threadpool_limits(1):  # sums of several threads come in no fixed order
        return method.fit_transform(values.astype(np.float32)).astype(np.float64)


def perplexity(n_spots: int) -> float:
    """30, or a third of few spots: beyond that it has no meaning."""
    return min(PERPLEXITY, (n_spots - 1) / 3)


def _wishes(asked: ExplainRequest) -> list[Problem]:
    """Wishes that this question does not have."""
    given = {"--gene": asked.gene, "--spot": " ".join(asked.spots)}
    return [
        Problem(
            where=f"{option} {value}",
            found="a wish for one gene or spot",
            expected="none: what the last layer reads is of all genes, and all spots are drawn",
            remedy="leave it out",
        )
        for option, value in given.items()
        if value
    ]


def _label_problems(asked: ExplainRequest, sections: Sequence[Section]) -> list[Problem]:
    problems: list[Problem] = []
    by_id = {section.id: section for section in sections}
    for id_, path in asked.labels.items():
        if id_ not in by_id:
            found, expected = "not among the sections asked for", f"one of {', '.join(by_id)}"
            problems.append(Problem(f"--labels {id_}", found, expected, "name the section, too"))
            continue
        try:
            read_labels(path, by_id[id_].spots)
        except DataContractError as error:
            problems += error.problems
    return problems


def _labels(spots: Representation) -> tuple[str, ...]:
    return tuple(str(label) for label in spots.label)


_NumberLists = tuple[list[Number], list[Number]]


def _patients(spots: Representation, shares: Float[np.ndarray, " N"]) -> _NumberLists:
    """How far spots lie beside those of their own patient; nothing to say of one patient."""
    if len(set(spots.patient)) < 2:
        return [], []
    says = f"of the {N_NEAREST} nearest spots, the share that is of the same patient"
    together = len(spots.patient) * ("",)
    drawn = shuffled_share(nearest(spots.values), spots.patient, together, _SEED)
    before = own_share(nearest(spots.feature), spots.patient).mean()
    return [Number("same_patient", float(shares.mean()), says)], [
        Number.of_draws("same_patient", drawn, f"{says}, patients shuffled among all spots"),
        Number("same_patient_in_features", float(before), f"{says}, in the encoder's features"),
    ]


def _labels_found(spots: Representation, shares: Float[np.ndarray, " N"]) -> _NumberLists:
    """How far labelled spots lie beside those of their own label."""
    labels = _labels(spots)
    says = f"of the {N_NEAREST} nearest labelled spots, the share that has the same label"
    drawn = shuffled_share(nearest(spots.values), labels, spots.section, _SEED)
    before = own_share(nearest(spots.feature), labels).mean()
    null = [
        Number.of_draws("same_label", drawn, f"{says}, labels shuffled within each section"),
        Number("same_label_in_features", float(before), f"{says}, in the encoder's features"),
    ]
    counts = [spots.section.count(name) for name in set(spots.section)]
    if min(counts) > N_NEAREST:
        place = own_share(nearest_within(spots.um, spots.section), labels).mean()
        says_place = f"{says}, where nearest is by place in the section: no look at the tissue"
        null.append(Number("same_label_by_place", float(place), says_place))
    return [Number("same_label", float(shares.mean()), says)], null


def _colouring(
    what: str,
    names: Sequence[str | None],
    statistic: Sequence[Number],
    null: Sequence[Number],
) -> Colouring:
    if not statistic:
        return Colouring(f"by {what}", tuple(names))
    found, by_chance, before = statistic[0].value, null[0].value, null[1].value
    says = (
        f"{found:.2f} of the {N_NEAREST} nearest share it\n"
        f"(shuffled {by_chance:.2f}, in the encoder's features {before:.2f})"
    )
    return Colouring(f"by {what}: {says}", tuple(names))


def _table(
    spots: Representation,
    xy: Float[np.ndarray, "N 2"],
    by_patient: Float[np.ndarray, " N"],
    by_label: Float[np.ndarray, " N"],
) -> str:
    table = pd.DataFrame([asdict(who) for who in spots.who])
    table = table.assign(
        tsne_1=xy[:, 0], tsne_2=xy[:, 1], same_patient=by_patient, same_label=by_label
    )
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")

"""One class against the rest: held-out scores of every classifier, and the same by chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from histoscribe.explain.subtypes.classifiers import (
    HeldShape,
    fit_additive,
    logistic_score,
    trees_score,
)
from histoscribe.explain.subtypes.held_out import (
    PatientFold,
    auroc_within_folds,
    held_out_scores,
    patient_folds,
)
from histoscribe.explain.subtypes.image_expression import on_measured_scale
from histoscribe.explain.subtypes.panel import SubtypePanel
from histoscribe.explain.subtypes.templates import TableTemplates, template_scores
from histoscribe.explain.subtypes.visible_panel import visible_panel
from histoscribe.seed import stream

MEASURED, PREDICTED, VISIBLE = "measured", "predicted", "visible"


@dataclass(frozen=True, eq=False)
class Expression:
    """Measured and predicted expression of labelled patients, and the panel to read."""

    measured: Float[np.ndarray, "N A"]
    predicted: Float[np.ndarray, "N A"] | None
    """NaN for genes that were not predicted."""
    panel: SubtypePanel


@dataclass(frozen=True, eq=False)
class LabelledPatients:
    """Patients with one label, and their divisions."""

    label: str
    rows: Int[np.ndarray, " N"]
    """Places among all patients."""
    subtype: tuple[str, ...]
    """Class of each."""
    classes: tuple[str, ...]
    """Classes that are scored: all, or the rarer one of two."""
    folds: tuple[PatientFold, ...]

    def is_of(self, name: str) -> Bool[np.ndarray, " N"]:
        """Whether each patient is of a class."""
        return np.array([subtype == name for subtype in self.subtype])

    def permuted(self, draw: int, seed: int) -> "LabelledPatients":
        """Labels permuted over the patients, who are divided anew, as often as before."""
        rng = stream(seed, f"subtypes-permutation-{self.label}-{draw}")
        subtype = tuple(self.subtype[at] for at in rng.permutation(len(self.rows)))
        n_repeats = self.folds[-1].repeat + 1
        folds = patient_folds(subtype, len(self.folds) // n_repeats, n_repeats, seed)
        return replace(self, subtype=subtype, folds=folds)


@dataclass(frozen=True, eq=False)
class AdditiveScores:
    """Held-out boosting machines of one class."""

    auroc: Mapping[str, float]
    """By what was read: measured, predicted, visible."""
    direction: Int[np.ndarray, "K F"]
    """Of the machine of each fold: 1 for a term that rises with its gene, -1 for one that falls."""
    share_of_panels: Float[np.ndarray, " A"] | None
    """Share of folds whose visible panel has a gene; None without predictions."""


def additive_scores(of: Expression, patients: LabelledPatients, name: str) -> AdditiveScores:
    """Fit on measured expression of training patients; score measured and predicted of the others.

    Everything is chosen and scaled on training patients, the visible panel on inner folds of them.
    """
    positive = patients.is_of(name)
    scores: dict[str, Float[np.ndarray, "R N"]] = {}
    shape = (patients.folds[-1].repeat + 1, len(positive))
    terms, share = [], np.zeros(of.measured.shape[1])
    for fold in patients.folds:
        x = of.panel.read(of.measured, fold.train)
        model = fit_additive(x[fold.train], positive[fold.train])
        terms.append(model.terms(x))
        found = {MEASURED: model.score(x[fold.test])}
        if of.predicted is not None:
            images = on_measured_scale(of.predicted, of.measured, fold.train)
            found[PREDICTED] = model.score(of.panel.read(images, fold.train)[fold.test])
            columns = visible_panel(
                of.measured, of.predicted, positive, fold.train, len(of.panel.names)
            )
            share[columns] += 1 / len(patients.folds)
            visible = fit_additive(of.measured[np.ix_(fold.train, columns)], positive[fold.train])
            found[VISIBLE] = visible.score(images[np.ix_(fold.test, columns)])
        for what, values in found.items():
            scores.setdefault(what, np.full(shape, np.nan))[fold.repeat, fold.test] = values
    x = of.panel.read(of.measured, np.arange(len(positive)))
    return AdditiveScores(
        auroc={w: auroc_within_folds(s, patients.folds, positive) for w, s in scores.items()},
        direction=np.array([term_direction(term, x) for term in terms]),
        share_of_panels=None if of.predicted is None else share,
    )


def term_direction(
    terms: Float[np.ndarray, "N F"], x: Float[np.ndarray, "N F"]
) -> Int[np.ndarray, " F"]:
    """Whether the term of a gene rises or falls with it: the sign of their covariance."""
    covariance = ((terms - terms.mean(axis=0)) * (x - x.mean(axis=0))).mean(axis=0)
    return np.sign(np.where(np.abs(covariance) < 1e-12, 0.0, covariance)).astype(np.int64)


def compared_aurocs(
    of: Expression, patients: LabelledPatients, name: str, templates: TableTemplates | None
) -> dict[str, float]:
    """AUROC of the other classifiers on the same folds."""
    positive = patients.is_of(name)

    def logistic(fold: PatientFold) -> Float[np.ndarray, " m"]:
        x = of.panel.read(of.measured, fold.train)
        return logistic_score(x[fold.train], positive[fold.train], x[fold.test])

    def trees(fold: PatientFold) -> Float[np.ndarray, " m"]:
        x = of.panel.read(of.measured, fold.train)
        return trees_score(x[fold.train], positive[fold.train], x[fold.test])

    scorers = {"logistic": logistic, "trees": trees}
    if templates is not None and name in templates.classes:
        column = templates.classes.index(name)

        def nearest(fold: PatientFold) -> Float[np.ndarray, " m"]:
            return template_scores(templates, of.measured, fold.train)[fold.test, column]

        scorers["templates"] = nearest
    return {
        method: auroc_within_folds(held_out_scores(patients.folds, score), patients.folds, positive)
        for method, score in scorers.items()
    }


def constrained_auroc(
    of: Expression, patients: LabelledPatients, name: str, hold: Mapping[int, HeldShape]
) -> float:
    """AUROC of boosting machines whose functions of some genes keep a shape."""
    positive = patients.is_of(name)

    def score(fold: PatientFold) -> Float[np.ndarray, " m"]:
        x = of.panel.read(of.measured, fold.train)
        return fit_additive(x[fold.train], positive[fold.train], hold).score(x[fold.test])

    return auroc_within_folds(held_out_scores(patients.folds, score), patients.folds, positive)


def labelled_patients(
    label: str, cells: Sequence[str], n_folds: int, n_repeats: int, seed: int
) -> LabelledPatients:
    """Take the patients that have a label; of two classes only the rarer one is scored."""
    rows = np.array([at for at, cell in enumerate(cells) if cell], dtype=np.int64)
    subtype = tuple(cells[at] for at in rows)
    classes = sorted(set(subtype))
    if len(classes) == 2:
        classes = [min(classes, key=lambda name: (subtype.count(name), name))]
    folds = patient_folds(subtype, n_folds, n_repeats, seed)
    return LabelledPatients(label, rows, subtype, tuple(classes), folds)

"""Alerts of a run: the finding of each check, its meaning and its remedy."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from histoscribe.report.text import sentence
from histoscribe.types import Check

MEANING = MappingProxyType(
    {
        "leaky": (
            "Leaky protocol",
            "The scores are too high by an unknown amount; they say nothing about new patients.",
        ),
        "leaky-panel": (
            "Leaky choice of genes",
            "Test sections had a say in which genes are predicted, so scores may be too high.",
        ),
        "leaky-epoch": (
            "Leaky choice of the epoch",
            "The best of many networks was picked by the test scores themselves.",
        ),
        "leaky-twins": (
            "One picture on both sides",
            "A model can recall the answer instead of predicting it.",
        ),
        "leaky-training": (
            "Trained on the patients that it predicts",
            "A model can recall these patients instead of predicting them: scores are too high.",
        ),
        "training-unknown": (
            "Training patients unknown",
            "A prediction does not show what its model was trained on: a leak cannot be excluded.",
        ),
        "foreign-inside-band": (
            "A prediction shows nothing beyond chance",
            "Ridge on shuffled expression scores as high, once depth is taken into account.",
        ),
        "unit-unknown": (
            "Unit unknown",
            "Correlations along a gene need no unit; errors, and all that compares genes, do.",
        ),
        "unit-differs": (
            "Another unit than the target",
            "Correlations are with values on another scale, and errors have no meaning.",
        ),
        "unit-doubtful": (
            "Doubtful unit",
            "Errors against measured values mean nothing if the unit is another one.",
        ),
        "spots-not-predicted": (
            "Spots without a prediction",
            "All rows are scored on the rest, so the table is fair, but not of the whole tissue.",
        ),
        "rows-unknown": (
            "Rows that are no spots",
            "They have no counts to be compared with.",
        ),
        "genes-not-predicted": (
            "A smaller panel",
            "All rows are scored on the genes that were predicted, which may be easier ones.",
        ),
        "columns-unknown": (
            "Columns that are no genes",
            "They have no counts to be compared with.",
        ),
        "foreign-shifted": (
            "A prediction may be shifted",
            "If it was made for other places, its scores are too low.",
        ),
        "one-patient": (
            "One patient",
            "People differ more than sections of one person do, and this run cannot show how much.",
        ),
        "few-patients": (
            "Few patients",
            "Differences between models may be differences between these patients.",
        ),
        "inner-validation": (
            "Settings were chosen without whole held-out patients",
            "Networks may have kept a setting that fits known patients, which costs score on new "
            "ones. The test scores stay honest.",
        ),
        "baselines-missing": (
            "Baselines are missing",
            "A score without simple models beside it cannot be judged.",
        ),
        "shallow": (
            "Shallow sections",
            "Counts this low are mostly sampling noise, which no model can predict.",
        ),
        "coarse-image": (
            "Coarse image",
            "Shape and texture of cells are lost; what is left is colour and density.",
        ),
        "random-weights": (
            "Random weights",
            "The encoder was never trained, so its features are a weak baseline.",
        ),
        "shifted-spots": (
            "Spots may be shifted",
            "If image and spots do not fit, every score of this section is too low or wrong.",
        ),
        "spots-off-tissue": (
            "Spots beside the tissue",
            "Spots on bare glass have no tissue to predict from, or lie at the wrong place.",
        ),
        "axes-of-spots": (
            "Axes may be exchanged",
            "Each spot would then be paired with the tissue of another one.",
        ),
        "twin-images": (
            "Sections with the same image",
            "One of them may have the image of another section.",
        ),
        "inside-band": (
            "Nothing beyond chance",
            "Ridge on shuffled expression scores as high as the best model.",
        ),
        "depth-visible": (
            "The image shows depth",
            "Dense tissue gives more molecules of every gene: a model can score without knowing "
            "any single gene.",
        ),
        "depth-explains": (
            "Depth explains much of the score",
            "A good part of the plain correlation is the number of molecules of a spot, not the "
            "gene.",
        ),
        "collapsed": (
            "Flat predictions",
            "A network that gives almost one value everywhere has learned little of these genes.",
        ),
        "side-task": (
            "A side task outweighs the genes",
            "The network was moved more by a concept than by what it predicts: scores of genes may "
            "have paid for it.",
        ),
        "not-unlearned": (
            "A concept was not unlearned",
            "The network is as without this concept, so it may still represent it.",
        ),
        "undefined-scores": (
            "Undefined scores",
            "A gene without variation has no correlation to find.",
        ),
        "scored-by-patient": (
            "Models of whole patients",
            "They predict one value a patient, so scores over spots are not meant for them.",
        ),
        "constant-predictions": (
            "Constant predictions",
            "A model that gives one value everywhere scores 0 for the gene.",
        ),
    }
)
"""Code of a check -> its title, and what its finding means for the scores."""
_MOST_ON_TOP = 3


@dataclass(frozen=True)
class Alert:
    """One finding in words."""

    level: str
    title: str
    finding: str
    meaning: str
    remedy: str


def alerts(checks: Sequence[Check]) -> tuple[Alert, ...]:
    """All findings, warnings first; otherwise in the order of the checks."""
    in_order = sorted(checks, key=lambda check: check.level != "warning")
    return tuple(_alert(check) for check in in_order)


def worst(listed: Sequence[Alert]) -> tuple[Alert, ...]:
    """The first warnings, for the top of the page."""
    return tuple(alert for alert in listed if alert.level == "warning")[:_MOST_ON_TOP]


def _alert(check: Check) -> Alert:
    title, meaning = MEANING[check.code]
    return Alert(check.level, title, sentence(check.message), meaning, sentence(check.remedy))

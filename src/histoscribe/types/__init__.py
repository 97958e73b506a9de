"""The records that travel between rooms; each checks itself once, when made.

Axis letters: N spots of a section, A genes measured, G genes predicted, B items in a batch,
K context entries, E exemplars, D feature width, M evidence columns, P tile side in px.
"""

from histoscribe.types.folds import Fold, Inner, SpotRows
from histoscribe.types.prediction import Prediction
from histoscribe.types.tissue import Cohort, CohortEntry, Counts, Section, Slide, Spots
from histoscribe.types.training import Images, Inputs, Output, SpotTable

__all__ = [
    "Cohort",
    "CohortEntry",
    "Counts",
    "Fold",
    "Images",
    "Inner",
    "Inputs",
    "Output",
    "Prediction",
    "Section",
    "Slide",
    "SpotRows",
    "SpotTable",
    "Spots",
]

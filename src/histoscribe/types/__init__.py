"""Records that travel between rooms; each checks itself once, when made.

Axis letters: N spots of a section, A genes measured, G genes predicted, B items in a batch,
K context entries, E exemplars, D feature width, M evidence columns, P tile side in px
(in gene sets: pathways).

Records are imported on first use: those of training need torch, those of tissue do not.
"""

from typing import TYPE_CHECKING

from histoscribe.lazy import imported_on_use

if TYPE_CHECKING:
    from histoscribe.types.bulk import Bag as Bag
    from histoscribe.types.bulk import BulkPrediction as BulkPrediction
    from histoscribe.types.bulk import BulkTable as BulkTable
    from histoscribe.types.bulk import BulkUnit as BulkUnit
    from histoscribe.types.bulk import TileEvidence as TileEvidence
    from histoscribe.types.bulk_card import BulkRunCard as BulkRunCard
    from histoscribe.types.card import BenchmarkCard as BenchmarkCard
    from histoscribe.types.card import EncoderCard as EncoderCard
    from histoscribe.types.card import ExemplarsCard as ExemplarsCard
    from histoscribe.types.card import ModelSource as ModelSource
    from histoscribe.types.card import PathwaysCard as PathwaysCard
    from histoscribe.types.card import ScoreCard as ScoreCard
    from histoscribe.types.card import SectionCard as SectionCard
    from histoscribe.types.card import SpotSizes as SpotSizes
    from histoscribe.types.card import SteerCard as SteerCard
    from histoscribe.types.card import TargetCard as TargetCard
    from histoscribe.types.card import TrainingCard as TrainingCard
    from histoscribe.types.folds import Fold as Fold
    from histoscribe.types.folds import Folds as Folds
    from histoscribe.types.folds import Inner as Inner
    from histoscribe.types.folds import SpotRows as SpotRows
    from histoscribe.types.foreign_card import ForeignCard as ForeignCard
    from histoscribe.types.foreign_card import ForeignSectionCard as ForeignSectionCard
    from histoscribe.types.gene_lookup import GeneLookup as GeneLookup
    from histoscribe.types.pathways import PATHWAYS as PATHWAYS
    from histoscribe.types.pathways import Pathways as Pathways
    from histoscribe.types.prediction import CLIPPED as CLIPPED
    from histoscribe.types.prediction import DISTANCE as DISTANCE
    from histoscribe.types.prediction import TRUSTED as TRUSTED
    from histoscribe.types.prediction import Head as Head
    from histoscribe.types.prediction import PredictedBlock as PredictedBlock
    from histoscribe.types.prediction import Prediction as Prediction
    from histoscribe.types.run_card import Check as Check
    from histoscribe.types.run_card import EncoderUse as EncoderUse
    from histoscribe.types.run_card import FoldCard as FoldCard
    from histoscribe.types.run_card import GeneMap as GeneMap
    from histoscribe.types.run_card import InnerCard as InnerCard
    from histoscribe.types.run_card import RowCard as RowCard
    from histoscribe.types.run_card import RunCard as RunCard
    from histoscribe.types.run_card import RunEncoders as RunEncoders
    from histoscribe.types.run_card import ScorePartsCard as ScorePartsCard
    from histoscribe.types.run_card import StainCard as StainCard
    from histoscribe.types.spot_keys import SpotKeys as SpotKeys
    from histoscribe.types.tile_limit import TileLimit as TileLimit
    from histoscribe.types.tissue import Cohort as Cohort
    from histoscribe.types.tissue import CohortEntry as CohortEntry
    from histoscribe.types.tissue import Counts as Counts
    from histoscribe.types.tissue import Section as Section
    from histoscribe.types.tissue import Shape as Shape
    from histoscribe.types.tissue import Slide as Slide
    from histoscribe.types.tissue import Spots as Spots
    from histoscribe.types.training import BagImages as BagImages
    from histoscribe.types.training import CountDistribution as CountDistribution
    from histoscribe.types.training import CountFamily as CountFamily
    from histoscribe.types.training import Images as Images
    from histoscribe.types.training import Inputs as Inputs
    from histoscribe.types.training import Item as Item
    from histoscribe.types.training import Labels as Labels
    from histoscribe.types.training import Output as Output
    from histoscribe.types.training import SpotTable as SpotTable

_HOME = {
    **dict.fromkeys(
        ("Bag", "BulkPrediction", "BulkTable", "BulkUnit", "TileEvidence"),
        "histoscribe.types.bulk",
    ),
    "BulkRunCard": "histoscribe.types.bulk_card",
    "GeneLookup": "histoscribe.types.gene_lookup",
    **dict.fromkeys(("Fold", "Folds", "Inner", "SpotRows"), "histoscribe.types.folds"),
    **dict.fromkeys(
        (
            "BenchmarkCard",
            "EncoderCard",
            "ExemplarsCard",
            "PathwaysCard",
            "SteerCard",
            "ScoreCard",
            "SectionCard",
            "SpotSizes",
            "TargetCard",
            "ModelSource",
            "TrainingCard",
        ),
        "histoscribe.types.card",
    ),
    **dict.fromkeys(
        (
            "Check",
            "EncoderUse",
            "FoldCard",
            "GeneMap",
            "InnerCard",
            "RowCard",
            "RunCard",
            "RunEncoders",
            "ScorePartsCard",
            "StainCard",
        ),
        "histoscribe.types.run_card",
    ),
    **dict.fromkeys(("ForeignCard", "ForeignSectionCard"), "histoscribe.types.foreign_card"),
    **dict.fromkeys(("PATHWAYS", "Pathways"), "histoscribe.types.pathways"),
    **dict.fromkeys(
        ("CLIPPED", "DISTANCE", "Head", "PredictedBlock", "Prediction", "TRUSTED"),
        "histoscribe.types.prediction",
    ),
    "SpotKeys": "histoscribe.types.spot_keys",
    "TileLimit": "histoscribe.types.tile_limit",
    **dict.fromkeys(
        ("Cohort", "CohortEntry", "Counts", "Section", "Shape", "Slide", "Spots"),
        "histoscribe.types.tissue",
    ),
    **dict.fromkeys(
        (
            "CountDistribution",
            "CountFamily",
            "BagImages",
            "Images",
            "Inputs",
            "Item",
            "Labels",
            "Output",
            "SpotTable",
        ),
        "histoscribe.types.training",
    ),
}
__all__ = sorted(_HOME)
if not TYPE_CHECKING:  # a type checker would take any name for one that is here
    __getattr__ = imported_on_use(__name__, _HOME)

"""Plan of a run, made before anything is fitted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from histoscribe.benchmark.foreign.common import ForeignPlan, common_folds, common_genes
from histoscribe.benchmark.foreign.model import ForeignModel
from histoscribe.data.folds import fold_cards, make_folds
from histoscribe.data.genesets import PanelPathways
from histoscribe.data.target import Target
from histoscribe.parallel import ALONE, Division
from histoscribe.predictor.encoding import WeightFiles
from histoscribe.predictor.facts import data_files
from histoscribe.progress import track
from histoscribe.train.arguments import run_cohort
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import RunSettings, dump_settings
from histoscribe.types import Cohort, Fold


@dataclass(frozen=True, eq=False)
class RunPlan:
    """Plan of a run before its first fit."""

    run_data: RunData
    folds: tuple[Fold, ...]
    targets: Mapping[str, Target]
    """Panel and transform of each fold, by name."""
    out: Path
    pathways: Mapping[str, PanelPathways] = field(default_factory=dict)
    """Pathways of the panel of each fold, by name; empty in a run without gene sets."""
    foreign: ForeignPlan = field(default_factory=ForeignPlan)
    """Models whose predictions were made elsewhere; none in a benchmark."""
    division: Division = ALONE
    """Where the jobs of the run are done, and which part of them: no result depends on it."""

    @property
    def settings(self) -> RunSettings:
        """Settings as resolved."""
        return self.run_data.settings

    @property
    def models(self) -> tuple[str, ...]:
        """Rows of the tables: models that the run fits, then foreign ones."""
        return (*self.settings.models, *self.foreign.models)

    def has_unit(self, model: str) -> bool:
        """Whether predicted values of a model have the unit of the target."""
        foreign = self.foreign.models.get(model)
        return foreign is None or foreign.unit == self.settings.target.transform

    def files(self) -> dict[str, str]:
        """Files that identify the run in its folder, by name."""
        folds = [card.to_json() for card in fold_cards(self.folds)]
        return {
            "settings.toml": dump_settings(self.settings),
            "folds.json": json.dumps(folds, indent=1, sort_keys=True) + "\n",
            "encoders.json": self.run_data.encoders_text(),
            **self.run_data.identity_files,
            **self.foreign.files(),
            **data_files(self.run_data.cohort),
        }


def make_plan(
    settings: RunSettings,
    out: Path,
    *,
    weights: WeightFiles,
    cache: Path,
    cohort: Cohort | None = None,
    foreign: Sequence[ForeignModel] = (),
) -> RunPlan:
    """Make the folds and their targets; nothing is written.

    `cohort` is the one that the settings name, where it is in memory already. With foreign models,
    the run has the test spots and genes that all of them predicted.

    Raises
    ------
    DataContractError
        for an invalid cohort, settings or weights, and for foreign models without a common spot or
        gene.
    """
    if cohort is None:
        cohort = run_cohort(settings.cohort, settings)
    folds = make_folds(cohort, settings.folds, settings.seed)
    models = {model.name: model for model in foreign}
    foreign_plan = ForeignPlan.of(models, folds)
    folds = common_folds(folds, models) if models else folds
    run_data = RunData(settings, cohort, weights, cache)
    run_data.check(folds)
    targets = {
        fold.name: run_data.target(fold.train, common_genes(fold, models) if models else None)
        for fold in track(folds, "panels and transforms")
    }
    found = {fold.name: run_data.pathways(fold.train, targets[fold.name]) for fold in folds}
    pathways = {name: of for name, of in found.items() if of is not None}
    return RunPlan(run_data, folds, targets, out, pathways, foreign_plan)

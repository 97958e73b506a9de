"""The model of a predictor trained again, without half of the genes of each set."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from histoscribe.data.genesets import GeneSets
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.pathways.halves import SetHalves
from histoscribe.explain.request import ExplainRequest
from histoscribe.explain.retraining.recipe import training_recipe, with_changes
from histoscribe.explain.retraining.retraining import Retraining
from histoscribe.explain.retraining.spot_rows import fold_of
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import tell
from histoscribe.train.run_data import RunData
from histoscribe.types import Cohort, SpotRows


@final
@dataclass(frozen=True, eq=False)
class HalfTraining:
    """A training on the halves of the sets; sections to measure in are held out."""

    retraining: Retraining
    halves: SetHalves

    @classmethod
    def plan(
        cls, request: ExplainRequest, trained: tuple[str, ...], test: tuple[str, ...]
    ) -> "HalfTraining":
        """Read the settings of the training, and check everything before the long work.

        Raises
        ------
        DataContractError
            for settings that nobody kept, and as a training does.
        """
        predictor = request.predictor
        sets, card = predictor.fitted.pathways, predictor.card.pathways
        if sets is None or card is None:
            raise ValueError("a predictor without named pathways")
        halves = SetHalves.of(sets, predictor.target.genes)
        settings = with_changes(
            training_recipe(predictor),
            target={"panel": "list", "genes": list(halves.training_genes)},
            pathways={"first": False},
        )
        cohort = request.cohort.subset((*trained, *test))
        run_data = RunData(settings, cohort, predictor.weights, request.cache)
        run_data.gene_sets = GeneSets(
            source=f"{card.source}, half of the genes of each set",
            licence=card.licence,
            sets=halves.training_sets(),
            min_members=1,  # the network has a token for each pathway of the predictor
        )
        fold = fold_of(cohort, _whole(cohort, trained), _whole(cohort, test))
        run_data.check([fold])
        return cls(Retraining(run_data, fold), halves)

    def predictor(self, resume: Path) -> Predictor:
        """Train, after an estimate; a killed training goes on from its last epoch in `resume`."""
        n_out, n_all = int(self.halves.kept_out.sum()), len(self.halves.panel)
        tell_estimate(
            f"training without {n_out} of {n_all} genes, at most {self.retraining.n_epochs} epochs",
            self.retraining.seconds(),
        )
        tell(f"training without {n_out} of {n_all} genes of the panel")
        return self.retraining.predictor(resume=resume)


def _whole(cohort: Cohort, ids: tuple[str, ...]) -> SpotRows:
    return {id_: np.arange(len(cohort[id_].spots)) for id_ in ids}

"""The model of a predictor trained again on shuffled rows: labels of other spots of the section.

The genes of a spot stay together, so co-expression is as before; what it has to do with the tissue
is gone.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.stats import t

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.finding import Number
from histoscribe.explain.request import ExplainRequest
from histoscribe.explain.retraining.recipe import training_recipe
from histoscribe.explain.retraining.retraining import Retraining
from histoscribe.explain.retraining.spot_rows import fold_of
from histoscribe.explain.together.moved_labels import moved_in_sections
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.seed import integer
from histoscribe.train.run_data import RunData
from histoscribe.types import Cohort

_SEED = 0  # of the shuffles; nobody needs another one


@final
@dataclass(frozen=True, eq=False)
class ShuffledRows:
    """Trainings on shuffled rows, on the training sections of the predictor."""

    retraining: Retraining
    n_trainings: int

    @classmethod
    def plan(cls, request: ExplainRequest, n_trainings: int) -> "ShuffledRows":
        """Check everything before the long work.

        Raises
        ------
        DataContractError
            for a predictor that cannot be trained again, training sections that the cohort lacks,
            and whatever stops a training.
        """
        predictor, cohort = request.predictor, request.cohort
        settings = training_recipe(predictor)
        if lacking := [name for name in predictor.card.sections if name not in cohort.ids]:
            raise DataContractError(_lacking(predictor, lacking, cohort))
        rows = {
            name: np.arange(len(cohort[name].spots)) for name in sorted(predictor.card.sections)
        }
        run_data = RunData(settings, cohort.subset(list(rows)), predictor.weights, request.cache)
        fold = fold_of(run_data.cohort, rows, {})
        run_data.check([fold])
        return cls(Retraining(run_data, fold, genes_of=predictor.target), n_trainings)

    def tell_estimate(self) -> None:
        """Train for one epoch, and say how long all trainings will take at most."""
        seconds = self.n_trainings * self.retraining.seconds()
        tell_estimate(f"{self.n_trainings} trainings on shuffled rows", seconds)

    def fitted(self, folder: Path) -> Iterator[Fitted]:
        """Train; a killed training goes on from its last epoch in the folder."""
        table = self.retraining.table.as_they_are
        if table.xy_um is None:
            raise ValueError("a training table without places: its labels cannot be moved")
        with closing(track(range(self.n_trainings), "trainings on shuffled rows")) as numbers:
            for number in numbers:
                seed = integer(_SEED, f"together-shuffle-{number}")
                exchange = moved_in_sections(table.keys, table.xy_um, seed)
                yield self.retraining.fit(exchange.apply, resume=folder / str(number))


def number_of_trainings(
    name: str, values: Sequence[float] | Float[np.ndarray, " n"], meaning: str
) -> Number:
    """Mean over trainings, and where one more would lie in 95 % of cases.

    The range is that of Student's t for a further value, for the range of five values leaves out
    a sixth one in a third of all cases.
    """
    of = np.asarray(values, dtype=np.float64)
    words = f"{meaning}; mean of {len(of)} trainings on shuffled rows, 95 % range of a further one"
    if np.isnan(of).any():
        return Number(name, float("nan"), words)
    reach = t.ppf(0.975, len(of) - 1) * of.std(ddof=1) * np.sqrt(1 + 1 / len(of))
    return Number(name, float(of.mean()), words, float(of.mean() - reach), float(of.mean() + reach))


def _lacking(predictor: Predictor, names: Sequence[str], cohort: Cohort) -> Problem:
    return Problem(
        where="the cohort",
        found=f"no section {', '.join(names)}, only {', '.join(cohort.ids)}",
        expected=f"every training section of {predictor.name}, and those of held-out patients: "
        "the model is trained again on shuffled rows",
        remedy="give the whole cohort, with the patients that training held out",
    )

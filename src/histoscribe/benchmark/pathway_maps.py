"""Maps of pathways of a run: measured and predicted activity, side by side."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.benchmark.cell import cell_prediction
from histoscribe.benchmark.file_names import file_name
from histoscribe.benchmark.pathway_scores import HEAD, activity_in_test, head_scores
from histoscribe.benchmark.plan import RunPlan
from histoscribe.benchmark.score import EVERY
from histoscribe.data.activity import activity_of_values
from histoscribe.plot.maps import MapText, expression_map
from histoscribe.predictor.limits import beyond_training
from histoscribe.progress import track
from histoscribe.ties import best_first, first_best
from histoscribe.types import Fold, GeneMap

UNIT = "activity in standard deviations over the spots of the section"


@dataclass(frozen=True)
class _Shown:
    """Model of the maps, and reason for showing each pathway."""

    model: str
    source: str
    pathways: dict[str, str]


def draw_pathway_maps(plan: RunPlan, table: pd.DataFrame) -> list[GeneMap]:
    """Write a map for each test section of the best and the median pathway; existing ones are kept.

    They are of the model whose head predicts pathways best by `pcc_given_depth`; without such a
    head, of the predicted genes. Scores have no unit, so both sides are standardised within the
    section. `table` is that of `pathways_table`.
    """
    shown = _shown(table)
    maps = list(_wanted(plan, shown))
    for fold, item in track(maps, "maps of pathways"):
        if not (plan.out / "figures" / item.file).exists():
            _draw(plan, fold, item, shown.source)
    return [item for _, item in maps]


def _shown(table: pd.DataFrame) -> _Shown:
    overall = table[table["section"] == EVERY].dropna(subset=["pcc_given_depth"])
    if (overall["source"] == HEAD).any():
        overall = overall[overall["source"] == HEAD]
    if overall.empty:
        return _Shown("", "", {})
    means = overall.groupby(["model", "source"], sort=False)["pcc_given_depth"].mean()
    model, source = means.index[first_best(means.to_numpy())]
    own = overall[(overall["model"] == model) & (overall["source"] == source)]
    own = own.sort_values("pathway")
    names = own["pathway"].iloc[best_first(own["pcc_given_depth"].to_numpy(dtype=float))].to_list()
    why = {names[len(names) // 2]: "median pathway", names[0]: "best pathway, chosen on test data"}
    return _Shown(str(model), str(source), why)


def _wanted(plan: RunPlan, shown: _Shown) -> Iterator[tuple[Fold, GeneMap]]:
    done: set[tuple[str, str]] = set()
    for fold in plan.folds:
        names = plan.pathways[fold.name].pathways.names
        for section in sorted(fold.test):
            for name, why in shown.pathways.items():
                if name in names and (section, name) not in done:
                    done.add((section, name))
                    file = f"pathways/{file_name(section)}/{file_name(name)}.png"
                    yield fold, GeneMap(file, section, name, shown.model, why)


def _draw(plan: RunPlan, fold: Fold, item: GeneMap, source: str) -> None:
    pathways = plan.pathways[fold.name].pathways
    target, column = plan.targets[fold.name], pathways.names.index(item.gene)
    prediction = cell_prediction(plan, fold, item.model, item.section)
    scores = head_scores(prediction, pathways) if source == HEAD else None
    if scores is None:
        scores = activity_of_values(prediction.values, pathways)
    measured = activity_in_test(plan, fold, target, item.section, pathways)
    expression_map(
        plan.run_data.cohort[item.section].take(fold.test[item.section]),
        _standardised(measured[:, column]),
        _standardised(scores[:, column]),
        MapText(gene=item.gene, unit=UNIT, model=item.model, why=item.why),
        plan.out / "figures" / item.file,
        beyond_training(prediction),
    )


def _standardised(values: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    deviation = values.std()
    return (values - values.mean()) / (deviation if deviation > 0 else 1.0)

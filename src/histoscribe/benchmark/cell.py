"""One cell of the benchmark: one model fitted for one fold, its predictor and its predictions."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import safetensors.numpy
from safetensors import safe_open

from histoscribe.benchmark.foreign.cells import write_foreign
from histoscribe.benchmark.plan import RunPlan
from histoscribe.data.items.spots import SpotQueries
from histoscribe.data.target import Target
from histoscribe.errors import DataContractError
from histoscribe.io.atomic import replacing
from histoscribe.io.checksums import changed_files
from histoscribe.io.predictions.anndata import read_prediction, write_prediction
from histoscribe.io.tensor_file import tensor_facts
from histoscribe.predictor.fitted_model import BagValues
from histoscribe.predictor.saving import is_predictor, load_predictor
from histoscribe.train.run import fit_predictor
from histoscribe.train.tables import section_queries
from histoscribe.types import Fold, Prediction

_LONGEST = 200  # bytes; the limit is 255, and files carry an ending


def folder_name(fold: Fold) -> str:
    """Folder name of a fold; very long names are shortened, with a hash."""
    name = fold.name
    if len(name.encode()) <= _LONGEST:
        return name
    return f"{name[:40]}...{sha256(name.encode()).hexdigest()[:12]}"


def predictor_folder(out: Path, model: str, fold: Fold) -> Path:
    """Folder of the predictor of a cell."""
    return out / "predictors" / model / folder_name(fold)


def run_cell(plan: RunPlan, fold: Fold, model: str, target: Target) -> None:
    """Fit, save and predict; existing results are kept. A foreign model is only written."""
    if (foreign := plan.foreign.models.get(model)) is not None:
        for section in _missing(plan, fold, model):
            path = _file(plan, fold, model, section)
            write_foreign(foreign, plan.run_data.cohort, fold, target, section, path)
        return
    if is_finished(plan, fold, model):
        return
    row, run_data = plan.settings.row(model), plan.run_data
    folder = predictor_folder(plan.out, model, fold)
    predictor = (
        replace(load_predictor(folder, run_data.weights), device=plan.settings.run.device)
        if is_predictor(folder)
        else fit_predictor(run_data, fold, row, target, folder)
    )
    for section in _missing(plan, fold, model):
        tested = run_data.cohort[section].take(fold.test[section])
        # predictions are written before scores: a resumed run must not add scores to them
        prediction = predictor.from_queries(
            tested, section_queries(run_data, row, section, fold), with_gene_scores=False
        )
        write_prediction(prediction, _file(plan, fold, model, section))
    bags = _bag_file(plan, fold, model)
    if row.item == "bag" and not bags.exists():
        queries = [section_queries(run_data, row, section, fold) for section in sorted(fold.test)]
        _write_bags(predictor.fitted.predict_bags(SpotQueries.concatenate(queries)), bags)


def is_finished(plan: RunPlan, fold: Fold, model: str) -> bool:
    """Whether a cell has its predictor and every prediction."""
    bags = plan.settings.row(model).item != "bag" or _bag_file(plan, fold, model).exists()
    made = is_predictor(predictor_folder(plan.out, model, fold))
    return made and bags and not _missing(plan, fold, model)


def _missing(plan: RunPlan, fold: Fold, model: str) -> list[str]:
    """Test sections without a prediction."""
    return [s for s in sorted(fold.test) if not _file(plan, fold, model, s).exists()]


def check_predictions(out: Path) -> None:
    """Check the predictions that a finished run is to keep, when it is started again.

    Raises
    ------
    DataContractError
        listing every one whose content is not that of the end of the run.
    """

    def kept(name: str) -> bool:
        return name.startswith("predictions/") and (out / name).exists()

    remedy = "remove this file, and run the same command again: it computes what is missing"
    if problems := changed_files(out, kept, remedy):
        raise DataContractError(problems)


def cell_prediction(plan: RunPlan, fold: Fold, model: str, section: str) -> Prediction:
    """Read the prediction of a test section that `run_cell` wrote."""
    return read_prediction(_file(plan, fold, model, section))


def cell_bags(plan: RunPlan, fold: Fold, model: str) -> BagValues:
    """Read the values of the test patients that a model of bags predicted in `run_cell`."""
    path = _bag_file(plan, fold, model)
    tensor_facts(path, "remove this file, and run the same command again")
    with safe_open(path, framework="np") as file:
        patients = json.loads(file.metadata()["patients"])
        return BagValues(tuple(patients), file.get_tensor("values"))


def _write_bags(bags: BagValues, path: Path) -> None:
    with replacing(path) as temporary:
        about = {"patients": json.dumps(bags.patients)}
        safetensors.numpy.save_file({"values": bags.values}, temporary, about)


def _bag_file(plan: RunPlan, fold: Fold, model: str) -> Path:
    return plan.out / "predictions" / model / folder_name(fold) / "patients.safetensors"


def _file(plan: RunPlan, fold: Fold, model: str, section: str) -> Path:
    return plan.out / "predictions" / model / folder_name(fold) / f"{section}.h5ad"

"""histoscribe predicts spatial gene expression from H&E, and reports honestly how well it works.

Public names are imported on first use, so importing the package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from histoscribe.lazy import imported_on_use

if TYPE_CHECKING:
    __version__: str
    from histoscribe.benchmark.foreign.run import score as score
    from histoscribe.benchmark.prediction import score_section as score_section
    from histoscribe.benchmark.run import benchmark as benchmark
    from histoscribe.data.folds import patient_folds as patient_folds
    from histoscribe.encoders.catalog import list_encoders as list_encoders
    from histoscribe.explain.run import explain as explain
    from histoscribe.io.cohorts.cohort import read_cohort as read_cohort
    from histoscribe.io.cohorts.in_memory import cohort_of as cohort_of
    from histoscribe.io.predictions.anndata import to_anndata as to_anndata
    from histoscribe.io.predictions.spatialdata import to_spatialdata as to_spatialdata
    from histoscribe.metrics.negative_binomial import prediction_interval as prediction_interval
    from histoscribe.models.base import create_model as create_model
    from histoscribe.models.catalog import list_models as list_models
    from histoscribe.models.plugins import load_plugin as load_plugin
    from histoscribe.predict.bag_patients import predict_patients as predict_patients
    from histoscribe.predict.lazyslide import to_lazyslide as to_lazyslide
    from histoscribe.predict.slide import predict_slide as predict_slide
    from histoscribe.predictor.saving import load_predictor as load_predictor
    from histoscribe.report.vector_figures import figures as figures
    from histoscribe.simulate import simulate as simulate
    from histoscribe.train.run import train as train
    from histoscribe.train.settings import read_settings as read_settings
    from histoscribe.viewer.view import view as view

_ROOMS = ("benchmark", "explain", "simulate", "train")  # called by their own names, see rooms.py
_HOME = {
    "cohort_of": "histoscribe.io.cohorts.in_memory",
    "create_model": "histoscribe.models.base",
    "figures": "histoscribe.report.vector_figures",
    "list_encoders": "histoscribe.encoders.catalog",
    "list_models": "histoscribe.models.catalog",
    "load_plugin": "histoscribe.models.plugins",
    "load_predictor": "histoscribe.predictor.saving",
    "patient_folds": "histoscribe.data.folds",
    "predict_patients": "histoscribe.predict.bag_patients",
    "predict_slide": "histoscribe.predict.slide",
    "prediction_interval": "histoscribe.metrics.negative_binomial",
    "read_cohort": "histoscribe.io.cohorts.cohort",
    "read_settings": "histoscribe.train.settings",
    "score": "histoscribe.benchmark.foreign.run",
    "score_section": "histoscribe.benchmark.prediction",
    "to_anndata": "histoscribe.io.predictions.anndata",
    "to_lazyslide": "histoscribe.predict.lazyslide",
    "to_spatialdata": "histoscribe.io.predictions.spatialdata",
    "view": "histoscribe.viewer.view",
}
__all__ = sorted([*_HOME, *_ROOMS])


if not TYPE_CHECKING:  # a type checker would take any name for one that is here
    _of_home = imported_on_use(__name__, _HOME)

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return import_module("importlib.metadata").version(__name__)
        return import_module(f"{__name__}.{name}") if name in _ROOMS else _of_home(name)


def __dir__() -> list[str]:
    return __all__

"""Models fitted on planted tables, for the contracts of every item."""

import math

import torch

from histoscribe.data.exemplars.exemplar_settings import ExemplarSettings
from histoscribe.models.base import model_class
from histoscribe.models.catalog import list_models
from histoscribe.train.epoch_end import EpochEnd
from histoscribe.train.fit import fit
from histoscribe.train.settings import MachineSettings, RunSettings, TrainSettings
from tests.contracts.tables import planted_table, queries_of

# `tiny` is the document's size and rate: made for hundreds of epochs
_STFORMER = {"width": 32, "n_pathways": 8, "learning_rate": 1e-2}
QUICK = {"stformer": _STFORMER, "stformer-global": _STFORMER}
"""Settings of models whose `tiny` learns too slowly for the few steps of a contract."""
EPOCHS = 12
FEW_EPOCHS = {"tcgn": 4, "tcgn-xs": 4}
"""Epochs of models that take longer over each than others; they learn enough in these."""


def models_of(item):
    """Names of the models in the registry whose item this is; estimators predict spots."""
    return [name for name in list_models() if getattr(model_class(name), "item", "spot") == item]


def fitted(name, tmp_path, table=None, seed=0, **train):
    """A model of this name, fitted on a table with these settings of training."""
    settings = RunSettings(
        seed=seed,
        cohort="none",
        models=(name,),
        settings={name: {"preset": "tiny", **QUICK.get(name, {})}},
        train=TrainSettings(**{"epochs": FEW_EPOCHS.get(name, EPOCHS), "batch_size": 16, **train}),
        exemplars=ExemplarSettings(n=3),
        run=MachineSettings(device="cpu"),
    )
    table = planted_table() if table is None else table
    return fit(settings.row(name), table, settings, tmp_path / f"resume-{name}")


def predicted_by(fitted, table, rows=slice(None)):
    """What a fitted model says of the spots of a table."""
    return fitted.predict(queries_of(table, rows)).values


def predict(made, inputs):
    """Expression that the network of a fitted model gives for these inputs."""
    names = made.model.inputs(made.model.config)
    with torch.no_grad():
        return made.model(**{name: inputs[name] for name in names}).expression


class KilledError(Exception):
    """Ends a training from outside."""


def killed_after(n_epochs):
    """What ends an epoch, and after that many everything; each leaves a checkpoint."""
    end_epoch = EpochEnd.on_train_epoch_end

    def end(self, trainer, pl_module):
        self.file.written = -math.inf
        end_epoch(self, trainer, pl_module)
        if len(self.scores) == n_epochs:
            raise KilledError

    return end


def killed_within(n_epochs, n_steps):
    """What ends a step, and after so many epochs and steps everything, with a checkpoint."""
    end_step = EpochEnd.on_train_batch_end

    def end(self, trainer, *rest):
        is_there = (len(self.scores), self.n_steps + 1) == (n_epochs, n_steps)
        self.file.written = -math.inf if is_there else math.inf
        end_step(self, trainer, *rest)
        if is_there:
            raise KilledError

    return end

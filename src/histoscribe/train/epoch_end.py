"""The end of each epoch: score, kept weights, checkpoint."""

import histoscribe.torchvision_guard  # noqa: F401  before lightning, which imports torchvision

# isort: split
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from histoscribe.data.items.kinds import Sides
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing
from histoscribe.models.base import ExpressionModel
from histoscribe.ties import SCORE_ROUNDING
from histoscribe.train.group import ALONE, TrainingGroup
from histoscribe.train.spot_losses import SpotLosses
from histoscribe.train.validation import validate

CHECKPOINT = "last.ckpt"


class EpochEnd(Callback):
    """Score the inner validation, keep the best weights, stop, and save a checkpoint.

    With `losses`, record the loss of each training spot, too. A single callback, so that the
    checkpoint always contains the score of its epoch.
    """

    def __init__(
        self,
        model: ExpressionModel,
        sides: Sides,
        *,
        patience: int,
        folder: Path,
        group: TrainingGroup = ALONE,
        losses: SpotLosses | None = None,
    ) -> None:
        self._sides, self._group, self._losses = sides, group, losses
        self._patience, self._folder = patience, folder
        self.scores: list[float] = []
        self.epoch_losses: list[float] = []
        self.best_epoch = 0
        self._best = _copy(model)

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Record the losses before training; a resumed training has them."""
        del trainer
        model: Any = pl_module.model
        if self._losses is not None and self._losses.n_recorded == 0:
            self._losses.add(model, self._sides)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Score, keep, stop, save.

        Raises DataContractError if weights are no longer numbers.
        """
        model: Any = pl_module.model
        if not all(weight.isfinite().all() for weight in model.parameters()):
            raise DataContractError(_diverged(model, len(self.scores) + 1))
        # the score of the epoch that is kept, not the highest: small steps add up
        kept = self.scores[self.best_epoch - 1] if self.scores else np.nan
        self.scores.append(self._score(model))
        self.epoch_losses.append(pl_module.epoch_loss())
        if self._sides.val is None or _is_better(self.scores[-1], kept):
            self.best_epoch, self._best = len(self.scores), _copy(model)
        if self._losses is not None:
            self._losses.add(model, self._sides)
        trainer.should_stop = self._out_of_patience()
        if self._group.is_first:
            with replacing(self._folder / CHECKPOINT) as temporary:
                trainer.save_checkpoint(temporary, weights_only=False)

    def state_dict(self) -> dict[str, Any]:
        """State for a resumed run."""
        state = {
            "scores": self.scores,
            "epoch_losses": self.epoch_losses,
            "best_epoch": self.best_epoch,
            "best": self._best,
        }
        return state if self._losses is None else {**state, "losses": self._losses.state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of `state_dict`."""
        self.scores = list(state_dict["scores"])
        self.epoch_losses = list(state_dict["epoch_losses"])
        self.best_epoch, self._best = state_dict["best_epoch"], state_dict["best"]
        if self._losses is not None:
            self._losses.restore(state_dict["losses"])

    def checkpoint(self) -> Path | None:
        """Checkpoint of the last finished epoch; None without one."""
        path = self._folder / CHECKPOINT
        return path if path.exists() else None

    def finished(self, epochs: int) -> bool:
        """Whether the checkpoint is complete, i.e. no training is left; loads its state."""
        path = self.checkpoint()
        if path is None:
            return False
        saved = torch.load(path, weights_only=True)
        self.load_state_dict(saved["callbacks"][self.state_key])
        return len(self.scores) >= epochs or self._out_of_patience()

    def restore_best(self, model: ExpressionModel) -> None:
        """Load the weights of the best epoch into the model."""
        model.load_state_dict(self._best)

    def _out_of_patience(self) -> bool:
        return self._sides.val is not None and len(self.scores) - self.best_epoch >= self._patience

    def _score(self, model: ExpressionModel) -> float:
        """Score of the validation; the first process predicts it, so every spot counts once."""
        val = self._sides.val
        if val is None:
            return 0.0
        score = validate(model, self._sides.val_items, val) if self._group.is_first else np.nan
        return self._group.gather(score)[0]


def _is_better(score: float, kept: float) -> bool:
    """Whether a score beats that of the epoch that is kept; an undefined one beats none defined."""
    return bool(np.isnan(kept) or score > kept + SCORE_ROUNDING)


def _diverged(model: ExpressionModel, epoch: int) -> Problem:
    return Problem(
        where=f"model {model.name}, epoch {epoch}",
        found="weights that are no numbers: training diverged",
        expected="finite weights",
        remedy="lower its learning rate: settings.<row>.learning_rate, or train.learning_rate if "
        "the model has no such setting",
    )


def _copy(model: ExpressionModel) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}

"""The end of each epoch: score and kept weights; and checkpoints within and between epochs."""

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
from histoscribe.models.base import ExpressionModel
from histoscribe.precision import Precision
from histoscribe.ties import SCORE_ROUNDING
from histoscribe.train.checkpoint_file import CheckpointFile
from histoscribe.train.group import ALONE, TrainingGroup
from histoscribe.train.spot_losses import SpotLosses
from histoscribe.train.validation import validate


class EpochEnd(Callback):
    """Score the inner validation, keep the best weights, stop, and save checkpoints.

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
        self._model, self._sides, self._group, self._losses = model, sides, group, losses
        self._patience, self.file = patience, CheckpointFile(folder)
        self._precision: Precision = "float32"
        self.scores: list[float] = []
        self.epoch_losses: list[float] = []
        self.steering: list[Tensor] = []
        """Sizes of gradients and losses of each epoch of a training with concepts."""
        self.best_epoch = 0
        self._best: dict[str, Tensor] = {}
        self.n_steps = 0
        """Steps of the present epoch that are done."""
        self._begun: dict[str, Tensor] | None = None
        """What a task needs besides its weights to go on within an epoch."""

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Record the losses before training; a resumed training has them."""
        del pl_module
        self._precision = "bfloat16" if trainer.precision == "bf16-mixed" else "float32"
        if self._losses is not None and self._losses.n_recorded == 0:
            self._losses.add(self._model, self._sides)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Go on within an epoch as if training had not stopped there."""
        del trainer, batch, batch_idx
        if self._begun is not None:
            pl_module.go_on(self._begun)
            self._begun = None

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the step, and save a checkpoint within the epoch if one is due."""
        del outputs, batch, batch_idx
        self.n_steps += 1
        if self._group.is_first and self.file.is_due and not trainer.is_last_batch:
            self._begun = pl_module.begun()
            self.file.write(trainer)
            self._begun = None

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Score, keep, stop, save.

        Raises DataContractError if weights are no longer numbers.
        """
        model, self.n_steps = self._model, 0
        if not all(weight.isfinite().all() for weight in model.parameters()):
            raise DataContractError(_diverged(model, len(self.scores) + 1))
        # the score of the epoch that is kept, not the highest: small steps add up
        kept = self.scores[self.best_epoch - 1] if self.scores else np.nan
        self.scores.append(self._score(model))
        self.epoch_losses.append(pl_module.epoch_loss())
        if (steering := pl_module.epoch_steering()) is not None:
            self.steering.append(steering)
        if self._sides.val is None or _is_better(self.scores[-1], kept):
            self.best_epoch = len(self.scores)
        if self._losses is not None:
            self._losses.add(model, self._sides)
        trainer.should_stop = self._out_of_patience()
        is_over = trainer.should_stop or len(self.scores) == trainer.max_epochs
        if self._is_latest and (is_over or self._sides.val is not None):
            self._best = _copy(model)
        if self._group.is_first and is_over:
            self.file.write_result(self.state_key, self._state(best=True))
        elif self._group.is_first and self.file.is_due:
            self.file.write(trainer)

    def state_dict(self) -> dict[str, Any]:
        """State for a resumed run; weights that it has anyway are not written twice."""
        among_others = self._is_latest and self.n_steps == 0
        needed = self._sides.val is not None and self.best_epoch > 0
        return self._state(best=needed and not among_others)

    @property
    def _is_latest(self) -> bool:
        """Whether the best epoch is the last one that is finished."""
        return self.best_epoch == len(self.scores)

    def _state(self, *, best: bool) -> dict[str, Any]:
        state = {
            "scores": self.scores,
            "epoch_losses": self.epoch_losses,
            "best_epoch": self.best_epoch,
            "n_steps": self.n_steps,
        }
        more = {
            "best": self._best if best else None,
            "begun": self._begun,
            "losses": None if self._losses is None else self._losses.state(),
            "steering": torch.stack(self.steering) if self.steering else None,
        }
        return state | {name: value for name, value in more.items() if value is not None}

    def checkpoint(self) -> Path | None:
        """Checkpoint of a training that goes on; None without one."""
        return self.file.path if self.file.path.exists() else None

    def finished(self, epochs: int) -> bool:
        """Whether the checkpoint is complete, i.e. no training is left; restores its state."""
        saved = self.file.read(self.state_key)
        if saved is None:
            return False
        state, weights = saved
        self.scores, self.epoch_losses = list(state["scores"]), list(state["epoch_losses"])
        # a checkpoint without this count is older: those were written between epochs only
        self.best_epoch, self.n_steps = state["best_epoch"], state.get("n_steps", 0)
        self._best, self._begun = state.get("best", weights), state.get("begun")
        self.steering = [*state.get("steering", ())]
        if self._losses is not None:
            self._losses.restore(state["losses"])
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
        score = np.nan
        if self._group.is_first:
            score = validate(model, self._sides.val_items, val, self._precision)
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

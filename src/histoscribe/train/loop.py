"""Training of a network: task, batches, and the end of each epoch."""

import histoscribe.torchvision_guard  # noqa: F401  before lightning, which imports torchvision

# isort: split
import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from jaxtyping import Int
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from histoscribe.data.items.kinds import Sides
from histoscribe.data.items.limited_bags import limited
from histoscribe.device import choose_device
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing
from histoscribe.models.base import ExpressionModel
from histoscribe.models.inner_validation import known_scores
from histoscribe.progress import track
from histoscribe.seed import integer
from histoscribe.ties import SCORE_ROUNDING
from histoscribe.train.batches import Batches, TrainingBatch
from histoscribe.train.count_spread import fit_spread
from histoscribe.train.loss import training_loss
from histoscribe.train.optimiser import make_optimiser, schedule
from histoscribe.train.settings import RunSettings, TrainSettings
from histoscribe.train.validation import score_kind, validate
from histoscribe.types import SpotTable

CHECKPOINT = "last.ckpt"
_log = logging.getLogger(__name__)


def train_network(
    model: ExpressionModel, sides: Sides, settings: RunSettings, resume: Path
) -> None:
    """Train in place; afterwards the model has the weights of the kept epoch."""
    train, seed = settings.train, settings.seed
    sides = replace(sides, items=limited(sides.items, model.tile_limit(model.config)))
    if train.checkpoint:
        model.checkpointing = True
    end = EpochEnd(model, sides, patience=train.patience, folder=resume)
    batches = Batches(
        items=sides.items,
        names=model.inputs(model.config),
        rows=sides.fit,
        batch_size=train.batch_size,
        batch_spots=train.batch_spots,
        seed=seed,
        turned=model.recipe().turned,
        # lightning fetches the first batch of a resumed run before it counts the epochs
        epoch=lambda: len(end.scores),
    )
    task = Task(model, train, seed, steps=batches.n_batches(train.epochs))
    if not end.finished(train.epochs):
        with _contained(), _interruptible(), warnings.catch_warnings():
            # lightning 2.6.6 on torch 2.13: its internal use of LeafSpec, which we cannot change
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            warnings.filterwarnings("ignore", message="max_pool2d_with_indices_backward_cuda")
            trainer = _trainer(settings, end)
            epochs = range(len(end.scores), train.epochs)
            with closing(track(epochs, f"epochs of {model.name}, at most")) as task.epochs:
                trainer.fit(task, batches, ckpt_path=end.checkpoint(), weights_only=True)
    model.cpu()
    end.restore_best(model)
    if model.count_head is not None:
        fit_spread(model.to(choose_device(settings.run.device)), model.count_head, sides)
        model.cpu()
    model.choice = {"epoch": end.best_epoch, **_inner_scores(end.scores, sides)}
    _log.info("kept epoch %d of %d", end.best_epoch, len(end.scores))


def _inner_scores(scores: list[float], sides: Sides) -> dict[str, list[float | None]]:
    """Score of each epoch, by its kind; None if undefined."""
    if sides.val is None:
        return {"inner_pcc": []}
    return {f"inner_{score_kind(sides.items, sides.val)}": known_scores(scores)}


def fit_and_val_rows(
    table: SpotTable, keep: Literal["best", "last"]
) -> tuple[Int[np.ndarray, " fit"], Int[np.ndarray, " val"] | None]:
    """Rows for training, and rows for choosing the epoch (None if the last epoch is kept)."""
    if keep == "best" and table.inner:
        return table.inner[0]
    return np.arange(len(table.target)), None


def _trainer(settings: RunSettings, end: Callback) -> lightning.Trainer:
    device = choose_device(settings.run.device)
    return lightning.Trainer(
        accelerator=device,
        devices=1,
        max_epochs=settings.train.epochs,
        callbacks=[end],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        # on a GPU the gradient of max-pooling has no deterministic form: its sums have no fixed
        # order
        deterministic=True if device == "cpu" else "warn",
        precision="bf16-mixed" if settings.run.precision == "bfloat16" else "32-true",
    )


@contextmanager
def _contained() -> Iterator[None]:
    """Silence lightning's advice, and restore torch's deterministic mode afterwards.

    One kind of attention is disabled on a GPU, the default for float32: with warnings only, as
    here, torch sums its gradient in any order.
    """
    attention = torch.backends.cuda.mem_efficient_sdp_enabled()
    torch.backends.cuda.enable_mem_efficient_sdp(enabled=False)
    deterministic = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        torch.use_deterministic_algorithms(deterministic, warn_only=only_warned)
        torch.backends.cuda.enable_mem_efficient_sdp(attention)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise Ctrl-C as KeyboardInterrupt, which lightning would turn into an exit."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


class Task(lightning.LightningModule):
    """A model with its loss and recipe; torch's generator is reset for every epoch."""

    epochs: Iterator[int] = iter(())
    """Taking an epoch from it reports the epoch to the progress display."""

    def __init__(
        self, model: ExpressionModel, settings: TrainSettings, seed: int, steps: list[int]
    ) -> None:
        super().__init__()
        self.model, self._settings, self._seed, self._steps = model, settings, seed, steps

    def on_train_epoch_start(self) -> None:
        """Reset the generator of dropout, and report the new epoch."""
        next(self.epochs, None)
        torch.manual_seed(integer(self._seed, f"epoch-{self.current_epoch}"))

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        del batch_idx
        inputs, labels = batch
        output = self.model(**inputs).float()
        return training_loss(self.model, self._settings, output, labels)

    def configure_optimizers(self) -> Any:
        """Optimiser and schedule of the model's recipe."""
        optimiser = make_optimiser(self.model, self._settings)
        factor = schedule(self.model.recipe(), self._settings.warmup_epochs, self._steps)
        if factor is None:
            return optimiser
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


class EpochEnd(Callback):
    """Score the inner validation, keep the best weights, stop, and save a checkpoint.

    A single callback, so that the checkpoint always contains the score of its epoch.
    """

    def __init__(
        self,
        model: ExpressionModel,
        sides: Sides,
        *,
        patience: int,
        folder: Path,
    ) -> None:
        self._sides = sides
        self._patience, self._folder = patience, folder
        self.scores: list[float] = []
        self.best_epoch = 0
        self._best = _copy(model)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Score, keep, stop, save.

        Raises DataContractError if weights are no longer numbers.
        """
        model: Any = pl_module.model
        if not all(weight.isfinite().all() for weight in model.parameters()):
            raise DataContractError(_diverged(model, len(self.scores) + 1))
        # the score of the epoch that is kept, not the highest: small steps add up
        kept = self.scores[self.best_epoch - 1] if self.scores else np.nan
        self.scores.append(self._score(model))
        if self._sides.val is None or _is_better(self.scores[-1], kept):
            self.best_epoch, self._best = len(self.scores), _copy(model)
        trainer.should_stop = self._out_of_patience()
        with replacing(self._folder / CHECKPOINT) as temporary:
            trainer.save_checkpoint(temporary, weights_only=False)

    def state_dict(self) -> dict[str, Any]:
        """State for a resumed run."""
        return {"scores": self.scores, "best_epoch": self.best_epoch, "best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of `state_dict`."""
        self.scores = list(state_dict["scores"])
        self.best_epoch, self._best = state_dict["best_epoch"], state_dict["best"]

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
        val = self._sides.val
        return 0.0 if val is None else validate(model, self._sides.items, val)


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

"""The parts of a training run: the task, its batches, and what happens when an epoch ends."""

import histoscribe.torchvision_guard  # noqa: F401  before lightning, which imports torchvision

# isort: split
import logging
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from jaxtyping import Float, Int
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from histoscribe.io.atomic import replacing
from histoscribe.models.base import ExpressionModel
from histoscribe.models.choice import validation_score
from histoscribe.progress import track
from histoscribe.seed import integer, stream
from histoscribe.train.config import RunSettings, TrainSettings
from histoscribe.train.device import choose_device
from histoscribe.types import SpotTable

Batch = tuple[Float[Tensor, "B D"], Float[Tensor, "B G"]]
CHECKPOINT = "last.ckpt"
_log = logging.getLogger(__name__)


def train_network(
    model: ExpressionModel, table: SpotTable, settings: RunSettings, resume: Path
) -> None:
    """Train in place; afterwards the model holds the weights of its best epoch."""
    train, seed = settings.train, settings.seed
    end = EpochEnd(model, table, patience=train.patience, folder=resume)
    task = Task(model, train, seed)
    rows = table.inner[0][0] if table.inner else np.arange(len(table.target))
    batches = Batches(table, rows, train.batch_size, seed, epoch=lambda: task.current_epoch)
    if not end.finished(train.epochs):
        with _contained(), _interruptible(), warnings.catch_warnings():
            # lightning 2.6.6 on torch 2.13: its own use of LeafSpec, which nothing here can change
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            trainer = _trainer(settings, end)
            epochs = range(len(end.scores), train.epochs)
            with closing(track(epochs, f"epochs of {model.name}, at most")) as task.epochs:
                trainer.fit(task, batches, ckpt_path=end.checkpoint(), weights_only=True)
    model.cpu()
    end.restore_best(model)
    model.choice = {"epoch": end.best_epoch, "inner_pcc": end.scores if table.inner else []}
    _log.info("kept epoch %d of %d", end.best_epoch, len(end.scores))


def _trainer(settings: RunSettings, end: Callback) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator=choose_device(settings.run.device),
        devices=1,
        max_epochs=settings.train.epochs,
        callbacks=[end],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        deterministic=True,
    )


@contextmanager
def _contained() -> Iterator[None]:
    """Keep lightning's advice to itself, and leave torch's deterministic mode as it was."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        torch.use_deterministic_algorithms(deterministic)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C rise as such: lightning makes an exit of it and stops listening for another."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


class Batches:
    """Every training row once an epoch, in an order that the seed and the epoch fix."""

    def __init__(
        self,
        table: SpotTable,
        rows: Int[np.ndarray, " rows"],
        batch_size: int,
        seed: int,
        epoch: Callable[[], int],
    ) -> None:
        self._feature = torch.from_numpy(table.feature)
        self._target = torch.from_numpy(table.target)
        self._rows, self._batch_size, self._seed, self._epoch = rows, batch_size, seed, epoch

    def __len__(self) -> int:
        return -(-len(self._rows) // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order = stream(self._seed, f"epoch-{self._epoch()}").permutation(self._rows)
        for start in range(0, len(order), self._batch_size):
            batch = torch.from_numpy(order[start : start + self._batch_size])
            yield self._feature[batch], self._target[batch]


class Task(lightning.LightningModule):
    """Mean squared error by AdamW; torch's generator is set anew for every epoch."""

    epochs: Iterator[int] = iter(())
    """Whoever draws progress is told of an epoch by taking it."""

    def __init__(self, model: ExpressionModel, settings: TrainSettings, seed: int) -> None:
        super().__init__()
        self.model, self._settings, self._seed = model, settings, seed

    def on_train_epoch_start(self) -> None:
        """Set the generator that dropout draws from, and say that an epoch begins."""
        next(self.epochs, None)
        torch.manual_seed(integer(self._seed, f"epoch-{self.current_epoch}"))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        del batch_idx
        feature, target = batch
        return torch.nn.functional.mse_loss(self.model(feature).expression, target)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Give AdamW at the settings' rate."""
        return torch.optim.AdamW(
            self.model.parameters(),
            lr=self._settings.learning_rate,
            weight_decay=self._settings.weight_decay,
        )


class EpochEnd(Callback):
    """Scores the inner validation, keeps the best weights, stops, and saves for a resume.

    One callback, so that the checkpoint always holds the score of its own epoch.
    """

    def __init__(
        self, model: ExpressionModel, table: SpotTable, *, patience: int, folder: Path
    ) -> None:
        self._table, self._patience, self._folder = table, patience, folder
        self._val = table.inner[0][1] if table.inner else None
        self.scores: list[float] = []
        self.best_epoch = 0
        self._best = _copy(model)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Score, keep, stop, save."""
        model: Any = pl_module.model
        self.scores.append(self._score(model))
        best_so_far = max(self.scores[:-1], default=-np.inf)
        if self._val is None or self.scores[-1] > best_so_far:
            self.best_epoch, self._best = len(self.scores), _copy(model)
        trainer.should_stop = self._out_of_patience()
        with replacing(self._folder / CHECKPOINT) as temporary:
            trainer.save_checkpoint(temporary, weights_only=False)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {"scores": self.scores, "best_epoch": self.best_epoch, "best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self.scores = list(state_dict["scores"])
        self.best_epoch, self._best = state_dict["best_epoch"], state_dict["best"]

    def checkpoint(self) -> Path | None:
        """The checkpoint of the last finished epoch, if there is one."""
        path = self._folder / CHECKPOINT
        return path if path.exists() else None

    def finished(self, epochs: int) -> bool:
        """Whether the checkpoint says that there is nothing left to train; loads its state."""
        path = self.checkpoint()
        if path is None:
            return False
        saved = torch.load(path, weights_only=True)
        self.load_state_dict(saved["callbacks"][self.state_key])
        return len(self.scores) >= epochs or self._out_of_patience()

    def restore_best(self, model: ExpressionModel) -> None:
        """Give the model the weights of the best epoch."""
        model.load_state_dict(self._best)

    def _out_of_patience(self) -> bool:
        return self._val is not None and len(self.scores) - self.best_epoch >= self._patience

    def _score(self, model: ExpressionModel) -> float:
        if self._val is None:
            return 0.0
        predicted = predict_rows(model, torch.from_numpy(self._table.feature[self._val]))
        section = [self._table.section[row] for row in self._val]
        score = validation_score(predicted, self._table.target[self._val], section)
        return float(np.nan_to_num(score))


def predict_rows(model: ExpressionModel, feature: Float[Tensor, "N D"]) -> Float[np.ndarray, "N G"]:
    """Predict in eval mode without gradients, and leave the model in the mode it was in."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.no_grad():
        parts = [model(part.to(device)).expression.float().cpu() for part in feature.split(4096)]
    model.train(was_training)
    return torch.cat(parts).numpy()


def _copy(model: ExpressionModel) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}

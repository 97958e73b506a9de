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

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from histoscribe.data.items.kinds import Sides
from histoscribe.data.items.limited_bags import limited
from histoscribe.device import CPU, choose_device
from histoscribe.models.base import ExpressionModel
from histoscribe.models.inner_validation import known_scores
from histoscribe.progress import track
from histoscribe.train.batches import Batches
from histoscribe.train.count_spread import fit_spread
from histoscribe.train.epoch_end import EpochEnd
from histoscribe.train.group import ALONE, TrainingGroup
from histoscribe.train.processes import train_together
from histoscribe.train.settings import RunSettings
from histoscribe.train.shared_task import SharedTask
from histoscribe.train.spot_losses import SpotLosses
from histoscribe.train.steer_record import steer_record, steer_warnings
from histoscribe.train.steer_start import start_steering
from histoscribe.train.task import Task
from histoscribe.train.turns import turns_of
from histoscribe.train.validation import score_kind
from histoscribe.transfer import placed

_log = logging.getLogger(__name__)


def train_network(
    model: ExpressionModel,
    sides: Sides,
    settings: RunSettings,
    resume: Path,
    losses: SpotLosses | None = None,
) -> None:
    """Train in place; afterwards the model has the weights of the kept epoch.

    `losses` records the loss of each training spot; only for training in one process.
    """
    train = settings.train
    sides = replace(sides, items=limited(sides.items, model.tile_limit(model.config)))
    end = EpochEnd(model, sides, patience=train.patience, folder=resume, losses=losses)
    n_epochs = train.epochs_of(model.recipe(model.config))
    if not end.finished(n_epochs):
        if settings.run.devices == 1:
            train_in_process(model, sides, settings, resume, losses=losses)
        else:
            train_together(train_in_process, model, sides, settings, resume)
        end.finished(n_epochs)
    end.restore_best(model)
    if model.count_head is not None:
        device = torch.device(choose_device(settings.run.device))
        fit_spread(placed(model, device), model.count_head, sides)
        placed(model, CPU)
    model.choice = {
        "epoch": end.best_epoch,
        "loss": known_scores(end.epoch_losses),
        **_inner_scores(end.scores, sides),
        **steer_record(settings.steer, end.steering),
    }
    for warning in steer_warnings(settings.steer, model.choice):
        _log.warning("%s: %s", model.name, warning)
    _log.info("kept epoch %d of %d", end.best_epoch, len(end.scores))


def train_in_process(
    model: ExpressionModel,
    sides: Sides,
    settings: RunSettings,
    resume: Path,
    group: TrainingGroup = ALONE,
    losses: SpotLosses | None = None,
) -> None:
    """Continue from the checkpoint in `resume`, if any; the result is a new checkpoint there."""
    train = settings.train
    if train.checkpoint:
        model.checkpointing = True
    end = EpochEnd(model, sides, patience=train.patience, folder=resume, group=group, losses=losses)
    n_epochs = train.epochs_of(model.recipe(model.config))
    end.finished(n_epochs)
    batches = _batches(model, sides, settings, end, group)
    placed(model, batches.device)
    steering = start_steering(model, sides, settings, batches.device)
    about = (model, train, settings.seed, batches.n_steps(n_epochs), steering)
    shared = train.accumulate * group.n_processes > 1
    task = SharedTask(*about, group=group) if shared else Task(*about)
    with _contained(), _interruptible(), warnings.catch_warnings():
        # lightning 2.6.6 on torch 2.13: its internal use of LeafSpec, which we cannot change
        warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
        warnings.filterwarnings("ignore", message="max_pool2d_with_indices_backward_cuda")
        trainer = _trainer(settings, n_epochs, end, group)
        epochs = range(len(end.scores), n_epochs)
        with closing(track(epochs, f"epochs of {model.name}, at most")) as task.epochs:
            trainer.fit(task, batches, ckpt_path=end.checkpoint(), weights_only=True)
    placed(model, CPU)


def _batches(
    model: ExpressionModel,
    sides: Sides,
    settings: RunSettings,
    end: EpochEnd,
    group: TrainingGroup,
) -> Batches:
    """Batches from where the training is: lightning fetches one before it counts the epochs."""
    turns, items = turns_of(model, sides.items)
    return Batches(
        items=items,
        names=model.inputs(model.config),
        rows=sides.fit,
        batch_size=settings.train.batch_size_of(model.recipe(model.config)),
        batch_spots=settings.train.batch_spots,
        seed=settings.seed,
        turns=turns,
        epoch=lambda: len(end.scores),
        done=lambda: end.n_steps,
        accumulate=settings.train.accumulate,
        group=group,
        device=torch.device(choose_device(settings.run.device)),
    )


def _inner_scores(scores: list[float], sides: Sides) -> dict[str, list[float | None]]:
    """Score of each epoch, by its kind; None if undefined."""
    if sides.val is None:
        return {"inner_pcc": []}
    return {f"inner_{score_kind(sides.val_items, sides.val)}": known_scores(scores)}


def _trainer(
    settings: RunSettings, n_epochs: int, end: Callback, group: TrainingGroup
) -> lightning.Trainer:
    """Trainer of one process on one device: lightning does not know of the others."""
    device = choose_device(settings.run.device)
    return lightning.Trainer(
        accelerator=device,
        devices=1 if device == "cpu" else [group.process],
        max_epochs=n_epochs,
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

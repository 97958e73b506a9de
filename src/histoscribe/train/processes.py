"""Training of one network by several processes, one per device."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.multiprocessing.spawn import ProcessContext, ProcessException, start_processes

from histoscribe.data.items.kinds import Sides
from histoscribe.device import choose_device
from histoscribe.errors import DataContractError, Problem
from histoscribe.models.base import ExpressionModel
from histoscribe.progress import drawn_by, track
from histoscribe.threads import fixed_threads
from histoscribe.train.group import TrainingGroup, joined
from histoscribe.train.settings import RunSettings

TrainOne = Callable[[ExpressionModel, Sides, RunSettings, Path, TrainingGroup], None]
"""Training in one process of a group."""


@dataclass(frozen=True, eq=False)
class _Work:
    """What each process gets; it is pickled."""

    train: TrainOne
    model: ExpressionModel
    sides: Sides
    settings: RunSettings
    resume: Path
    meeting: Path
    epochs: "SimpleQueue[int]"
    """The first process says here that an epoch begins."""
    problems: "SimpleQueue[tuple[Problem, ...]]"
    """Any process says here why it cannot go on."""


def train_together(
    train: TrainOne, model: ExpressionModel, sides: Sides, settings: RunSettings, resume: Path
) -> None:
    """Train a copy of the model in each of `run.devices` processes.

    The result is in the checkpoint of the folder `resume`. Processes start afresh, so a script
    that trains must have its work below `if __name__ == "__main__":`.

    Raises
    ------
    DataContractError
        if there are fewer GPUs, training diverged, or a process could not read its items.
    """
    n_processes = settings.run.devices
    _check_devices(settings)
    context: Any = get_context("spawn")
    with TemporaryDirectory() as folder:
        work = _Work(
            train=train,
            model=model,
            sides=sides,
            settings=settings,
            resume=resume,
            meeting=Path(folder) / "meeting",
            epochs=context.SimpleQueue(),
            problems=context.SimpleQueue(),
        )
        running = start_processes(_process, (work,), n_processes, join=False, start_method="spawn")
        try:
            _wait(running, work)
        except ProcessException:  # of the processes that lost the one with the problem
            if work.problems.empty():
                raise
    if not work.problems.empty():
        raise DataContractError(work.problems.get())


def _check_devices(settings: RunSettings) -> None:
    n_processes = settings.run.devices
    if choose_device(settings.run.device) == "cuda" and torch.cuda.device_count() < n_processes:
        raise DataContractError(
            Problem(
                where="settings, run.devices",
                found=f"{torch.cuda.device_count()} GPUs that torch can use",
                expected=f"{n_processes}, one for each process",
                remedy='set fewer, or device = "cpu"',
            )
        )


def _wait(running: ProcessContext, work: _Work) -> None:
    """Wait until all processes end; show the epochs, and leave no process behind."""
    recipe = work.model.recipe(work.model.config)
    epochs = range(work.settings.train.epochs_of(recipe))
    try:
        with closing(track(epochs, f"epochs of {work.model.name}, at most")) as shown:
            ended = False
            while not ended:
                ended = running.join(timeout=0.2)
                while not work.epochs.empty():
                    work.epochs.get()
                    next(shown, None)
    finally:
        for process in running.processes:
            process.kill()  # writes are whole; lightning would finish the step on a SIGTERM
            process.join()


def _process(number: int, work: _Work) -> None:
    """Work of one process."""
    group = TrainingGroup(number, work.settings.run.devices)

    def draw(
        items: Iterable[object], what: str, total: int | None
    ) -> Generator[object, None, None]:
        del what, total
        for item in items:
            if group.is_first:
                work.epochs.put(0)
            yield item

    device = choose_device(work.settings.run.device)
    model = deepcopy(work.model)  # torch hands the same memory to all processes
    with (
        fixed_threads(work.settings.run.threads),
        joined(group, work.meeting, device),
        drawn_by(draw),
    ):
        try:
            work.train(model, work.sides, work.settings, work.resume, group)
        except DataContractError as error:  # said before the others notice that this one is gone
            work.problems.put(error.problems)

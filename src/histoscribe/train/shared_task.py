"""A step over several batches, on one device or several, with the loss of one large batch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from histoscribe.seed import integer
from histoscribe.train.batches import StepBatches, TrainingBatch
from histoscribe.train.group import TrainingGroup
from histoscribe.train.task import Part, Task
from histoscribe.types import Labels, Output


class SharedTask(Task):
    """Steps with the gradient of one large batch, whose memory is that of a single one.

    A loss may correlate, weigh sections by their spots or sum: that of the whole is no mean of
    those of its parts. So each step runs forward over all batches without keeping anything,
    takes the gradient of the loss with respect to the outputs of all processes, and runs forward
    again, batch by batch, to bring that gradient to the weights. Dropout draws the same numbers in
    both runs, by the number of the batch in its epoch.
    """

    def __init__(self, *args: Any, group: TrainingGroup) -> None:
        super().__init__(*args)
        self._group = group
        self.automatic_optimization = False

    def training_step(self, step: StepBatches, batch_idx: int) -> None:
        """Take one step of the optimiser."""
        del batch_idx
        optimiser: Any = self.optimizers()
        scheduler: Any = self.lr_schedulers()
        optimiser.zero_grad()
        before = None if self.steering is None else self.steering.squares[:1].clone()
        parts = self._outputs(step)
        self._give_gradients(parts)
        for number, batch, (leaves, _) in zip(step.numbers, step.batches, parts, strict=True):
            output = self._output(number, batch)
            pairs = zip(output.tensors, leaves.tensors, strict=True)
            tensors, gradients = zip(
                *((out, leaf.grad) for out, leaf in pairs if leaf.grad is not None), strict=True
            )
            torch.autograd.backward(tensors, gradients)
        self._add_gradients(before)
        optimiser.step()
        self._group.copy_first(self.model.buffers())
        if scheduler is not None:
            scheduler.step()

    def _outputs(self, step: StepBatches) -> list[Part]:
        """Outputs of this process's batches, cut off from the network; its buffers stay."""
        before = [buffer.clone() for buffer in self.model.buffers()]
        parts = []
        with torch.no_grad():
            for number, batch in zip(step.numbers, step.batches, strict=True):
                parts.append((self._output(number, batch), batch[1].to(self.device)))
            for buffer, value in zip(self.model.buffers(), before, strict=True):
                buffer.copy_(value)
        # torch before 2.10 would take the bfloat16 weights of this run, which have no gradient
        torch.clear_autocast_cache()
        return [(output.map(_leaf), labels) for output, labels in parts]

    def _give_gradients(self, parts: Sequence[Part]) -> None:
        """Give the outputs of this process their gradients of the loss of the whole step."""
        sent = [_on(part, torch.device("cpu")) for part in parts]
        every: list[Part] = []
        for process, received in enumerate(self._group.gather(sent)):
            mine = process == self._group.process
            every += parts if mine else [_on(part, self.device) for part in received]
        loss = self.loss_of(whole_batch(every))  # heads and running means stay the same in all
        if parts:  # at the end of an epoch there may be none left for this process
            loss.backward()

    def _add_gradients(self, before: Tensor | None) -> None:
        """Sum gradients over all processes, and the size that steering keeps of the genes'."""
        self._group.add_gradients(self.model.parameters())
        if self.steering is not None and before is not None:
            main = self.steering.squares[:1]
            of_each = self._group.gather((main - before).cpu())
            main.copy_(before + torch.stack(of_each).sum(dim=0).to(main.device))

    def _output(self, number: int, batch: TrainingBatch) -> Output:
        torch.manual_seed(integer(self._seed, f"epoch-{self.current_epoch}-batch-{number}"))
        return self.output(batch)


def whole_batch(parts: Sequence[Part]) -> Part:
    """Outputs and labels of several batches as those of one; shorter items are padded."""
    outputs, labels = [output for output, _ in parts], [of for _, of in parts]
    longest = max(1 if of.present is None else of.present.shape[1] for of in labels)
    return _joined_outputs(outputs, longest), _joined_labels(labels, longest)


def _joined_outputs(outputs: Sequence[Output], longest: int) -> Output:
    columns = zip(*(output.tensors for output in outputs), strict=True)
    joined = iter([_joined(column, longest, padded=column[0].ndim == 3) for column in columns])
    return outputs[0].map(lambda _: next(joined))


def _joined_labels(labels: Sequence[Labels], longest: int) -> Labels:
    of_spots = labels[0].present is not None
    return Labels(
        **{
            name: _joined(
                [getattr(of, name) for of in labels], longest, padded=of_spots and value.ndim > 1
            )
            for name, value in vars(labels[0]).items()
            if value is not None
        }
    )


def _joined(values: Sequence[Tensor], longest: int, *, padded: bool) -> Tensor:
    """Items of all batches; with `padded`, each gets `longest` places for its spots."""
    if padded:
        values = [
            functional.pad(value, [*[0, 0] * (value.ndim - 2), 0, longest - value.shape[1]])
            for value in values
        ]
    return torch.cat(list(values))


def _leaf(value: Tensor) -> Tensor:
    return value.detach().requires_grad_()


def _on(part: Part, device: torch.device) -> Part:
    """The same on another device, cut off from the network."""
    output, labels = part
    return output.map(lambda value: value.detach().to(device)), labels.to(device)

"""A network as lightning trains it: the loss of a step, optimiser and schedule."""

import histoscribe.torchvision_guard  # noqa: F401  before lightning, which imports torchvision

# isort: split
from collections.abc import Iterator, Mapping
from math import fsum, nan
from typing import Any

import lightning
import torch
from jaxtyping import Float
from torch import Tensor

from histoscribe.models.base import ExpressionModel
from histoscribe.seed import integer
from histoscribe.train.batches import StepBatches, TrainingBatch
from histoscribe.train.loss import training_loss
from histoscribe.train.optimiser import make_optimiser, schedule
from histoscribe.train.settings import TrainSettings
from histoscribe.train.steering import Steering
from histoscribe.transfer import moved_batch
from histoscribe.types import Labels, Output

Part = tuple[Output, Labels]
"""Output of a network for a batch, and its labels."""

_OF_HEADS = "optimiser_of_heads"  # in a checkpoint


class Task(lightning.LightningModule):
    """A model with its loss and recipe; torch's generator is reset for every epoch."""

    epochs: Iterator[int] = iter(())
    """Taking an epoch from it reports the epoch to the progress display."""

    def __init__(
        self,
        model: ExpressionModel,
        settings: TrainSettings,
        seed: int,
        steps: list[int],
        steering: Steering | None = None,
    ) -> None:
        super().__init__()
        self.model, self._settings, self._seed, self._steps = model, settings, seed, steps
        self.steering = steering
        """Its heads are part of a checkpoint, and not of the network."""
        self._losses: list[Tensor] = []

    def on_train_epoch_start(self) -> None:
        """Reset the generator of dropout, and report the new epoch."""
        next(self.epochs, None)
        self._losses.clear()
        torch.manual_seed(integer(self._seed, f"epoch-{self.current_epoch}"))

    def begun(self) -> dict[str, Tensor]:
        """What `go_on` needs to go on after this step, besides the weights and the optimiser."""
        state = {"losses": torch.stack(self._losses).cpu(), "cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def go_on(self, state: Mapping[str, Tensor]) -> None:
        """Go on within an epoch: its losses so far, and the draws that follow."""
        next(self.epochs, None)
        self._losses = [*state["losses"].to(self.device)]
        torch.set_rng_state(state["cpu"])
        if "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self.device)

    def transfer_batch_to_device(
        self, batch: StepBatches, device: torch.device, dataloader_idx: int
    ) -> StepBatches:
        """Leave a step where it is: its batches move one by one."""
        del device, dataloader_idx
        return batch

    def training_step(self, step: StepBatches, batch_idx: int) -> Tensor | None:
        """Loss of a step of one batch, which lightning brings to the weights."""
        del batch_idx
        (batch,) = step.batches
        labels = batch[1].to(self.device)
        return self.loss_of((self.output(batch), labels))

    def loss_of(self, part: Part) -> Tensor:
        """What training minimises in a step; its value is kept for the mean of the epoch."""
        loss = training_loss(self.model, self._settings, *part)
        # its value is read at the end of the epoch, because a GPU is waited for then
        self._losses.append(loss.detach())
        return loss if self.steering is None else self.steering.loss(loss, *part)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the optimiser of the heads."""
        if self.steering is not None:
            checkpoint[_OF_HEADS] = self.steering.optimiser.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the state of the optimiser of the heads back."""
        if self.steering is not None:
            self.steering.optimiser.load_state_dict(checkpoint[_OF_HEADS])

    def epoch_steering(self) -> Float[Tensor, "3 n"] | None:
        """Sizes of gradients and losses of this epoch, see `Steering.take_epoch`."""
        return None if self.steering is None else self.steering.take_epoch()

    def epoch_loss(self) -> float:
        """Mean loss over the steps of this epoch; NaN in a process without a batch."""
        return fsum(map(float, self._losses)) / len(self._losses) if self._losses else nan

    def output(self, batch: TrainingBatch) -> Output:
        """Output of the network for a batch, in float32."""
        inputs = moved_batch(batch[0], self.device)
        if self.steering is None:
            output: Output = self.model(**inputs)
        else:
            output = self.steering.output(self.model, inputs)
        return output.float()

    def configure_optimizers(self) -> Any:
        """Optimiser and schedule of the model's recipe."""
        recipe = self.model.recipe(self.model.config)
        optimiser = make_optimiser(self.model, self._settings)
        factor = schedule(recipe, self._settings.warmup_epochs, self._steps)
        if factor is None:
            return optimiser
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

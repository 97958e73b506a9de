"""Settings of the training of networks."""

from typing import Annotated, Literal

from pydantic import Field

from histoscribe.models.recipe import Recipe
from histoscribe.strict import StrictSettings
from histoscribe.types import CountFamily

Positive = Annotated[int, Field(ge=1)]

_EPOCHS, _BATCH_SIZE = 100, 64  # of a network whose publication does not say


class TrainSettings(StrictSettings):
    """Settings of the training of networks."""

    loss: Literal["model", "mse", "pcc", "mse-pcc", "nb", "zinb"] = "model"
    """What training minimises: `model` is the model's own loss; `mse` the squared error; `pcc` one
    minus the mean Pearson correlation of the genes over the spots of a section, or over the batch
    for items with one prediction; `mse-pcc` both; `nb` and `zinb` the negative log-likelihood of
    the counts, negative binomial without or with additional zeros (`target.transform = "cp10k"`).
    """
    pcc_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the correlation in the loss `mse-pcc`."""
    epochs: Positive | None = None
    """Number of epochs: a maximum with `keep = "best"`, else exact. By default that of the model's
    publication, or 100.
    """
    keep: Literal["best", "last"] = "best"
    """`best` fits on a part of the training patients and keeps the epoch with the best score on the
    rest; `last` fits on all of them and keeps the last epoch.
    """
    patience: Positive = 20
    """Number of epochs without a better inner score before stopping."""
    batch_size: Positive | None = None
    """Items in a batch: spots, or whole sections or bags where a model takes those. By default that
    of the model's publication, or 64.
    """
    batch_spots: Positive = 20_000
    """Spots in a batch, padding included: batches of sections or bags are filled up to it. A larger
    item is a batch by itself.
    """
    accumulate: Positive = 1
    """Batches in a step of the optimiser: above 1, its gradient is that of one batch of as many
    times the size, in the memory of one batch. Takes a third more time for each batch.
    """
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Learning rate of AdamW, for models without a rate in their settings."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    """Weight decay of AdamW, decoupled from the gradient, for models without one in their settings.
    """
    pathway_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the correlation of predicted pathway scores with measured activity in the loss, for
    models with such scores. 0 leaves them to the loss of the genes: the same counts supervise both.
    """
    members: Positive = 1
    """Number of networks of each bag model, each with other validation patients; their mean is the
    prediction, and their disagreement stands beside it. Above 1 only for runs with `[bulk]`.
    """
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    """Above 0, the learning rate rises linearly over this number of epochs and then falls to zero
    along a cosine, for models without a schedule of their own.
    """
    checkpoint: bool = False
    """Keep only the inputs of layers for the gradient and compute the rest again: less memory, a
    quarter more time, the same result. Only for models of whole sections that offer it.
    """

    @property
    def counts(self) -> CountFamily | None:
        """Family of the count distribution that networks predict; None for values."""
        return self.loss if self.loss in ("nb", "zinb") else None

    def epochs_of(self, recipe: Recipe) -> int:
        """Epochs of a network: of these settings, else of its recipe, else 100."""
        return self.epochs or recipe.epochs or _EPOCHS

    def batch_size_of(self, recipe: Recipe) -> int:
        """Items in a batch of a network: of these settings, else of its recipe, else 64."""
        return self.batch_size or recipe.batch_size or _BATCH_SIZE

    def of(self, recipe: Recipe) -> "TrainSettings":
        """Settings of one network, with its epochs and batch size filled in."""
        epochs, batch_size = self.epochs_of(recipe), self.batch_size_of(recipe)
        return self.model_copy(update={"epochs": epochs, "batch_size": batch_size})

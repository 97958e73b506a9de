"""Data for fitting, inputs and outputs of models."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from histoscribe.types.pathways import Pathways
from histoscribe.types.spot_keys import SpotKeys

Item = Literal["spot", "section", "bag"]
"""What one row of a batch is: one spot, the spots of a section, or those of a patient."""
CountFamily = Literal["nb", "zinb"]
"""Family of distributions of counts: negative binomial, without or with additional zeros."""


class Images(ABC):
    """Tiles of the spots of a table, by row, read on demand."""

    side_px: int

    @abstractmethod
    def read(self, rows: Int[np.ndarray, " B"]) -> UInt8[Tensor, "B 3 P P"]:
        """Read the tiles of these rows, in this order."""


@final
@dataclass(frozen=True, eq=False)
class BagImages:
    """Tiles of the items of a batch, read on demand: those of a whole bag need too much memory."""

    images: Images
    """Tiles of the table of the items."""
    runs: tuple[Int[np.ndarray, " _"], ...]
    """Rows of the table of each item."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def read(self, item: Int[Tensor, " n"], tile: Int[Tensor, " n"]) -> UInt8[Tensor, "n 3 P P"]:
        """Read these tiles of these items, both by number."""
        pairs = zip(item.tolist(), tile.tolist(), strict=True)
        rows = np.array([self.runs[bag][spot] for bag, spot in pairs])
        return self.images.read(rows).to(self.device)

    def to(self, device: torch.device) -> "BagImages":
        """The same tiles, to be read to another device."""
        return BagImages(self.images, self.runs, torch.device(device))


@dataclass(frozen=True, eq=False)
class SpotTable:
    """Training spots of one fold, in one order: all data for fitting a model."""

    feature: Float[np.ndarray, "N D"]
    target: Float[np.ndarray, "N G"]
    log_total: Float[np.ndarray, " N"]
    """log(1 + total count of the spot over all genes)."""
    keys: SpotKeys
    inner: tuple[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]], ...]
    """Row numbers of each inner split."""
    encoder: str
    """Identity of the encoder of the features."""
    copies: int = 1
    """Number of stacked copies of the spots: the unchanged spots, then each jittered view."""
    image: Images | None = None
    """Tiles, for models that read pixels."""
    margin_image: Images | None = None
    """The same tiles with a margin around each, for training that turns them by any angle."""
    leaked: "SpotTable | None" = None
    """Test spots on which the epoch of a network is chosen: the named leak `epoch`."""
    xy_um: Float[np.ndarray, "N 2"] | None = None
    """Positions in um from the centroid of the spots of their section; None if unknown."""
    counts: Float[np.ndarray, "N G"] | None = None
    """Raw counts of the panel, for losses that read them."""
    pathways: Float[np.ndarray, "N P"] | None = None
    """Measured activity of each pathway, for a loss that reads it."""
    concept: Float[np.ndarray, "N C"] | None = None
    """Measures of the tiles that steer training, as multiples of their deviation from their mean;
    NaN where one is undefined.
    """
    gene_sets: Pathways | None = None
    """Gene sets of the panel, for networks with scores of pathways; None in a run without."""
    sites: Mapping[str, str] | None = None
    """Site of each patient; None if unknown."""

    def __post_init__(self) -> None:
        sizes = {len(self.feature), len(self.target), len(self.log_total), len(self.keys)}
        if len(sizes) != 1:
            raise ValueError(f"a spot has a row in every field; lengths {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def as_they_are(self) -> "SpotTable":
        """Table without the jittered views."""
        n_spots = len(self) // self.copies
        return SpotTable(
            feature=self.feature[:n_spots],
            target=self.target[:n_spots],
            log_total=self.log_total[:n_spots],
            keys=self.keys.take(slice(n_spots)),
            image=self.image,
            margin_image=self.margin_image,
            inner=tuple((fit[fit < n_spots], val) for fit, val in self.inner),
            encoder=self.encoder,
            xy_um=None if self.xy_um is None else self.xy_um[:n_spots],
            counts=None if self.counts is None else self.counts[:n_spots],
            pathways=None if self.pathways is None else self.pathways[:n_spots],
            concept=None if self.concept is None else self.concept[:n_spots],
            gene_sets=self.gene_sets,
            sites=self.sites,
        )


@dataclass(frozen=True, eq=False)
class Inputs:
    """Inputs of a batch; only the fields that a model's `forward` names are built."""

    image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"] | None = None
    """Floats are in 0-255, too: the model's first step normalises."""
    feature: Float[Tensor, "B D"] | None = None
    exemplar_feature: Float[Tensor, "B E D"] | None = None
    exemplar_target: Float[Tensor, "B E G"] | None = None
    context_feature: Float[Tensor, "B K D"] | None = None
    context_um: Float[Tensor, "B K 2"] | None = None
    """From the centroid of the tissue."""
    context_slide: Int[Tensor, "B K"] | None = None
    """Number of the slide within the item, from 0; zero in padding."""
    context_image: BagImages | UInt8[Tensor, "B K 3 P P"] | Float[Tensor, "B K 3 P P"] | None = None
    """Tiles of an item; a table gives them on demand."""
    present: Bool[Tensor, "B K"] | None = None


@dataclass(frozen=True, eq=False)
class Labels:
    """What a loss may read of a batch besides the output; a model's `forward` never reads these."""

    target: Float[Tensor, "B G"] | Float[Tensor, "B K G"]
    """In the target's space; zeros where an item has no spot."""
    present: Bool[Tensor, "B K"] | None = None
    """Which of the K entries are spots of the item, and not padding; None for items that are spots
    or bags."""
    patient: Int[Tensor, " B"] | None = None
    """A number for each patient of the training table."""
    counts: Float[Tensor, "B G"] | Float[Tensor, "B K G"] | None = None
    """Raw counts of the panel; None if no loss reads them."""
    size_factor: Float[Tensor, " B"] | Float[Tensor, "B K"] | None = None
    """Total over all genes per 10,000 counts; None if no loss reads it."""
    pathways: Float[Tensor, "B P"] | Float[Tensor, "B K P"] | None = None
    """Measured activity of each pathway; None if no loss reads it."""
    concept: Float[Tensor, "B C"] | Float[Tensor, "B K C"] | None = None
    """Measures of the tiles that steer training, NaN where one is undefined; None if none does."""
    site: Int[Tensor, " B"] | None = None
    """A number for each site of the training table, -1 for an unknown one; None without sites."""

    def to(self, device: torch.device) -> "Labels":
        """Labels copied to a device; the host waits for no copy to a GPU."""
        to_gpu = device.type == "cuda"
        return self.map(lambda value: value.to(device, non_blocking=to_gpu))

    def map(self, change: Callable[[Tensor], Tensor]) -> "Labels":
        """The same labels with every tensor changed."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return Labels(**{name: change(value) for name, value in given.items()})


@dataclass(frozen=True, eq=False)
class CountDistribution:
    """Distribution of the counts of each gene: negative binomial, with additional zeros or not."""

    rate: Float[Tensor, "*B G"]
    """Mean of the negative binomial per 10,000 counts of the spot."""
    inverse_dispersion: Float[Tensor, "*B G"]
    """theta: the variance of the negative binomial is mean + mean^2 / theta."""
    zero_inflation: Float[Tensor, "*B G"] | None = None
    """Probability of a zero that the negative binomial does not explain; None without."""

    @property
    def mean(self) -> Float[Tensor, "*B G"]:
        """Mean count of a spot with 10,000 counts."""
        zeros = self.zero_inflation
        return self.rate if zeros is None else (1 - zeros) * self.rate

    @property
    def deviation(self) -> Float[Tensor, "*B G"]:
        """Standard deviation of the count of a spot with 10,000 counts."""
        spread = 1 / self.inverse_dispersion
        if self.zero_inflation is not None:
            spread = spread + self.zero_inflation
        return (self.mean * (1 + self.rate * spread)).sqrt()

    def map(self, change: Callable[[Tensor], Tensor]) -> "CountDistribution":
        """The same distribution with every tensor changed."""
        zeros = self.zero_inflation
        return CountDistribution(
            change(self.rate),
            change(self.inverse_dispersion),
            None if zeros is None else change(zeros),
        )


@dataclass(frozen=True, eq=False)
class Output:
    """Output of every neural model."""

    expression: Float[Tensor, "*B G"]
    """The mean, in the target's space: [B, G], or [B, K, G] of a model that predicts the spots of
    an item.
    """
    heads: Mapping[str, Float[Tensor, "*B _"]] = field(default_factory=dict)
    """What else the model says of an item or its spots, by name, e.g. scores of pathways."""
    counts: CountDistribution | None = None
    """Distribution of the counts, of a model that is trained on counts."""

    def float(self) -> "Output":
        """The same output in float32, whatever precision the model works in."""
        return self.map(lambda value: value.float())

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Tensors of expression, heads and counts, ordered as `map` changes them."""
        found: list[Tensor] = []

        def keep(value: Tensor) -> Tensor:
            found.append(value)
            return value

        self.map(keep)
        return tuple(found)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Output":
        """The same output with every tensor changed."""
        heads = {name: change(value) for name, value in self.heads.items()}
        counts = None if self.counts is None else self.counts.map(change)
        return Output(change(self.expression), heads, counts)

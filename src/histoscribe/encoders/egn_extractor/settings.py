"""The settings of the extractor that a run trains for itself."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from histoscribe.encoders.egn_extractor.layers import StyleConfig

_Positive = Annotated[int, Field(ge=1)]
_Above0 = Annotated[float, Field(gt=0)]


class ExtractorSettings(BaseModel):
    """How `inputs.encoder = "egn-extractor"` is made; the defaults are the paper's.

    The paper gives no weight beside its terms; how long it trains, and on how many windows at a
    time, is ours.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: _Positive = 512
    """Channels of the coarse maps of all three nets."""
    full_width_px: Literal[4, 8, 16, 32] = 32
    """Side of the finest map with all channels; each doubling after it halves them."""
    steps: _Positive = 25_000
    """Updates of the encoder and the generator."""
    batch_size: _Positive = 32
    """Windows in a step."""
    learning_rate: _Above0 = 2e-3
    """Of Adam."""
    l1_weight: _Above0 = 1.0
    """Of the mean absolute difference between a window and its reconstruction, in -1..1."""
    r1_gamma: Annotated[float, Field(ge=0)] = 10.0
    """Of the discriminator's squared gradient at real windows."""
    r1_every: _Positive = 16
    """Steps from one such penalty to the next, which then weighs as many times as much."""
    ema_windows: _Positive = 10_000
    """Windows seen until the averaged weights have forgotten half; early on a twentieth of all
    windows seen so far."""
    perceptual: str | None = None
    """Net the perceptual term is read from; by default the first whose weights are here."""
    checkpoint_steps: _Positive = 250
    """Steps from one checkpoint to the next; an interrupted training goes on from the last."""

    def nets(self, window_px: int) -> StyleConfig:
        """Sizes of the nets for windows of this side."""
        return StyleConfig(window_px=window_px, width=self.width, full_width_px=self.full_width_px)

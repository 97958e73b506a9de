"""Settings of the extractor that a run trains."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from histoscribe.encoders.egn_extractor.layers import Code, StyleConfig

_Positive = Annotated[int, Field(ge=1)]
_Above0 = Annotated[float, Field(gt=0)]


class ExtractorSettings(BaseModel):
    """Settings of `inputs.encoder = "egn-extractor"`; the defaults are those of S2FGAN.

    The paper names it as its source. The number of windows, and the length and batch size of the
    training, are our choice.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: _Positive = 512
    """Channels of the coarse maps of generator and discriminator."""
    full_width_px: Literal[4, 8, 16, 32] = 32
    """Side of the finest map with all channels; each doubling after it halves them."""
    windows_per_section: _Positive = 2000
    """Windows drawn on the tissue of each training section and kept on disk: 12 KiB each at 64 px,
    192 KiB at 256 px.
    """
    encoder_channels: _Positive = 64
    """Channels of the encoder at the full side; each of the first three halvings doubles them."""
    code: Code = "style"
    """What windows are compared by: `style`, the published code, which the generator reads; or
    `pooled`, ours: mean, deviation and correlations of the encoder's maps.
    """
    steps: _Positive = 25_000
    """Updates of the encoder and the generator."""
    batch_size: _Positive = 32
    """Windows per step."""
    learning_rate: _Above0 = 2e-3
    """Learning rate of Adam."""
    l1_weight: _Above0 = 2.5
    """Weight of the mean absolute difference between a window and its reconstruction, in -1..1."""
    head_layers: _Positive = 4
    """Linear layers of the encoder after each scale; with few, a short training gets further."""
    mapping_layers: _Positive = 5
    """Linear layers of the encoder between the mean of the scales and the code."""
    linear_rate: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Learning rate of the encoder's linear layers, as a share of `learning_rate`."""
    r1_gamma: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the discriminator's squared gradient at real windows."""
    r1_every: _Positive = 16
    """Steps between two such penalties; each then counts this many times."""
    ema_windows: _Positive = 10_000
    """Number of windows after which the averaged weights have forgotten half; early in the training
    a twentieth of all windows so far.
    """
    perceptual: str | None = None
    """Net of the perceptual term; by default the first whose weights are available."""
    checkpoint_steps: _Positive = 250
    """Steps between two checkpoints; an interrupted training continues from the last one."""

    def nets(self, window_px: int) -> StyleConfig:
        """Sizes of the nets for windows of this side."""
        return StyleConfig(
            window_px=window_px,
            width=self.width,
            full_width_px=self.full_width_px,
            encoder_channels=self.encoder_channels,
            head_layers=self.head_layers,
            mapping_layers=self.mapping_layers,
            linear_rate=self.linear_rate,
            code=self.code,
        )

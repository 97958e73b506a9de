"""Opening the encoders of a run by its settings, with weights that are where they should be."""

from pathlib import Path

from histoscribe.device import choose_device
from histoscribe.encoders.catalog import EXTRACTOR, needs_weights
from histoscribe.encoders.egn_extractor.training import Windows, trained_extractor
from histoscribe.encoders.encoder import Encoder, load_encoder
from histoscribe.encoders.perceptual import load_perceptual
from histoscribe.models.base import make_config
from histoscribe.predictor.encoding import Encoding, WeightFiles, weights_file, weights_of
from histoscribe.seed import integer
from histoscribe.train.row import ModelRow
from histoscribe.train.settings import InputSettings, RunSettings


def open_encoding(
    settings: RunSettings, encoder: str | None, given: WeightFiles
) -> tuple[Encoding, Encoder]:
    """Open the run's encoder, or the one a model insists on, on the run's device."""
    inputs: InputSettings = settings.inputs
    name = inputs.encoder if encoder is None else encoder
    layer = inputs.layer if encoder is None else None
    # a row may read an encoder that has nothing to draw
    random = inputs.weights == "random" and (encoder is None or needs_weights(name))
    opened = load_encoder(
        name,
        layer=layer,
        weights=None if random else weights_of(name, given),
        random_seed=integer(settings.seed, f"weights-{name}") if random else None,
    )
    used = _used(settings, name, layer, opened.weights)
    return used, opened.to(choose_device(settings.run.device))


def learned_encoding(
    settings: RunSettings, windows: Windows, given: WeightFiles, cache: Path
) -> tuple[Encoding, Encoder]:
    """Train the extractor of a fold on the windows of its training spots, or take it up again.

    Raises
    ------
    DataContractError
        The windows have a side that it cannot take, or no net is there to compare windows by.
    """
    device = choose_device(settings.run.device)
    opened = trained_extractor(
        windows,
        settings.extractor,
        perceptual=load_perceptual(settings.extractor.perceptual, given=given).to(device),
        seed=settings.seed,
        cache=cache,
        device=device,
    )
    return _used(settings, EXTRACTOR, None, opened.weights), opened


def initial_weights(row: ModelRow, given: WeightFiles) -> Path | None:
    """The file that a pretrained backbone starts from; None for a model that has none.

    Raises
    ------
    DataContractError
        It is nowhere.
    """
    pretrained = getattr(row.cls, "pretrained", None)
    if pretrained is None or make_config(row.model, row.settings).weights == "random":
        return None
    return weights_file(pretrained, given, f'settings.{row.name}.weights = "random"')


def _used(settings: RunSettings, name: str, layer: str | None, weights: str) -> Encoding:
    """How a run uses an encoder."""
    inputs = settings.inputs
    return Encoding(
        encoder=name,
        layer=layer,
        weights=weights,
        tile_px=inputs.tile_px,
        mpp=inputs.mpp,
        white_off_tissue=inputs.white_off_tissue,
        precision=settings.run.precision,
    )

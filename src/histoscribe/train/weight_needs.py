"""Weights that a row needs besides those of its encoder, searched before the long work."""

from collections.abc import Mapping
from pathlib import Path

from histoscribe.data.exemplars.lookup import perceptual_of
from histoscribe.models.base import ExpressionModel
from histoscribe.predictor.encoding import WeightFiles, weights_file
from histoscribe.predictor.folder import sha256
from histoscribe.train.row import ModelRow


def row_needs(row: ModelRow, given: WeightFiles) -> Mapping[str, str]:
    """Initial weights and perceptual net of a row, with checksums; empty for most rows.

    Raises
    ------
    DataContractError
        if a file is not found.
    """
    found = {}
    initial = initial_weights(row, given)
    if initial is not None:
        found["weights"] = f"sha256:{sha256(initial)}"
    perceptual = None if row.exemplars is None else perceptual_of(row.exemplars, given)
    if perceptual is not None:
        found["perceptual"] = f"{perceptual.name} {perceptual.source}"
    return found


def initial_weights(row: ModelRow, given: WeightFiles) -> Path | None:
    """File with the initial weights of a pretrained backbone; None for other models.

    Raises
    ------
    DataContractError
        if it is not found.
    """
    cls = row.cls
    pretrained = cls.initial_encoder(row.config) if issubclass(cls, ExpressionModel) else None
    if pretrained is None:
        return None
    return weights_file(pretrained, given, f'settings.{row.name}.weights = "random"')

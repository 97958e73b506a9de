"""Weights that a run needs beside those of its encoders, looked for before the long work."""

from collections.abc import Iterator, Mapping

from histoscribe.data.exemplars.lookup import perceptual_of
from histoscribe.encoders.catalog import EXTRACTOR
from histoscribe.encoders.egn_extractor.training import side_problems
from histoscribe.encoders.perceptual import load_perceptual
from histoscribe.errors import DataContractError, Problem
from histoscribe.predictor.encoding import WeightFiles
from histoscribe.predictor.folder import sha256
from histoscribe.train.encoders import initial_weights
from histoscribe.train.row import ModelRow
from histoscribe.train.settings import InputSettings, RunSettings


def needed_by_row(row: ModelRow, given: WeightFiles) -> Mapping[str, str]:
    """What a row starts from and compares tiles by, with checksums; empty for most rows.

    Raises
    ------
    DataContractError
        A file is nowhere.
    """
    found = {}
    initial = initial_weights(row, given)
    if initial is not None:
        found["weights"] = f"sha256:{sha256(initial)}"
    perceptual = None if row.exemplars is None else perceptual_of(row.exemplars, given)
    if perceptual is not None:
        found["perceptual"] = f"{perceptual.name} {perceptual.source}"
    return found


def needed_by_extractor(settings: RunSettings, given: WeightFiles) -> Mapping[str, str]:
    """What an extractor compares windows by, with the checksum.

    Raises
    ------
    DataContractError
        Its net is nowhere; the nets cannot be made for tiles of this side; a setting that it does
        not have.
    """
    problems = [*side_problems(settings.inputs.tile_px), *_of_frozen_nets(settings.inputs)]
    if problems:
        raise DataContractError(problems)
    try:
        settings.extractor.nets(settings.inputs.tile_px)
    except ValueError as error:
        raise DataContractError(
            Problem(
                where="settings, extractor",
                found=str(error),
                expected="a channel or more in every map of the nets",
                remedy="raise extractor.width or extractor.full_width_px",
            )
        ) from None
    perceptual = load_perceptual(settings.extractor.perceptual, given=given)
    return {"perceptual": f"{perceptual.name} {perceptual.source}"}


def _of_frozen_nets(inputs: InputSettings) -> Iterator[Problem]:
    """Settings that an encoder which is trained here would pass over."""
    # a layer is asked of the run's own encoder, random weights of that of every row
    asked = {
        "layer": inputs.layer if inputs.encoder == EXTRACTOR else None,
        "weights": inputs.weights if inputs.weights == "random" else None,
    }
    for name, value in asked.items():
        if value is not None:
            yield Problem(
                where=f"settings, inputs.{name}",
                found=f'"{value}", beside the encoder {EXTRACTOR}',
                expected="no such setting: each fold trains it and takes its code",
                remedy=f"remove inputs.{name}, or take another encoder",
            )

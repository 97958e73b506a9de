"""Train an extractor once on the windows of a fold's training patients.

A plain loop instead of Lightning's: two optimisers alternate within one forward pass, and a resumed
training needs only three nets, two optimisers and the step number.
"""

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from histoscribe.device import Device
from histoscribe.encoders.catalog import EXTRACTOR
from histoscribe.encoders.egn_extractor.encoder import StyleEncoder, save_extractor
from histoscribe.encoders.egn_extractor.layers import WINDOWS_PX, Code
from histoscribe.encoders.egn_extractor.settings import ExtractorSettings
from histoscribe.encoders.egn_extractor.step import (
    Adversaries,
    Losses,
    PerceptualDistance,
    in_unit,
)
from histoscribe.encoders.egn_extractor.symmetry import N_SYMMETRIES, turned
from histoscribe.encoders.encoder import Encoder, load_encoder
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing
from histoscribe.precision import whole_convolutions
from histoscribe.progress import track
from histoscribe.seed import integer, stream
from histoscribe.threads import fixed_threads

CHECKPOINT = "extractor.ckpt"
WEIGHTS = "encoder.safetensors"
_TRAINING = 4
"""Increases when the same windows and settings give other weights."""
_WHITENED = 4096
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Windows:
    """Windows of a fold's training patients: the only data that an extractor is trained on."""

    read: Callable[[Int[np.ndarray, " rows"]], UInt8[Tensor, "B 3 P P"]]
    """Windows of these rows."""
    n_rows: int
    side_px: int
    identity: str
    """Everything that decides their pixels: slides, positions, um/px, colour."""


@dataclass(frozen=True)
class _Pass:
    """One pass over the windows: their order, and the symmetry of each place in it."""

    number: int
    rows: Int[np.ndarray, " rows"]
    symmetries: Int[np.ndarray, " rows"]


class ExtractorTraining:
    """A training that advances step by step; `fit_extractor` runs it to its end."""

    def __init__(
        self,
        windows: Windows,
        settings: ExtractorSettings,
        *,
        perceptual: PerceptualDistance,
        seed: int,
        device: Device,
    ) -> None:
        self._windows, self._seed, self._device = windows, seed, device
        self._batch_size = settings.batch_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(integer(seed, "extractor-weights"))
            config = settings.nets(windows.side_px)
            self.nets = Adversaries(config, settings, perceptual, device, seed=seed)
        self.n_steps = 0
        self._pass = self._draw(0)

    def advance(self) -> None:
        """Take one step.

        Raises
        ------
        DataContractError
            a loss is not finite.
        """
        image = self._batch().to(self._device)
        losses = self.nets.step(image, self.n_steps)
        self.n_steps += 1
        if not torch.stack([*vars(losses).values()]).isfinite().all():  # a GPU is waited for once
            raise DataContractError(_diverged(self.n_steps, losses))

    @torch.no_grad()
    def whitened_encoders(self, codes: Sequence[Code]) -> list[StyleEncoder]:
        """Copies of the averaged encoder on the CPU, one for each reading, whitened.

        The windows for the whitening are at most 4,096 of the training, drawn by the seed.
        """
        average = self.nets.average_encoder
        draws = stream(self._seed, "extractor-whitening").permutation(self._windows.n_rows)
        rows = np.sort(draws[:_WHITENED])
        batches = np.array_split(rows, -(-len(rows) // self._batch_size))
        with whole_convolutions(torch.device(self._device)):  # as an encoder computes them
            found = [
                average.readings(in_unit(self._windows.read(of).to(self._device)), codes)
                for of in track(batches, "windows for the whitening")
            ]
        nets = [average.read_as(code).eval() for code in codes]
        for net, features in zip(nets, zip(*found, strict=True), strict=True):
            net.whitening.fit(torch.cat(features))
        return [net.cpu() for net in nets]

    def save(self, path: Path) -> None:
        """Write everything that a resumed training needs."""
        with replacing(path) as temporary:
            torch.save({"n_steps": self.n_steps, "nets": self.nets.state()}, temporary)

    def resume(self, path: Path) -> None:
        """Restore what `save` wrote."""
        state = torch.load(path, weights_only=True, map_location=self._device)
        self.nets.restore(state["nets"])
        self.n_steps = state["n_steps"]

    def _batch(self) -> UInt8[Tensor, "B 3 P P"]:
        """Windows of the next step: each once per pass, in a new order and symmetry every time."""
        places = np.arange(self._batch_size) + self.n_steps * self._batch_size
        passes, place = np.divmod(places, self._windows.n_rows)
        rows, symmetries = np.empty_like(place), np.empty_like(place)
        for number in np.unique(passes):
            if self._pass.number != number:
                self._pass = self._draw(int(number))
            now = passes == number
            rows[now] = self._pass.rows[place[now]]
            symmetries[now] = self._pass.symmetries[place[now]]
        return turned(self._windows.read(rows), symmetries)

    def _draw(self, number: int) -> _Pass:
        n_rows = self._windows.n_rows
        order = stream(self._seed, f"extractor-pass-{number}").permutation(n_rows)
        symmetry = stream(self._seed, f"extractor-symmetry-{number}")
        return _Pass(number, order, symmetry.integers(N_SYMMETRIES, size=n_rows))


def fit_extractor(
    windows: Windows,
    settings: ExtractorSettings,
    *,
    perceptual: PerceptualDistance,
    seed: int,
    resume: Path,
    device: Device,
) -> StyleEncoder:
    """Train an extractor; returns E with its averaged weights, on the CPU.

    Windows, settings and seed fix every bit on one processor, also if the training is interrupted:
    it continues from the last checkpoint in the folder `resume`. On a GPU the sums of the
    perceptual term's gradient have no fixed order, and the last bits may differ.

    Raises
    ------
    DataContractError
        if the windows are not 64, 128 or 256 px wide, or the training diverged.
    """
    _check(windows)
    training = ExtractorTraining(windows, settings, perceptual=perceptual, seed=seed, device=device)
    checkpoint = resume / CHECKPOINT
    if checkpoint.exists():
        training.resume(checkpoint)
        _log.info("the extractor continues from step %d", training.n_steps)
    with fixed_threads(), _deterministic():
        for step in track(range(training.n_steps, settings.steps), "steps of the extractor"):
            training.advance()
            if (step + 1) % settings.checkpoint_steps == 0:
                training.save(checkpoint)
        return training.whitened_encoders([settings.code])[0]


def trained_extractor(
    windows: Windows,
    settings: ExtractorSettings,
    *,
    perceptual: PerceptualDistance,
    seed: int,
    cache: Path,
    device: Device,
) -> Encoder:
    """Extractor of these windows as a frozen encoder: read from the cache, or trained.

    It is stored at `extractor_file`, in a folder whose name contains everything that decides the
    weights; an interrupted training continues there.

    Raises
    ------
    DataContractError
        as `fit_extractor`; or if the file in the cache was damaged.
    """
    path = extractor_file(
        windows, settings, perceptual=perceptual, seed=seed, cache=cache, device=device
    )
    if not path.exists():
        net = fit_extractor(
            windows,
            settings,
            perceptual=perceptual,
            seed=seed,
            resume=path.parent,
            device=device,
        )
        save_extractor(net, path)
    (path.parent / CHECKPOINT).unlink(missing_ok=True)
    return load_encoder(EXTRACTOR, weights=path).to(device)


def extractor_file(
    windows: Windows,
    settings: ExtractorSettings,
    *,
    perceptual: PerceptualDistance,
    seed: int,
    cache: Path,
    device: Device,
) -> Path:
    """Path of this extractor's weights in the cache."""
    decides = {
        "training": _TRAINING,
        "windows": [windows.identity, windows.n_rows, windows.side_px],
        "settings": settings.model_dump(mode="json", exclude={"checkpoint_steps", "perceptual"}),
        "perceptual": [perceptual.name, perceptual.source],
        "seed": seed,
        "device": device,
    }
    key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
    return cache / "extractors" / key / WEIGHTS


def side_problems(side_px: int) -> list[Problem]:
    """Problems of a window side that cannot be halved down to 4 px; empty for a valid side."""
    if side_px in WINDOWS_PX:
        return []
    return [
        Problem(
            where="settings, inputs.tile_px",
            found=f"{side_px} px",
            expected=f"{', '.join(map(str, WINDOWS_PX))} px: the extractor halves a window "
            "down to 4 px",
            remedy="set inputs.tile_px to one of these, or name another encoder",
        )
    ]


def _check(windows: Windows) -> None:
    problems = side_problems(windows.side_px)
    if windows.n_rows < 1:
        problems.append(
            Problem(
                where="extractor",
                found="no windows to train on",
                expected="windows on the tissue of the training patients",
                remedy="have at least one training section with spots",
            )
        )
    if problems:
        raise DataContractError(problems)


def _diverged(n_steps: int, losses: Losses) -> Problem:
    found = ", ".join(f"{name} {float(loss):.3g}" for name, loss in vars(losses).items())
    return Problem(
        where=f"extractor, step {n_steps}",
        found=f"a loss that is no number: {found}",
        expected="finite losses",
        remedy="lower extractor.learning_rate, or raise extractor.r1_gamma",
    )


@contextmanager
def _deterministic() -> Iterator[None]:
    """Make torch deterministic within the block, and restore its mode afterwards.

    One exception on a GPU: the gradient of the max-pooling in the perceptual term's net is summed
    in any order. Other such operations cause a warning.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch asks for it on a GPU
    before = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="max_pool2d_with_indices_backward_cuda")
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warned)

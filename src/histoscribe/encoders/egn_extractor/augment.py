"""Adaptive augmentation of the windows that F judges (Karras et al. 2020, arXiv:2006.06676).

F judges windows that are turned, moved, scaled and recoloured at random, real and generated ones
alike, so that it cannot learn few windows by heart. Each change of a window has the probability p,
which rises while F judges more than 60 % of real windows right, net of the wrong ones, and falls
otherwise (section 3.1). The changes are those of the paper's appendix B without its filters and
corruptions; its wavelet resampling is bilinear here.
"""

import math
from dataclasses import dataclass
from functools import reduce
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.seed import integer

_TARGET = 0.6
_EVERY = 4  # batches between two changes of p
_WINDOWS_TO_1 = 500_000  # at this speed p rises from 0 to 1
_CHANGES = (
    *("mirror", "quarter", "shift", "scale", "turn", "stretch", "turn_again", "move"),
    *("brightness", "contrast", "flip", "hue", "saturation"),
)


@final
class AdaptiveAugmentation(nn.Module):
    """Changes windows at random, with a probability that follows F's scores of real windows."""

    probability: Tensor
    signs: Tensor

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed
        self.register_buffer("probability", torch.zeros(()))
        self.register_buffer("signs", torch.zeros(()))

    def forward(self, image: Float[Tensor, "B 3 P P"], use: str) -> Float[Tensor, "B 3 P P"]:
        """Changed windows; equal texts `use` draw equal changes."""
        draws = _Draws.drawn(
            integer(self._seed, f"extractor-augmentation-{use}"), self.probability, len(image)
        )
        return recoloured(moved(image, draws.placing(image.shape[-1])), draws.colour())

    def follow(self, score: Float[Tensor, " B"], number: int) -> None:
        """Note F's scores of real windows in step `number`, and change p every few steps."""
        self.signs += score.sign().mean()
        if (number + 1) % _EVERY == 0:
            change = _EVERY * len(score) / _WINDOWS_TO_1
            self.probability += (self.signs / _EVERY - _TARGET).sign() * change
            self.probability.clamp_(0, 1)
            self.signs.zero_()


def moved(
    image: Float[Tensor, "B 3 P P"], placing: Float[Tensor, "B 2 3"]
) -> Float[Tensor, "B 3 P P"]:
    """Windows read at transformed places, in between bilinearly and outside mirrored.

    `placing` takes places (x, y, 1), -1..1 over the window, to those that are read. Written with
    `gather`, whose gradient is deterministic on a GPU, too.
    """
    side = image.shape[-1]
    line = (torch.arange(side, device=image.device, dtype=image.dtype) * 2 + 1) / side - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    at = ((placing @ places + 1) * side).remainder(4 * side) / 2
    at = (side - (side - at).abs() - 0.5).clamp(0, side - 1)
    low = at.floor().clamp(max=side - 2)
    share, low = at - low, low.long()
    rows = image.flatten(2)

    def read(dx: int, dy: int) -> Tensor:
        index = (low[:, 1] + dy) * side + low[:, 0] + dx
        return rows.gather(2, index[:, None].expand(-1, 3, -1))

    right, down = share[:, None, 0], share[:, None, 1]
    above = torch.lerp(read(0, 0), read(1, 0), right)
    below = torch.lerp(read(0, 1), read(1, 1), right)
    return torch.lerp(above, below, down).unflatten(2, (side, side))


def recoloured(
    image: Float[Tensor, "B 3 P P"], colour: Float[Tensor, "B 3 4"]
) -> Float[Tensor, "B 3 P P"]:
    """Windows whose red, green and blue are mixed by a matrix, its last column added."""
    return (colour[:, :, :3] @ image.flatten(2) + colour[:, :, 3:]).unflatten(2, image.shape[2:])


@dataclass(frozen=True)
class _Draws:
    """Random numbers of one batch, and the changes that they decide."""

    probability: Float[Tensor, ""]
    gate: Float[Tensor, "B K 1"]
    uniform: Float[Tensor, "B K 2"]
    normal: Float[Tensor, "B K 2"]

    @classmethod
    def drawn(cls, seed: int, probability: Float[Tensor, ""], n_images: int) -> "_Draws":
        """Draw on the CPU, so that every device has the same numbers."""
        random, shape = torch.Generator().manual_seed(seed), (n_images, len(_CHANGES), 2)
        numbers = (
            torch.rand(*shape[:2], 1, generator=random),
            torch.rand(shape, generator=random),
            torch.randn(shape, generator=random),
        )
        return cls(probability, *(part.to(probability.device) for part in numbers))

    def placing(self, side: int) -> Float[Tensor, "B 2 3"]:
        """Transformation of places in windows of so many px, for `moved`."""
        # two turns by any angle: together they have the probability p
        turning = 1 - (1 - self.probability).sqrt()
        mirror = 1 - 2 * self._steps("mirror", 2)
        quarter = self._steps("quarter", 4) * (math.pi / 2)
        half = side / 2  # px; places are -1..1 over the window
        # by whole px, which blur nothing
        shift = self._value("shift", ((self.uniform * 0.5 - 0.25) * half).round() / half)
        scale = torch.exp2(self._value("scale", 0.2 * self.normal))[:, 0]
        turns = [
            self._value(name, (2 * self.uniform - 1) * math.pi, turning)[:, 0]
            for name in ("turn", "turn_again")
        ]
        stretch = torch.exp2(self._value("stretch", 0.2 * self.normal))[:, 0]
        move = self._value("move", 0.25 * self.normal)
        nothing = torch.zeros_like(scale)
        steps = (
            _affine(nothing, (mirror, torch.ones_like(mirror))),
            _affine(quarter),
            _affine(nothing, move=shift),
            # the stretch lies between the two turns, so that it has any direction
            _affine(turns[0], (stretch, 1 / stretch)),
            _affine(turns[1], (scale, scale)),
            _affine(nothing, move=move),
        )
        return reduce(torch.matmul, steps)[:, :2]

    def colour(self) -> Float[Tensor, "B 3 4"]:
        """Transformation of colours, for `recoloured`."""
        brightness = self._value("brightness", 0.2 * self.normal)[:, :1, None]
        contrast = torch.exp2(self._value("contrast", 0.5 * self.normal))[:, :1, None]
        flip = 1 - 2 * self._steps("flip", 2)[:, None, None]
        hue = self._value("hue", (2 * self.uniform - 1) * math.pi)[:, :1, None]
        saturation = torch.exp2(self._value("saturation", self.normal))[:, :1, None]
        grey = torch.full_like(hue, 1 / 3).expand(-1, 3, 3)
        eye = torch.eye(3, dtype=hue.dtype, device=hue.device)
        colourful = eye - grey
        # a turn about the grey axis: Rodrigues' formula
        around = (eye.roll(1, 0) - eye.roll(-1, 0)) / 3**0.5
        turned = hue.cos() * colourful + hue.sin() * around
        mixed = contrast * (flip * grey + saturation * turned)
        return torch.cat([mixed, (brightness * contrast * flip).expand(-1, 3, 1)], dim=2)

    def _value(
        self, name: str, drawn: Float[Tensor, "B K 2"], probability: Tensor | None = None
    ) -> Float[Tensor, "B 2"]:
        """Numbers drawn for a change of each window; 0 where the gate is closed."""
        at = _CHANGES.index(name)
        p = self.probability if probability is None else probability
        return drawn[:, at] * (self.gate[:, at] < p)

    def _steps(self, name: str, n: int) -> Float[Tensor, " B"]:
        """One of 0 .. n - 1, all equally probable."""
        return self._value(name, (self.uniform * n).floor().clamp(max=n - 1))[:, 0]


def _affine(
    angle: Float[Tensor, " B"],
    scale: tuple[Tensor, Tensor] | None = None,
    move: Float[Tensor, "B 2"] | None = None,
) -> Float[Tensor, "B 3 3"]:
    """Scale along x and y, then turn, then move."""
    one, zero = torch.ones_like(angle), torch.zeros_like(angle)
    (wide, high), (x, y) = scale or (one, one), (zero, zero) if move is None else move.unbind(1)
    cos, sin = angle.cos(), angle.sin()
    rows = [cos * wide, -sin * high, x, sin * wide, cos * high, y, zero, zero, one]
    return torch.stack(rows, dim=1).unflatten(1, (3, 3))

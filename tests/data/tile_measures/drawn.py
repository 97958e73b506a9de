"""Tiles drawn by hand from two stains, so that every measure has a known answer."""

from dataclasses import dataclass

import numpy as np
from skimage.color import rgb_from_hed

STAINS = rgb_from_hed[:2]
"""Optical density in red, green and blue of one unit of haematoxylin and of eosin."""
GROUND = (0.06, 0.2)
"""Haematoxylin and eosin between the nuclei."""
INK = 0.45
"""Haematoxylin that a nucleus adds."""


@dataclass(frozen=True)
class Ellipse:
    """One nucleus."""

    x_um: float
    y_um: float
    long_um: float
    short_um: float
    angle: float = 0.0

    def inside(self, side_px, mpp):
        """Px whose centre lies in the ellipse."""
        x = (np.arange(side_px) + 0.5) * mpp - self.x_um
        y = (np.arange(side_px) + 0.5)[:, None] * mpp - self.y_um
        u = (x * np.cos(self.angle) + y * np.sin(self.angle)) / self.long_um
        v = (y * np.cos(self.angle) - x * np.sin(self.angle)) / self.short_um
        return u**2 + v**2 <= 1


def shown(haematoxylin, eosin):
    """RGB of two stain maps by the law of Beer and Lambert; the inverse of the unmixing."""
    density = np.stack([haematoxylin, eosin], axis=-1) @ STAINS
    return np.clip(np.rint(256 * 10.0**-density - 1), 0, 255).astype(np.uint8)


def tissue(nuclei, side_px=160, mpp=0.5, ground=GROUND):
    """A tile of even tissue with these nuclei."""
    haematoxylin, eosin = (np.full((side_px, side_px), unit) for unit in ground)
    for nucleus in nuclei:
        haematoxylin[nucleus.inside(side_px, mpp)] = ground[0] + INK
    return shown(haematoxylin, eosin)


def grid(n, long_um, short_um, side_um=80.0):
    """`n` x `n` nuclei far apart, each with an angle of its own."""
    step = side_um / n
    return [
        Ellipse(
            (column + 0.5) * step,
            (row + 0.5) * step,
            long_um,
            short_um,
            0.7 * (row * n + column),
        )
        for row in range(n)
        for column in range(n)
    ]

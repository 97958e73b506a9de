"""Smooth random fields and seamless textures, the raw material of simulated tissue."""

import numpy as np
from jaxtyping import Float
from PIL import Image


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, int], scale: float
) -> Float[np.ndarray, "h w"]:
    """Gaussian random field of mean 0 and deviation 1, correlated over about `scale` cells."""
    # drawn on a larger torus, so that opposite borders of the section do not match
    h, w = (n + int(4 * scale) for n in shape)
    return _filtered(rng, (h, w), _gaussian_gain(h, w, (scale, scale, 0.0)))[: shape[0], : shape[1]]


def texture(
    rng: np.random.Generator, side: int, along: float, across: float, angle: float
) -> Float[np.ndarray, "side side"]:
    """Seamless square of noise with mean 0 and deviation 1, stretched along `angle` (radians).

    `along` and `across` are its correlation lengths in px.
    """
    return _filtered(rng, (side, side), _gaussian_gain(side, side, (along, across, angle)))


def enlarge(field: Float[np.ndarray, "h w"], factor: int) -> Float[np.ndarray, "H W"]:
    """Resample a coarse field onto pixels `factor` times finer, smoothly."""
    h, w = field.shape
    image = Image.fromarray(np.ascontiguousarray(field, dtype=np.float32))
    return np.asarray(image.resize((w * factor, h * factor), Image.Resampling.BICUBIC))


def block_mean(image: Float[np.ndarray, "H W"], factor: int) -> Float[np.ndarray, "h w"]:
    """Mean over squares of `factor` px: the inverse of `enlarge`."""
    h, w = (n // factor for n in image.shape)
    return image.reshape(h, factor, w, factor).mean(axis=(1, 3))


def _gaussian_gain(
    h: int, w: int, lengths: tuple[float, float, float]
) -> Float[np.ndarray, "h half"]:
    along, across, angle = lengths
    y, x = np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return np.exp(-2.0 * np.pi**2 * ((u * along) ** 2 + (v * across) ** 2) / 2.0)


def _filtered(
    rng: np.random.Generator, shape: tuple[int, int], gain: Float[np.ndarray, "h half"]
) -> Float[np.ndarray, "h w"]:
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * gain, s=shape)
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)

"""One step of the extractor's training: first the discriminator, then encoder and generator.

Yang et al., WACV 2023 (arXiv:2210.16721), section 3.1, with u = softplus, x a window and x' =
G(E(x)). The paper prints u(F(x)) + u(-F(x')), to be maximised over F, which has no upper bound.
This is the pair of Goodfellow et al. 2014 with the non-saturating loss of G, as in StyleGAN2: F
minimises u(-F(x)) + u(F(x')), E and G minimise u(-F(x')) + 2.5 |x - x'| + 2.5 perceptual, with the
weights of S2FGAN (Yang et al., WACV 2022), whose architecture and optimisation the paper follows.
What F judges is changed at random before: `augment`.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.device import Device
from histoscribe.encoders.egn_extractor.augment import AdaptiveAugmentation
from histoscribe.encoders.egn_extractor.discriminator import StyleDiscriminator
from histoscribe.encoders.egn_extractor.encoder import StyleEncoder
from histoscribe.encoders.egn_extractor.generator import StyleGenerator
from histoscribe.encoders.egn_extractor.layers import StyleConfig
from histoscribe.encoders.egn_extractor.settings import ExtractorSettings

_BETAS = (0.0, 0.99)
_EARLY = 0.05  # the average covers at most this share of all windows so far
_HALF_WHITE = 127.5
_PERCEPTUAL_WEIGHT = 2.5  # of S2FGAN


@runtime_checkable
class PerceptualDistance(Protocol):
    """Perceptual distance of each pair of windows in a batch."""

    name: str
    """Name for the card."""
    source: str
    """Checksum or seed of its weights."""

    def __call__(
        self, image: Float[Tensor, "B 3 P P"], other: UInt8[Tensor, "B 3 P P"]
    ) -> Float[Tensor, " B"]:
        """Distance of windows in 0..255."""


@dataclass(frozen=True)
class Losses:
    """Losses of one step, before its updates."""

    discriminator: Float[Tensor, ""]
    adversarial: Float[Tensor, ""]
    l1: Float[Tensor, ""]
    """Mean absolute difference in -1..1."""
    perceptual: Float[Tensor, ""]


@final
class Adversaries:
    """The three nets, the averages of E and G, and the optimisers."""

    def __init__(
        self,
        config: StyleConfig,
        settings: ExtractorSettings,
        perceptual: PerceptualDistance,
        device: Device,
        *,
        seed: int,
    ) -> None:
        self.encoder = StyleEncoder(config).to(device)
        self.generator = StyleGenerator(config).to(device)
        self.discriminator = StyleDiscriminator(config).to(device)
        self.average_encoder = deepcopy(self.encoder).requires_grad_(requires_grad=False)
        self.average_generator = deepcopy(self.generator).requires_grad_(requires_grad=False)
        self.augmentation = AdaptiveAugmentation(seed).to(device)
        self._settings, self._perceptual = settings, perceptual
        rate = settings.learning_rate
        making = [*self.encoder.parameters(), *self.generator.parameters()]
        self._maker = torch.optim.Adam(making, lr=rate, betas=_BETAS)
        # a penalty is one more update in `r1_every`: rate and memory are scaled as in StyleGAN2
        lazy = settings.r1_every / (settings.r1_every + 1)
        self._judge = torch.optim.Adam(
            self.discriminator.parameters(),
            lr=rate * lazy,
            betas=(_BETAS[0] ** lazy, _BETAS[1] ** lazy),
        )

    def step(self, image: UInt8[Tensor, "B 3 P P"], number: int) -> Losses:
        """Update all nets by one batch; `number` counts the steps before this one."""
        real = in_unit(image)
        made = self.generator(self.encoder.style(real))
        judged = self._update_judge(real, made.detach(), number)
        self.discriminator.requires_grad_(requires_grad=False)
        changed = self.augmentation(made, f"made-again-{number}")
        adversarial = functional.softplus(-self.discriminator(changed)).mean()
        l1 = functional.l1_loss(made, real)
        perceptual = self._perceptual((made + 1) * _HALF_WHITE, image).mean()
        total = adversarial + self._settings.l1_weight * l1 + _PERCEPTUAL_WEIGHT * perceptual
        _update(self._maker, total)
        self.discriminator.requires_grad_(requires_grad=True)
        self._remember(len(image), number)
        return Losses(judged, adversarial.detach(), l1.detach(), perceptual.detach())

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training needs: tensors and numbers only."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "encoder": self.encoder,
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average_encoder": self.average_encoder,
            "average_generator": self.average_generator,
            "maker": self._maker,
            "judge": self._judge,
            "augmentation": self.augmentation,
        }

    def _update_judge(self, real: Tensor, made: Tensor, number: int) -> Float[Tensor, ""]:
        score, augment = self.discriminator, self.augmentation
        of_real = score(augment(real, f"real-{number}"))
        of_made = score(augment(made, f"made-{number}"))
        loss = (functional.softplus(-of_real) + functional.softplus(of_made)).mean()
        _update(self._judge, loss)
        augment.follow(of_real.detach(), number)
        if self._settings.r1_gamma > 0 and number % self._settings.r1_every == 0:
            penalty = r1_penalty(score, real, self._settings.r1_gamma)
            _update(self._judge, penalty * self._settings.r1_every)
        return loss.detach()

    @torch.no_grad()
    def _remember(self, n_images: int, number: int) -> None:
        keep = kept_share(n_images, (number + 1) * n_images, self._settings.ema_windows)
        for average, now in (
            (self.average_encoder, self.encoder),
            (self.average_generator, self.generator),
        ):
            for slow, fast in zip(average.parameters(), now.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)


def in_unit(image: UInt8[Tensor, "B 3 P P"]) -> Float[Tensor, "B 3 P P"]:
    """Windows in 0..255 scaled to -1..1."""
    return image.float() / _HALF_WHITE - 1


def r1_penalty(
    discriminator: nn.Module, real: Float[Tensor, "B 3 P P"], gamma: float
) -> Float[Tensor, ""]:
    """Half of gamma times the mean squared length of the score's gradient at real windows.

    Mescheder et al. 2018, arXiv:1801.04406, equation 9.
    """
    image = real.detach().clone()
    image.requires_grad = True
    (slope,) = torch.autograd.grad(discriminator(image).sum(), image, create_graph=True)
    return gamma / 2 * slope.square().sum(dim=(1, 2, 3)).mean()


def kept_share(n_images: int, n_seen: int, halflife: int) -> float:
    """Share of the averaged weights that a step of so many windows keeps.

    After `halflife` windows half is left, so the average forgets equally fast with any batch size.
    While the total `n_seen` (including this step) is small it forgets faster, because the first
    weights are poor.
    """
    return 0.5 ** (n_images / min(halflife, _EARLY * n_seen))


def _update(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()

"""Sections painted in memory, whose stains and grain are known, and predictors of small networks.

Haematoxylin, eosin and the strength of the grain are three smooth maps without any relation.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from scipy.ndimage import gaussian_filter
from torch import nn
from torch.nn import functional

import histoscribe as hs
from histoscribe.encoders.encoder import Encoder
from histoscribe.encoders.record import EncoderRecord
from histoscribe.models.base import Facts, create_model
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import stream
from histoscribe.types import Cohort, CohortEntry, Counts, Section, Slide, Spots

SIDE = 7
"""Spots along one side of a section."""
PITCH_PX, TILE_PX = 100, 24
MEASURES = ("haematoxylin_density", "eosin_density", "texture_contrast")
"""Of the three maps, in this order."""
GENES = ("BLUE", "PINK", "GRAIN", "PALE")
"""Rise with haematoxylin, eosin and grain, and fall with haematoxylin."""
FILLERS = 6
"""Further genes that are the same everywhere, so that depth is."""
_STAINS = np.array([(0.65, 0.70, 0.29), (0.07, 0.99, 0.11)])


class PaintedSlide(Slide):
    """Tissue whose stains vary from spot to spot, at 1 um/px."""

    def __init__(self, maps, seed):
        self.maps, self.seed = maps, seed  # [3, SIDE, SIDE]
        self.path = Path(f"painted{seed}.png")
        self.width = self.height = (SIDE + 1) * PITCH_PX
        self.mpp = 1.0

    def read(self, xy, side_px, mpp):
        column, row = (round(at / PITCH_PX) - 1 for at in xy)
        blue, pink, grain = self.maps[:, row, column]
        rng = np.random.default_rng([self.seed, row, column])
        noise = gaussian_filter(rng.normal(size=(side_px, side_px)), 1.0 / mpp)
        density = 0.5 + 0.08 * blue + (0.35 + 0.1 * grain) * noise[..., None]
        stained = np.maximum(density, 0) * _STAINS[0] + (0.3 + 0.08 * pink) * _STAINS[1]
        return np.clip(np.rint(250 * 10**-stained), 0, 254).astype(np.uint8)

    def overview(self, mpp):
        side = round(self.width * self.mpp / mpp)
        return np.full((side, side, 3), (180, 120, 180), dtype=np.uint8)

    def pixel_hash(self):
        return f"painted {self.seed}"


class ColourAndGrain(nn.Module):
    """Mean of each channel, and mean size of the difference of neighbouring px."""

    def forward(self, image):
        across = (image[..., 1:] - image[..., :-1]).abs().mean(dim=(2, 3))
        return torch.cat([functional.adaptive_avg_pool2d(image, 1)[..., 0, 0], 4 * across], dim=1)


def smooth_maps(rng, n=3):
    """Smooth maps over the spots, of mean 0 and deviation 1."""
    maps = gaussian_filter(rng.normal(size=(n, SIDE, SIDE)), (0, 1.0, 1.0), mode="wrap")
    maps -= maps.mean(axis=(1, 2), keepdims=True)
    return maps / maps.std(axis=(1, 2), keepdims=True)


def painted_section(id_, seed, *, expressed=None):
    """A section of a patient of the same name; `expressed` are other maps that genes follow."""
    rng = stream(seed, f"painted {id_}")
    maps = smooth_maps(rng)
    blue, pink, grain = maps if expressed is None else expressed
    log_rate = np.stack([blue, pink, grain, -blue]).reshape(len(GENES), -1).T
    rate = 40 * np.exp(np.hstack([0.4 * log_rate, np.zeros((SIDE**2, FILLERS))]))
    genes = (*GENES, *(f"FILLER{at}" for at in range(FILLERS)))
    counts = Counts(sp.csr_matrix(rng.poisson(rate)), genes, genes)
    at = np.arange(SIDE**2)
    xy = PITCH_PX * (1.0 + np.stack([at % SIDE, at // SIDE], axis=1))
    spots = Spots(tuple(f"s{i}" for i in at), xy, diameter_um=50.0, pitch_um=float(PITCH_PX))
    return Section(id_, id_, PaintedSlide(maps, int(rng.integers(2**31))), spots, counts)


def painted_cohort(seed, n_patients=4, *, genes_follow_tissue=True):
    """Patients of one section each; else genes follow maps that the image does not show."""
    sections = []
    for patient in range(n_patients):
        rng = stream(seed, f"expressed {patient}")
        expressed = None if genes_follow_tissue else smooth_maps(rng)
        sections.append(painted_section(f"New{patient}", seed, expressed=expressed))
    return Cohort([CohortEntry(s.id, s.patient, lambda s=s: s) for s in sections])


@cache
def _template() -> Predictor:
    sections = [painted_section(f"Old{at}", 0) for at in range(3)]
    return hs.train(
        Cohort([CohortEntry(s.id, s.patient, lambda s=s: s) for s in sections]),
        {"mlp": {"hidden": 8}},
        inputs={
            "encoder": "mean_colour",
            "tile_px": TILE_PX,
            "mpp": 1.0,
            "white_off_tissue": False,
        },
        target={"transform": "log1p", "n_genes": len(GENES) + FILLERS},
        train={"epochs": 1},
        run={"device": "cpu"},
    )


def encoder() -> Encoder:
    """Colour and grain, without weights."""
    facts = {"licence": "none", "paper": "none", "needs_weights": False}
    record = EncoderRecord(name="mean_colour", width=6, **facts)
    return Encoder(record, ColourAndGrain(), "toy", "none")


def random_predictor(seed) -> Predictor:
    """A predictor whose network has random weights."""
    template = _template()
    feature, target = _training_data(template, painted_cohort(1000))
    facts = Facts(
        feature_mean=feature.mean(axis=0),
        feature_scale=feature.std(axis=0),
        target_mean=target.mean(axis=0),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = create_model("mlp", facts=facts, hidden=8, dropout=0.0)
    return replace(template, fitted=Fitted(network), _encoder=encoder())


def trained_predictor(seed, cohort, *, permuted=False) -> Predictor:
    """A predictor fitted to a cohort, or to one whose patients have swapped their values."""
    predictor = random_predictor(seed)
    feature, target = _training_data(predictor, cohort)
    if permuted:
        target = np.roll(target.reshape(len(cohort), -1, target.shape[1]), 1, axis=0)
    feature, target = (torch.from_numpy(np.ascontiguousarray(v)).float() for v in (feature, target))
    target = target.reshape(len(feature), -1)
    network = predictor.model
    optimiser = torch.optim.Adam(network.parameters(), 0.03, weight_decay=1e-3)
    for _ in range(150):
        optimiser.zero_grad()
        functional.mse_loss(network(feature=feature).expression, target).backward()
        optimiser.step()
    optimiser.zero_grad()
    return predictor


def _training_data(predictor, cohort):
    features, targets = [], []
    for section in cohort:
        tiles = [section.slide.read(tuple(xy), TILE_PX, 1.0) for xy in section.spots.xy]
        image = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2)
        features.append(encoder()(image).numpy().astype(np.float64))
        targets.append(predictor.target.apply(section).astype(np.float64))
    return np.concatenate(features), np.concatenate(targets)

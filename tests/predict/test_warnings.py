"""A slide unlike the training slides is named with its value; one like them is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histoscribe.data.stain_density import TissueStain, tissue_stain
from histoscribe.data.tissue import TissueMask
from histoscribe.predict.warnings import unlike_training
from histoscribe.predictor.limits import BeyondTraining
from histoscribe.types import Slide
from tests.predictor.references import reference_of

STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])


class Painted(Slide):
    """A slide of one colour on its left half, glass on its right."""

    def __init__(self, haematoxylin: float, eosin: float, mpp: float = 0.5) -> None:
        density = np.array([haematoxylin, eosin]) @ STAINS
        self.path, self.width, self.height, self.mpp = Path("painted.png"), 800, 400, mpp
        self.colour = np.rint(256 * 10**-density - 1).astype(np.uint8)

    def overview(self, mpp):
        height, width = (max(1, round(side * self.mpp / mpp)) for side in (self.height, self.width))
        image = np.full((height, width, 3), 255, dtype=np.uint8)
        image[:, : width // 2] = self.colour
        return image

    def read(self, xy, side_px, mpp):
        raise NotImplementedError

    def pixel_hash(self):
        raise NotImplementedError


def mask_of(slide):
    inside = np.zeros((20, 40), dtype=bool)
    inside[:, :20] = True
    return TissueMask(inside, (slide.width / 40, slide.height / 20), slide.mpp)


REFERENCE = replace(
    reference_of(np.eye(3)),
    stain={
        "S1": TissueStain(0.30, 0.1, 0.20, 0.1, 0.5),
        "S2": TissueStain(0.45, 0.1, 0.25, 0.1, 0.5),
    },
)


def said(slide, distance=None, *, n_clipped=0, keep_unlike=False):
    """Warnings about a slide with these distances and 10 genes."""
    if distance is None:
        return unlike_training(slide, mask_of(slide), REFERENCE, None)
    clipped = np.zeros(len(distance))
    clipped[0] = n_clipped
    facts = {"distance_to_training": distance, "clipped_genes": clipped}
    beyond = BeyondTraining.of(facts, 10, keep_unlike=keep_unlike)
    return unlike_training(slide, mask_of(slide), REFERENCE, beyond)


def test_stain_is_measured_on_tissue_only_and_comes_back_as_painted():
    slide = Painted(0.4, 0.2)
    stain = tissue_stain(slide, mask_of(slide))
    assert stain.haematoxylin == pytest.approx(0.4, abs=0.01)
    assert stain.eosin == pytest.approx(0.2, abs=0.01)
    assert stain.haematoxylin_sd == pytest.approx(0, abs=1e-6)
    assert stain.tissue_share == pytest.approx(0.5, abs=0.03)


def test_a_mask_of_another_size_than_the_overview_fits():
    slide = Painted(0.4, 0.2)
    coarse = TissueMask(np.array([[True, False]]), (slide.width / 2, 400.0), slide.mpp)
    assert tissue_stain(slide, coarse) == tissue_stain(slide, mask_of(slide))


def test_a_slide_without_tissue_has_no_stain():
    slide = Painted(0.4, 0.2)
    nothing = TissueMask(np.zeros((4, 4), dtype=bool), (200.0, 100.0), slide.mpp)
    assert tissue_stain(slide, nothing) is None
    assert unlike_training(slide, nothing, REFERENCE, None) == ()


def test_nothing_is_said_of_a_slide_like_the_training_slides():
    assert said(Painted(0.35, 0.22), np.full(50, 0.5)) == ()
    assert said(Painted(0.25, 0.17), np.linspace(0, 1.3, 50)) == ()


@pytest.mark.parametrize(("mpp", "word"), [(0.25, "sharper"), (1.0, "blurrier")])
def test_other_resolution_is_named_with_both_values(mpp, word):
    (sentence,) = said(Painted(0.35, 0.22, mpp=mpp))
    assert f"{mpp:g} um/px" in sentence
    assert "the training slides 0.5" in sentence
    assert word in sentence


@pytest.mark.parametrize("mpp", [0.46, 0.54])
def test_ten_percent_of_resolution_is_quiet(mpp):
    assert said(Painted(0.35, 0.22, mpp=mpp)) == ()


@pytest.mark.parametrize(
    ("haematoxylin", "eosin", "words"),
    [
        (0.9, 0.22, "more haematoxylin"),
        (0.05, 0.22, "less haematoxylin"),
        (0.35, 0.6, "more eosin"),
        (0.35, 0.02, "less eosin"),
    ],
)
def test_another_stain_is_named_with_both_values(haematoxylin, eosin, words):
    (sentence,) = said(Painted(haematoxylin, eosin))
    assert words in sentence
    assert "mean optical density" in sentence
    assert ("0.3 to 0.45" if "haematoxylin" in words else "0.2 to 0.25") in sentence


def test_normalisation_is_not_advised_where_it_was_done():
    slide = Painted(0.9, 0.22)
    (plain,) = unlike_training(slide, mask_of(slide), REFERENCE, None)
    (done,) = unlike_training(slide, mask_of(slide), REFERENCE, None, normalised=True)
    assert 'inputs.stain = "reinhard"' in plain
    assert "inputs.stain" not in done
    assert "were normalised to those of the training slides" in done


def test_far_tissue_is_named_with_its_share_and_what_became_of_it():
    slide = Painted(0.35, 0.22)
    (sentence,) = said(slide, np.array([0.5, 0.5, 2.0, 2.0]))
    assert sentence.startswith("50% of the spots")
    assert "--keep-unlike" in sentence
    (kept,) = said(slide, np.array([0.5, 0.5, 2.0, 2.0]), keep_unlike=True)
    assert "values are kept, as requested" in kept
    assert said(slide, np.array([0.5, 0.5, 0.5, 2.0])) == ()


def test_no_gene_is_offered_where_less_than_half_is_like_training_or_nothing_is_known():
    slide = Painted(0.35, 0.22)
    far, none = said(slide, np.array([0.5, 2.0, 2.0]))
    assert far.startswith("67% of the spots")
    assert none.startswith("No gene is offered as trusted")
    (unknown,) = said(slide, np.full(5, np.nan))
    assert "unknown" in unknown
    assert "no gene is offered" in unknown


def test_many_clipped_values_are_named_and_few_are_not():
    slide, near = Painted(0.35, 0.22), np.full(50, 0.5)
    assert said(slide, near, n_clipped=5) == ()
    (sentence,) = said(slide, near, n_clipped=6)
    assert sentence.startswith("6 of 500 given values (1.2%)")

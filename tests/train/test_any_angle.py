"""Tiles turned by any angle: the tissue turns, and corners show tissue or the mean colour."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from histoscribe.data.folds import whole_fold
from histoscribe.data.items.spots import SpotItems
from histoscribe.data.tiles import SlideLook, Tiles
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.slides.array import ArraySlide
from histoscribe.models.base import ExpressionModel
from histoscribe.models.layers.image_input import resized
from histoscribe.models.recipe import Recipe
from histoscribe.train.any_angle import MEAN_COLOUR, AnyAngle, turn_margin_px, turned_by_angle
from histoscribe.train.group import TrainingGroup
from histoscribe.train.run_data import RunData
from histoscribe.train.tables import row_table
from histoscribe.train.turns import RightAngles, turns_of
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.train.test_batches import batches

NONE = np.ones((1, 2), dtype=np.int64)


def turned(image, degrees, side_px, mirrors=NONE):
    return turned_by_angle(image[None], np.array([float(degrees)]), mirrors, side_px)[0]


def noise(side_px, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, side_px, side_px), dtype=torch.uint8, generator=draws)


@pytest.mark.parametrize("side_px", [7, 8])
@pytest.mark.parametrize("quarters", [-2, -1, 0, 1, 2])
def test_a_quarter_turn_is_exact(side_px, quarters):
    image = noise(side_px)
    expected = torch.rot90(image, quarters % 4, (1, 2)).float()
    assert torch.equal(turned(image, 90 * quarters, side_px), expected)


@pytest.mark.parametrize(
    ("mirrors", "axes"), [((-1, 1), (2,)), ((1, -1), (1,)), ((-1, -1), (1, 2))]
)
def test_mirror_images_are_of_the_turned_tile(mirrors, axes):
    image = noise(9)
    plain, mirrored = (turned(image, 37, 9, np.array([m])) for m in ((1, 1), mirrors))
    assert torch.equal(mirrored, plain.flip(axes))


def test_a_margin_leaves_no_corner_of_any_tile_to_fill():
    for side_px in range(4, 130):
        width = side_px + 2 * turn_margin_px(side_px)
        for degrees in (0.0, 30.0, 45.0, -135.0):
            assert turned(torch.full((3, width, width), 7.0), degrees, side_px).eq(7).all()
    assert turn_margin_px(112) == 24


def test_corners_without_a_margin_have_the_mean_colour_of_imagenet():
    image = torch.zeros((3, 64, 64), dtype=torch.uint8)
    mean = torch.tensor(MEAN_COLOUR).view(3, 1, 1)
    corners = turned(image, 45, 64)
    filled = corners.eq(mean).all(dim=0)
    assert all(filled[y, x] for y in (0, -1) for x in (0, -1))
    assert corners[:, ~filled].eq(0).all()
    assert filled.float().mean() == pytest.approx(1 - 2 * (2**0.5 - 1), abs=0.01)
    torch.testing.assert_close(mean.view(3) / 255, torch.tensor([0.485, 0.456, 0.406]))


def waves(x, y):
    """Colours of a slide at these places in px, smooth enough to compare them pixel by pixel."""
    red = 128 + 100 * np.sin(x / 40) * np.cos(y / 55)
    return np.stack([red, 128 + 90 * np.cos((x - 2 * y) / 90), 128 + 80 * np.sin(y / 70)], axis=-1)


@pytest.mark.parametrize("degrees", [-151.0, -45.0, 12.0, 90.0, 133.0])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_turned_tile_is_the_tissue_read_at_that_angle(degrees, scale):
    y, x = np.mgrid[:1000, :1000] + 0.5
    slide = ArraySlide("waves", np.round(waves(x, y)).astype(np.uint8), mpp=2.0)
    margin = turn_margin_px(100)
    tile = Tiles(100 + 2 * margin, slide.mpp).read(slide, SlideLook(None), (500.0, 420.0))
    image = resized(torch.from_numpy(tile.copy()).permute(2, 0, 1)[None], scale * len(tile))
    found = turned(image[0], degrees, scale * 100).permute(1, 2, 0).numpy()
    v, u = (np.mgrid[: scale * 100, : scale * 100] + 0.5) / scale - 50
    angle = np.radians(degrees)
    expected = waves(
        500 + np.cos(angle) * u - np.sin(angle) * v, 420 + np.sin(angle) * u + np.cos(angle) * v
    )
    # half a diagonal of a pixel at the steepest place, and the rounding of the slide
    assert np.abs(found - expected).max() < 0.75 * 2.5 + 1


def test_where_the_slide_ends_a_turned_tile_is_white_as_it_is_elsewhere():
    slide = ArraySlide("black", np.zeros((200, 200, 3), dtype=np.uint8), mpp=2.0)
    tile = Tiles(64 + 2 * turn_margin_px(64), slide.mpp).read(slide, SlideLook(None), (0.0, 0.0))
    found = turned(torch.from_numpy(tile.copy()).permute(2, 0, 1), 45, 64)
    assert set(found.unique().tolist()) == {0.0, 255.0}


def test_tiles_of_a_batch_are_resized_turned_and_mirrored_by_their_draws():
    turns = AnyAngle(tile_px=8, side_px=16)
    images = torch.stack([noise(12, seed) for seed in range(3)])
    drawn = np.array([[0.75, 0.9, 0.9], [0.6, 0.1, 0.9], [0.5, 0.9, 0.1]])
    found = turns.apply({"image": images, "feature": None}, drawn)["image"]
    scaled = resized(images, 24)
    assert found.shape == (3, 3, 16, 16)
    torch.testing.assert_close(found[0], torch.rot90(scaled[0], 1, (1, 2))[:, 4:-4, 4:-4])
    assert torch.equal(found[1], turned(scaled[1], 36, 16).flip(2))
    assert torch.equal(found[2], scaled[2, :, 4:-4, 4:-4].flip(1))


def test_angles_go_evenly_round_and_half_of_the_tiles_is_mirrored_each_way():
    drawn = AnyAngle(8, 8).draw(np.random.default_rng(0), 4000)
    share = np.histogram(360 * drawn[:, 0] - 180, np.arange(-180, 181, 45))[0] / 4000
    np.testing.assert_allclose(share, 1 / 8, atol=0.02)
    np.testing.assert_allclose((drawn[:, 1:] < 0.5).mean(axis=0), 0.5, atol=0.03)


def test_a_tile_is_turned_alike_by_one_process_or_several_and_anew_in_each_epoch():
    def images(epoch, **changes):
        found = {}
        for step in batches(epoch, turns=AnyAngle(4, 6), **changes):
            for inputs, _ in step.batches:
                keys = inputs["feature"][:, 0].tolist()
                found |= dict(zip(keys, inputs["image"], strict=True))
        return found

    whole = images(3)
    parts = [images(3, group=TrainingGroup(process, 2)) for process in range(2)]
    both = {**parts[0], **parts[1]}
    assert set(both) == set(whole)
    assert all(torch.equal(both[key], image) for key, image in whole.items())
    assert not all(torch.equal(image, images(4)[key]) for key, image in whole.items())


class Net(ExpressionModel):
    """What a turn reads of a network."""

    name = "net"

    def __init__(self, recipe, *names):
        torch.nn.Module.__init__(self)
        self.config, self._recipe, self.inputs = None, recipe, lambda _: names

    def recipe(self, config):
        return self._recipe

    def forward(self, image):
        raise NotImplementedError

    def represent(self, image):
        raise NotImplementedError


def recipe_of(**changes):
    return Recipe(turned="any-angle", **changes)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Spots of a run with their tiles of 24 px, once more with jittered stains."""
    folder = tmp_path_factory.mktemp("turns")
    manifest = tiny_cohort(folder)
    inputs = {"tile_px": 24, "mpp": 1.0, "hed_jitter": 0.05, "encoder": "mean_colour"}
    settings = tiny_settings(manifest, inputs=inputs)
    run_data = RunData(settings, read_cohort(settings.cohort), {}, folder / "cache")
    fold = whole_fold(run_data.cohort)
    row = replace(settings.row("stnet"), config=Corners())
    return row_table(run_data, fold, run_data.target(fold.train), row)


@dataclass
class Corners:
    """Settings of a network that turns its tiles."""

    corners: str = "read"


def test_the_margin_is_around_the_same_tile_in_jittered_views_too(table):
    items, margin = SpotItems(table), turn_margin_px(24)
    rows = np.arange(len(table))[:: len(table) // 12]
    larger = items.with_margin().inputs(["image"], rows)["image"]
    assert larger.shape[-1] == table.margin_image.side_px == 24 + 2 * margin
    assert torch.equal(larger[:, :, margin:-margin, margin:-margin], table.image.read(rows))
    assert torch.equal(items.inputs(["image"], rows)["image"], table.image.read(rows))


def test_a_model_turns_as_its_recipe_says_and_reads_a_margin_only_for_its_corners(table):
    items = SpotItems(table)
    turns, larger = turns_of(Net(recipe_of(side_px=48), "image"), items)
    assert turns == AnyAngle(24, 48)
    assert larger.table.image is table.margin_image
    assert turns_of(Net(recipe_of(corners="mean"), "image"), items) == (AnyAngle(24, 24), items)
    assert turns_of(Net(recipe_of(), "feature"), items) == (None, items)
    assert turns_of(Net(Recipe(), "image"), items) == (None, items)
    assert turns_of(Net(Recipe(turned="right-angles"), "image"), items) == (RightAngles(), items)
    with pytest.raises(ValueError, match="for tiles of single spots"):
        turns_of(Net(recipe_of(), "context_um"), items)
    with pytest.raises(ValueError, match="no tiles with a margin"):
        turns_of(Net(recipe_of(), "image"), SpotItems(replace(table, margin_image=None)))

"""Features are the encoder's, spot by spot, however often their making is interrupted."""

import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from histoscribe.data.features import embed, features
from histoscribe.data.tiles import Tiles
from histoscribe.encoders.encoder import Encoder, EncoderRecord, load_encoder
from histoscribe.errors import DataContractError
from histoscribe.progress import drawn_by
from histoscribe.seed import stream

TILES = Tiles(64, 2.0)


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


class Reduce(nn.Module):
    """Pooled colour through one layer of convolution."""

    def __init__(self, spoil=lambda feature: feature):
        super().__init__()
        self.layer = nn.Conv2d(3, 6, 8, 8)
        nn.init.normal_(self.layer.weight, generator=torch.Generator().manual_seed(0))
        nn.init.zeros_(self.layer.bias)
        self.spoil = spoil

    def forward(self, image):
        return self.spoil(self.layer(image).mean(dim=(2, 3)))


def make_encoder(spoil=lambda feature: feature):
    record = EncoderRecord(
        name="test:reduce", width=6, licence="none", paper="none", needs_weights=True
    )
    return Encoder(record, Reduce(spoil), layer="default", weights="random:0")


@pytest.fixture
def section(draw_tissue, make_section):
    return make_section(draw_tissue("pink")[0])


def test_rows_are_those_of_the_spots(section, tmp_path):
    encoder = load_encoder("colour_texture")
    found = features(section, encoder, TILES, cache=tmp_path)
    assert found.shape == (len(section.spots), encoder.width)
    assert found.dtype == np.float32
    slide_look = TILES.slide_look(section.slide)
    for spot in (0, 50, 168):
        tile = TILES.read(section.slide, slide_look, tuple(section.spots.xy[spot]))
        alone = encoder(torch.from_numpy(tile.copy()).permute(2, 0, 1)[None])
        np.testing.assert_allclose(found[spot], alone[0], rtol=1e-4, atol=1e-4)


def test_the_second_time_nothing_is_computed(section, tmp_path):
    first = features(section, load_encoder("mean_colour"), TILES, cache=tmp_path)
    encoder = load_encoder("mean_colour")
    encoder.net = nn.Identity()  # it would fail
    assert np.array_equal(features(section, encoder, TILES, cache=tmp_path), first)


def test_other_tiles_weights_layer_or_slide_are_computed_anew(
    section, make_section, draw_tissue, tmp_path
):
    encoder = load_encoder("mean_colour")
    other = make_section(draw_tissue("white")[0], name="other")
    folders = {
        embed(where, encoder, tiles, cache=tmp_path).path
        for where, tiles in (
            (section, TILES),
            (section, Tiles(72, 2.0)),
            (section, Tiles(64, 2.5)),
            (section, Tiles(64, 2.0, white_off_tissue=False)),
            (other, TILES),
        )
    }
    assert len(folders) == 5


def test_the_same_pixels_under_another_scale_are_another_slide(draw_tissue, make_section, tmp_path):
    image, _ = draw_tissue()
    one, two = (make_section(image, mpp=mpp) for mpp in (2.0, 1.5))
    encoder = load_encoder("mean_colour")
    assert not np.array_equal(
        features(one, encoder, TILES, cache=tmp_path), features(two, encoder, TILES, cache=tmp_path)
    )


def test_a_damaged_chunk_is_made_again_to_the_same_bits(section, tmp_path):
    made = embed(section, make_encoder(), TILES, cache=tmp_path)
    whole = files(tmp_path)
    content = bytearray(made.path.read_bytes())
    content[len(content) // 2] ^= 1
    made.path.write_bytes(content)
    again = embed(section, make_encoder(), TILES, cache=tmp_path)
    assert np.array_equal(again.values, made.values)
    assert files(tmp_path) == whole


def test_progress_is_told_and_nothing_is_printed(section, tmp_path, capsys):
    seen = []

    def draw(items, what, total):
        seen.append((what, total))
        return iter(items)

    with drawn_by(draw):
        features(section, load_encoder("mean_colour"), TILES, cache=tmp_path)
    assert seen == [("features one", 6)]
    assert capsys.readouterr() == ("", "")


def test_features_that_are_not_finite_name_section_and_spots(section, tmp_path):
    encoder = make_encoder(lambda feature: feature / (feature - feature[:1]))
    with pytest.raises(DataContractError, match=r"section one, \d+ spots: s\d+"):
        features(section, encoder, TILES, cache=tmp_path)


def test_a_slide_too_coarse_stops_before_anything_is_written(section, tmp_path):
    with pytest.raises(DataContractError, match="2 um/px"):
        features(section, load_encoder("mean_colour"), Tiles(64, 0.5), cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_an_encoder_without_weights_runs_in_float32(section, tmp_path):
    made = embed(section, load_encoder("mean_colour"), TILES, precision="bfloat16", cache=tmp_path)
    assert made.precision == "float32"


@pytest.mark.parametrize("supported", [True, False])
def test_bfloat16_is_used_where_it_is_supported_and_alike(
    section, tmp_path, monkeypatch, supported
):
    monkeypatch.setattr("histoscribe.data.features.has_bfloat16", lambda device: supported)
    full = features(section, make_encoder(), TILES, cache=tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made = embed(section, make_encoder(), TILES, precision="bfloat16", cache=tmp_path)
    assert made.precision == ("bfloat16" if supported else "float32")
    assert [str(one.message) for one in said if "bfloat16" in str(one.message)] == (
        []
        if supported
        else [
            "section one: test:reduce runs in float32, not in bfloat16: "
            "this processor has no bfloat16 arithmetic"
        ]
    )
    assert np.array_equal(made.values, full) != supported
    np.testing.assert_allclose(made.values, full, rtol=0.05, atol=0.3)


def test_bfloat16_that_changes_the_features_falls_back_and_says_so_every_time(
    section, tmp_path, monkeypatch
):
    monkeypatch.setattr("histoscribe.data.features.has_bfloat16", lambda device: True)
    encoder = make_encoder(lambda feature: torch.sin(feature.float() * 1e3))
    for _ in range(2):
        with pytest.warns(UserWarning, match="not in bfloat16"):
            made = embed(section, encoder, TILES, precision="bfloat16", cache=tmp_path)
        assert made.precision == "float32"


_WORK = """
import sys, time
from pathlib import Path
import numpy as np
import torch
torch.set_num_threads(1)
from histoscribe.data.features import features
from histoscribe.data.tiles import Tiles
from histoscribe.io.slides.slide import open_slide
from histoscribe.encoders.encoder import load_encoder
from histoscribe.types import Section, Spots

image, xy, cache = map(Path, sys.argv[1:])
xy = np.load(xy)
spots = Spots(tuple(map(str, range(len(xy)))), xy, 55.0, 10.0)
section = Section("one", "P1", open_slide(image, 2.0), spots, None)
print("ready", flush=True)
features(section, load_encoder("colour_texture"), Tiles(64, 2.0), cache=cache)
"""


@pytest.mark.slow
def test_killed_at_any_moment_and_started_again_it_ends_in_the_same_bytes(section, tmp_path):
    xy = np.random.default_rng(0).uniform(200, 800, (1500, 2))
    np.save(tmp_path / "xy.npy", xy)
    command = [sys.executable, "-c", _WORK, section.slide.path, tmp_path / "xy.npy"]
    start = time.monotonic()
    subprocess.run([*command, tmp_path / "straight"], check=True, capture_output=True)
    took = time.monotonic() - start
    n_killed = 0
    for wait in stream(0, "kill").uniform(0, 0.6 * took, size=20):
        work = subprocess.Popen([*command, tmp_path / "broken"], stdout=subprocess.PIPE)
        work.stdout.readline()
        try:
            work.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            os.kill(work.pid, signal.SIGKILL)
            n_killed += 1
        work.wait()
        work.stdout.close()
    subprocess.run([*command, tmp_path / "broken"], check=True, capture_output=True)
    assert n_killed > 0
    assert files(tmp_path / "broken") == files(tmp_path / "straight")


def test_the_store_can_be_opened_by_anyone_with_zarr(section, tmp_path):
    import zarr

    made = embed(section, load_encoder("mean_colour"), TILES, cache=tmp_path)
    array = zarr.open_array(zarr.storage.ZipStore(made.path), mode="r")
    assert array.shape == made.values.shape
    assert array.attrs["encoder"] == load_encoder("mean_colour").identity
    assert array.attrs["precision_used"] == "float32"
    np.testing.assert_array_equal(np.sort(array[:], axis=0), np.sort(made.values, axis=0))

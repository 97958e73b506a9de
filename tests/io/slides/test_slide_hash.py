"""Hashes of slides: of pixels or of bytes, remembered as long as the file stays as it is."""

import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep, time_ns

import numpy as np
import pytest
import tifffile
from PIL import Image

from histoscribe.io.slides import pixel_hash, vendor
from histoscribe.io.slides.resample import Box
from histoscribe.io.slides.slide import FlatSlide, open_slide

RGB = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
AN_HOUR_AGO = time_ns() - 3_600_000_000_000


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pixel-hashes"


@pytest.fixture
def image(tmp_path):
    return saved(tmp_path / "image.png", RGB)


def saved(path: Path, pixels: np.ndarray, when_ns: int = AN_HOUR_AGO) -> Path:
    Image.fromarray(pixels).save(path)
    os.utime(path, ns=(when_ns, when_ns))
    return path


def sha256(pixels: np.ndarray) -> str:
    return hashlib.sha256(b"60x40" + pixels.tobytes()).hexdigest()


@pytest.fixture
def decodings(monkeypatch):
    """Bands of pixels that were decoded for a hash."""
    bands = []
    pixels = FlatSlide.level_pixels
    monkeypatch.setattr(
        FlatSlide, "level_pixels", lambda self, *box: bands.append(box) or pixels(self, *box)
    )
    return bands


def test_a_hash_is_remembered_and_the_image_not_decoded_again(image, cache, decodings):
    first = open_slide(image, 1.0).pixel_hash()
    assert first == sha256(RGB)
    assert len(decodings) == 1
    assert open_slide(image, 0.5).pixel_hash() == first
    assert len(decodings) == 1


def test_a_changed_file_is_hashed_again(image, cache):
    open_slide(image, 1.0).pixel_hash()
    for shift, later in ((1, 1), (2, 2_000_000)):
        other = RGB + np.uint8(shift)
        saved(image, other, AN_HOUR_AGO + later)
        assert open_slide(image, 1.0).pixel_hash() == sha256(other)


def test_a_file_written_just_now_is_not_remembered(image, cache):
    """It may change again within one tick of its clock, and keep its size."""
    saved(image, RGB, time_ns())
    open_slide(image, 1.0).pixel_hash()
    assert not cache.exists()


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '["a", "b"]', "\x00\xff"])
def test_a_corrupt_note_is_ignored_and_written_anew(image, cache, content):
    open_slide(image, 1.0).pixel_hash()
    (note,) = cache.iterdir()
    whole = note.read_text()
    note.write_text(content)
    assert open_slide(image, 1.0).pixel_hash() == sha256(RGB)
    assert note.read_text() == whole


def test_a_note_of_another_version_is_not_believed(image, cache, monkeypatch):
    open_slide(image, 1.0).pixel_hash()
    (note,) = cache.iterdir()
    known = json.loads(note.read_text())
    note.write_text(json.dumps([*known[:-1], "0" * 64]))
    assert open_slide(image, 1.0).pixel_hash() == "0" * 64  # believed as it stands ...
    monkeypatch.setattr(pixel_hash, "VERSION", pixel_hash.VERSION + 1)
    assert open_slide(image, 1.0).pixel_hash() == sha256(RGB)  # ... but by its own version only


def test_a_slide_is_read_once_wherever_it_is_mounted(tmp_path, cache, monkeypatch):
    whole = []
    monkeypatch.setattr(pixel_hash, "MOST_PX", 1000)
    real = pixel_hash.of_files
    monkeypatch.setattr(
        pixel_hash, "of_files", lambda files, parts: whole.append(files) or real(files, parts)
    )
    image = saved(tmp_path / "image.png", RGB)
    (tmp_path / "mount").mkdir()
    other = tmp_path / "mount" / "slide.png"
    shutil.copy2(image, other)  # with the time of its change
    assert open_slide(image, 1.0).pixel_hash() == open_slide(other, 1.0).pixel_hash()
    assert len(whole) == 1


def test_another_content_of_the_same_size_and_time_is_another_slide(tmp_path, cache):
    saved(tmp_path / "a.png", RGB)
    open_slide(tmp_path / "a.png", 1.0).pixel_hash()
    content = bytearray((tmp_path / "a.png").read_bytes())
    other = RGB.copy()
    other[0, 0] ^= 1
    saved(tmp_path / "b.png", other)
    changed = (tmp_path / "b.png").read_bytes()
    size = max(len(content), len(changed))
    for name, bytes_ in (("a.png", content), ("b.png", changed)):
        (tmp_path / name).write_bytes(bytes_.ljust(size, b" "))
        os.utime(tmp_path / name, ns=(AN_HOUR_AGO, AN_HOUR_AGO))
    hashes = [open_slide(tmp_path / name, 1.0).pixel_hash() for name in ("a.png", "b.png")]
    assert hashes == [sha256(RGB), sha256(other)]


def test_few_bytes_of_a_large_slide_tell_it_from_others(tmp_path):
    sizes = (3_000_000, 1, 2_000_000)
    files = [tmp_path / f"{number}.dat" for number in range(3)]
    for path, size in zip(files, sizes, strict=True):
        path.write_bytes(b"\0" * size)
    before = pixel_hash._of_blocks(tuple(files), list(sizes))
    for path, place in ((files[0], 0), (files[2], sizes[2] - 1)):
        with path.open("r+b") as file:
            file.seek(place)
            file.write(b"1")
        after = pixel_hash._of_blocks(tuple(files), list(sizes))
        assert after != before
        before = after


def test_of_many_at_once_one_reads_the_slide(image, cache, monkeypatch):
    whole, real = [], pixel_hash.of_pixels

    def slowly(size, pixels):
        whole.append(size)
        sleep(0.2)
        return real(size, pixels)

    monkeypatch.setattr(pixel_hash, "of_pixels", slowly)
    slides = [open_slide(image, 1.0) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        hashes = set(pool.map(lambda slide: slide.pixel_hash(), slides))
    assert hashes == {sha256(RGB)}
    assert len(whole) == 1


def test_white_boxes_are_part_of_the_hash_and_remembered_apart(image, cache):
    masked = RGB.copy()
    masked[:10, 50:] = 255
    box = (Box(50.0, 0.0, 60.0, 10.0),)
    for _ in range(2):
        assert open_slide(image, 1.0).pixel_hash() == sha256(RGB)
        assert open_slide(image, 1.0, box).pixel_hash() == sha256(masked)


def test_a_cache_that_cannot_be_written_costs_time_only(image, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "file"))
    assert open_slide(image, 1.0).pixel_hash() == sha256(RGB)
    assert "cannot remember" in caplog.text


def test_a_whole_slide_is_known_by_its_bytes_and_nothing_is_decoded(
    tmp_path, cache, decodings, monkeypatch
):
    monkeypatch.setattr(pixel_hash, "MOST_PX", 1000)
    one, copy, other = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    saved(one, RGB)
    copy.write_bytes(one.read_bytes())
    saved(other, RGB + np.uint8(1))
    hashes = [open_slide(path, 1.0).pixel_hash() for path in (one, copy, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert open_slide(one, 1.0, (Box(0.0, 0.0, 9.0, 9.0),)).pixel_hash() != hashes[0]
    assert decodings == []


def test_every_file_of_a_slide_counts(tmp_path):
    files = (tmp_path / "slide.mrxs", tmp_path / "Data0001.dat")
    for file in files:
        file.write_bytes(b"1234")
    first = pixel_hash.of_files(files, ())
    files[1].write_bytes(b"1235")
    assert pixel_hash.of_files(files, ()) != first


def test_the_files_of_each_format_are_found(tmp_path, monkeypatch):
    folder = tmp_path / "slide"
    folder.mkdir()
    for name in ("slide.mrxs", "slide/Slidedat.ini", "slide/Data0000.dat", "other.mrxs", "a.jpg"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "slide.vms").write_text("[Virtual Microscope Specimen]\nImageFile=a.jpg\nNo=9\n")

    def found(kind, name):
        monkeypatch.setattr(vendor, "vendor", lambda _path: kind)
        return [str(path.relative_to(tmp_path)) for path in vendor.files(tmp_path / name)]

    assert found("mirax", "slide.mrxs") == [
        "slide.mrxs",
        "slide/Data0000.dat",
        "slide/Slidedat.ini",
    ]
    assert found("hamamatsu", "slide.vms") == ["slide.vms", "a.jpg"]
    assert found("philips-tiff", "other.mrxs") == ["other.mrxs"]


def test_a_flat_and_a_tiled_copy_still_have_one_hash(tmp_path, cache):
    saved(tmp_path / "a.png", RGB)
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", tile=(16, 32))
    hashes = {open_slide(tmp_path / name, 1.0).pixel_hash() for name in ("a.png", "a.tif")}
    assert hashes == {sha256(RGB)}

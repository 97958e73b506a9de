"""Every library that writes a file says in the same words that the disk cannot take it."""

import errno
import resource
from contextlib import contextmanager

import anndata as ad
import h5py
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import torch
import zarr
from PIL import Image

from histoscribe.io.atomic import replacing, replacing_folder, write_json, write_text

LIMIT_BYTES = 4096
NUMBERS = np.random.default_rng(0).random((200, 200))
PIXELS = (NUMBERS[..., None] * [255, 255, 255]).astype(np.uint8)


@contextmanager
def small_files():
    """No file may grow beyond a few thousand bytes: a full disk that needs no rights."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def with_hdf5(path):
    with h5py.File(path, "w") as file:
        file["x"] = NUMBERS


WRITERS = {
    "text": lambda path: path.write_text("x" * 10 * LIMIT_BYTES),
    "safetensors": lambda path: safetensors.numpy.save_file({"x": NUMBERS}, path),
    "hdf5": with_hdf5,
    "anndata": lambda path: ad.AnnData(NUMBERS).write_h5ad(path),
    "png": lambda path: Image.fromarray(PIXELS).save(path, format="png"),
    "matplotlib": lambda path: matplotlib.image.imsave(path, NUMBERS, format="png"),
    "csv": lambda path: pd.DataFrame(NUMBERS).to_csv(path),
    "torch": lambda path: torch.save({"x": torch.from_numpy(NUMBERS)}, path),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("writer", WRITERS)
def test_a_disk_that_takes_no_more_is_one_kind_of_error(writer, tmp_path):
    path = tmp_path / "out" / "file.bin"
    path.parent.mkdir()
    path.write_text("older")
    with small_files(), pytest.raises(OSError, match=r"file\.bin") as error:  # noqa: SIM117
        with replacing(path) as temporary:
            WRITERS[writer](temporary)
    assert error.value.errno in (errno.EFBIG, errno.EIO)
    assert error.value.filename == str(path)
    assert [file.name for file in path.parent.iterdir()] == ["file.bin"]
    assert path.read_text() == "older"


def test_a_folder_that_does_not_fit_leaves_the_older_one(tmp_path):
    path = tmp_path / "A.zarr"
    with replacing_folder(path, "zarr.json") as new:
        zarr.create_group(new)
    with small_files(), pytest.raises(OSError, match=r"A\.zarr"):  # noqa: SIM117
        with replacing_folder(path, "zarr.json") as new:
            zarr.create_group(new).create_array("x", data=NUMBERS, compressors=None)
    assert [file.name for file in tmp_path.iterdir()] == ["A.zarr"]
    assert [file.name for file in path.iterdir()] == ["zarr.json"]


def test_an_error_that_names_its_file_keeps_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="input"):  # noqa: SIM117
        with replacing(tmp_path / "out.txt"):
            (tmp_path / "input").read_text()


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(RuntimeError, match="of the program"):  # noqa: SIM117
        with replacing(tmp_path / "out.txt"):
            raise RuntimeError("of the program")
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "out.json", float("nan"))
    write_text(tmp_path / "file", "")
    with pytest.raises(FileExistsError):
        write_text(tmp_path / "file" / "x", "")

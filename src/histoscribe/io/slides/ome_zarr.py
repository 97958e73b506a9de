"""OME-Zarr as a slide: one folder of one or several images."""

from pathlib import Path

import zarr

from histoscribe.io.slides.file_images import FileImage, ImageChoice, ImagePath, choose_image
from histoscribe.io.slides.zarr_slide import UNREADABLE, ZarrImage, damaged, open_zarr_image

_METADATA = ("zarr.json", ".zattrs", ".zgroup")


def is_ome_zarr(path: Path) -> bool:
    """Whether a folder can be OME-Zarr."""
    return path.is_dir() and any((path / name).is_file() for name in _METADATA)


def choose_zarr_image(image: ImagePath) -> tuple[ZarrImage, ImageChoice]:
    """Image of this number (from 1), else the largest picture in colour.

    Several images lie in sub-folders, as bioformats2raw numbers them and SpatialData names them.

    Raises
    ------
    DataContractError
        for a damaged folder, one without images, and if several are equally large.
    """
    images = [open_zarr_image(folder) for folder in _folders(image.path)]
    about = [_about(one) for one in images]
    choice = choose_image(str(image.path), about, image.number)
    return images[choice.index], choice


def _folders(path: Path) -> list[Path]:
    """Folders of the images, in the order of their numbers or names."""
    try:
        group = zarr.open_group(path, mode="r")
        if _holds_image(group):
            return [path]
        below = [path, path / "images"] if (path / "images").is_dir() else [path]
        found = [
            folder / name
            for folder in below
            for name, part in zarr.open_group(folder, mode="r").groups()
            if _holds_image(part)
        ]
    except UNREADABLE as error:
        raise damaged(path, error) from error
    if not found:
        raise damaged(path, KeyError("no image with `multiscales` in it or in its sub-folders"))
    return sorted(found, key=lambda folder: (len(folder.name), folder.name))


def _holds_image(group: zarr.Group) -> bool:
    attributes = group.attrs.asdict()
    described = attributes.get("ome", attributes)
    return isinstance(described, dict) and bool(described.get("multiscales"))


def _about(image: ZarrImage) -> FileImage:
    n_channels, height, width = image.sides
    return FileImage(
        width=width,
        height=height,
        name=image.path.name,
        is_colour=n_channels >= 3,
        unfit="" if image.is_picture else image.what,
    )

"""A section written as spatialdata-io writes Visium: the layout that the reader must know."""

import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
import spatialdata as sd
from spatialdata.models import Image2DModel, ShapesModel, TableModel
from spatialdata.transformations import Identity, Scale, get_transformation, set_transformation

HIRES = "downscaled_hires"


def table_of(counts, genes, region: str, names) -> ad.AnnData:
    """Counts on a staggered array, annotating circles by a whole number as spatialdata-io does."""
    n = len(counts)
    row, column = np.divmod(np.arange(n), 4)
    table = ad.AnnData(
        X=sp.csr_matrix(np.asarray(counts, dtype=np.float32)),
        obs=pd.DataFrame(
            {
                "in_tissue": 1,
                "array_row": row,
                "array_col": 2 * column + row % 2,
                "spot_id": np.arange(n),
                "region": pd.Categorical([region] * n),
            },
            index=pd.Index(names, dtype=object),
        ),
        var=pd.DataFrame({"gene_ids": list(genes)}, index=[f"name of {gene}" for gene in genes]),
    )
    return TableModel.parse(table, region=region, region_key="region", instance_key="spot_id")


def circles_of(xy, radius_px: float, order=None):
    """Circles in full-resolution px, known by whole numbers."""
    order = np.arange(len(xy)) if order is None else order
    return ShapesModel.parse(
        np.asarray(xy)[order],
        geometry=0,
        radius=radius_px,
        index=pd.Index(order),
        transformations={"global": Identity()},
    )


def image_of(pixels, *, chunk: int = 40, levels: int = 0, **transformations):
    """An image element cut into chunks that no spot respects, of one level or several."""
    return Image2DModel.parse(
        np.ascontiguousarray(pixels.transpose(2, 0, 1)),
        dims=("c", "y", "x"),
        c_coords=["r", "g", "b", "a"][: pixels.shape[2]],
        transformations=transformations or {"global": Identity()},
        chunks=(1, chunk, chunk),
        scale_factors=[2] * levels or None,
    )


def section_of(truth, names, genes, *, chunk: int = 40) -> sd.SpatialData:
    """One Visium section: full-resolution image, circles in another order than the table."""
    backwards = np.arange(len(truth.xy))[::-1]
    return sd.SpatialData(
        images={"S_full_image": image_of(truth.image(), chunk=chunk, levels=1)},
        shapes={"S": circles_of(truth.xy, 6.0, backwards)},
        tables={"table": table_of(truth.counts, genes, "S", names)},
    )


def bins_of(bins: ad.AnnData, pixels, side_px: float, form: str) -> sd.SpatialData:
    """Bins of Visium HD as spatialdata-io writes them: squares, or circles in their place."""
    bins = bins.copy()
    bins.obs["location_id"] = np.arange(bins.n_obs)
    bins.obs["region"] = pd.Categorical(["S_square_008um"] * bins.n_obs)
    table = TableModel.parse(
        bins, region="S_square_008um", region_key="region", instance_key="location_id"
    )
    shapes = circles_of(bins.obsm["spatial"], side_px / 2)
    if form == "squares":
        # cap 3: a square around the point
        outline = shapes.geometry.buffer(side_px / 2, cap_style=3)
        shapes = ShapesModel.parse(
            outline.to_frame("geometry"), transformations={"global": Identity()}
        )
    return sd.SpatialData(
        images={"S_full_image": image_of(pixels, chunk=256)},
        shapes={"S_square_008um": shapes},
        tables={"square_008um": table},
    )


def with_hires(data: sd.SpatialData, pixels, scale: float) -> sd.SpatialData:
    """Add the small picture of Space Ranger, in a coordinate system of its own."""
    data.images["S_hires_image"] = image_of(pixels, **{HIRES: Identity()})
    shapes = data.shapes["S"]
    set_transformation(shapes, Scale([scale, scale], axes=("x", "y")), HIRES)
    assert set(get_transformation(shapes, get_all=True)) == {"global", HIRES}
    return data


def write(data: sd.SpatialData, path: Path, **choices) -> Path:
    """Write with the choices made that its libraries ask for."""
    with ad.settings.override(auto_shard_zarr_v3=False):
        data.write(path, overwrite=True, **choices)
    return path


_written: dict[str, bytes] = {}


def write_once(data: sd.SpatialData, path: Path) -> Path:
    """Write the same section anywhere: files are put there as they came out the first time."""
    if not _written:
        write(data, path)
        files = (file for file in path.rglob("*") if file.is_file())
        _written.update({str(file.relative_to(path)): file.read_bytes() for file in files})
    for name, content in _written.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def replace_image(path: Path, pixels) -> None:
    """Write a section anew with another image."""
    data = sd.read_zarr(path)
    images = {"S_full_image": image_of(pixels)}
    shutil.rmtree(path)
    write(sd.SpatialData(images=images, shapes=data.shapes, tables=data.tables), path)

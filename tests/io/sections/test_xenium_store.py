"""Cells of Xenium in SpatialData, in the layouts of all versions of spatialdata-io."""

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section
from histoscribe.io.sections.source import Source
from tests.io.conftest import GENES
from tests.io.sections.xenium_writer import PIXEL_UM

sd = pytest.importorskip("spatialdata")
from geopandas import GeoDataFrame  # noqa: E402
from shapely import box  # noqa: E402
from spatialdata.models import Labels2DModel, ShapesModel, TableModel  # noqa: E402
from spatialdata.transformations import Affine, Identity, Scale, set_transformation  # noqa: E402

from tests.io.sections import spatialdata_writer as made  # noqa: E402

VERSIONS = {
    "before 0.6": ("cell_circles", "cell_id"),
    "outlines": ("cell_boundaries", "cell_id"),
    "0.7": ("cell_labels", "cell_labels"),
}
"""What the table annotates, and by which column."""


def store_of(writer, region="cell_labels", instance="cell_labels", *, um_in_table=True):
    """Cells in the middle of squares of 100 um; their H&E is the truth, turned upside down."""
    truth = writer.truth
    um = (truth.array + 0.5) * 100.0
    names = [f"cell{n}-1" for n in range(len(um))]
    to_px = Scale([1 / PIXEL_UM] * 2, axes=("x", "y"))
    table = ad.AnnData(
        X=sp.csr_matrix(truth.counts.astype(np.float32)),
        obs=pd.DataFrame(
            {
                "cell_id": names,
                "transcript_counts": 1,
                "control_probe_counts": 0,
                "cell_area": np.pi * 25.0,
                "cell_labels": np.arange(1, len(um) + 1),
                "region": pd.Categorical([region] * len(um)),
            },
            index=names,
        ),
        var=pd.DataFrame({"gene_ids": list(GENES)}, index=["ALPHA", "BETA", "GAMMA"]),
        obsm={"spatial": um if um_in_table else um / PIXEL_UM},
    )
    table = TableModel.parse(table, region=region, region_key="region", instance_key=instance)
    outlines = ShapesModel.parse(
        GeoDataFrame({"geometry": [box(x - 5, y - 5, x + 5, y + 5) for x, y in um]}, index=names),
        transformations={"global": to_px},
    )
    shapes = {"cell_boundaries": outlines}
    if region == "cell_circles":
        shapes["cell_circles"] = ShapesModel.parse(
            um, geometry=0, radius=5.0, index=pd.Index(names), transformations={"global": to_px}
        )
    scale = 100.0 / truth.step_px / PIXEL_UM
    corner = truth.xy[0] - um[0] * truth.step_px / 100.0
    height, width = truth.image().shape[:2]
    turned = Affine(
        [[-scale, 0, scale * (width - corner[0])], [0, -scale, scale * (height - corner[1])],
         [0, 0, 1]],
        input_axes=("x", "y"),
        output_axes=("x", "y"),
    )  # fmt: skip
    labels = Labels2DModel.parse(
        np.zeros((30, 40), dtype=np.int32), dims=("y", "x"), transformations={"global": Identity()}
    )
    return sd.SpatialData(
        images={"he_image": made.image_of(truth.image()[::-1, ::-1], **{"global": turned})},
        labels={"cell_labels": labels},
        shapes=shapes,
        tables={"table": table},
    )


@pytest.fixture
def source(writer):
    path = writer.folder / "S.zarr"
    return Source(section="S", patient="P", kind="spatialdata", path=path)


@pytest.mark.parametrize("version", VERSIONS)
def test_cells_of_every_layout_keep_their_counts_and_pixels(writer, source, version):
    made.write(store_of(writer, *VERSIONS[version]), source.path)
    section = read_section(source, Filters())
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts)
    assert (section.spots.shape, section.spots.pitch_um) == ("squares", 100.0)
    assert section.slide.mpp == pytest.approx(100 / writer.truth.step_px)
    for xy, colour in zip(section.spots.xy, writer.truth.colour, strict=True):
        tile = section.slide.read((xy[0], xy[1]), 3, section.slide.mpp)
        assert (tile == colour).all()


def test_cells_of_a_store_may_be_spots_of_their_own(writer, source):
    made.write(store_of(writer), source.path)
    section = read_section(replace(source, facts={"pool": "none"}), Filters())
    assert (section.spots.shape, section.spots.diameter_um) == ("cells", pytest.approx(10.0))
    assert section.spots.ids[0] == "cell0-1"


def test_an_image_outside_the_store_needs_its_alignment(writer, source):
    made.write(store_of(writer), source.path)
    plain = writer.xenium()
    outside = replace(source, image=plain.image)
    section = read_section(outside, Filters())
    np.testing.assert_allclose(section.spots.xy, writer.truth.xy)
    (writer.folder / "S_he_imagealignment.csv").unlink()
    with pytest.raises(DataContractError, match="no alignment of the H&E image"):
        read_section(outside, Filters())


def test_an_image_in_the_px_of_the_morphology_image_must_be_said_to_be_aligned(writer, source):
    store = store_of(writer)
    (image,) = store.images.values()
    set_transformation(image, Identity(), "global")
    made.write(store, source.path)
    with pytest.raises(DataContractError, match="no alignment of the H&E image"):
        read_section(source, Filters())
    with pytest.raises(DataContractError, match="outside the image"):  # it is not
        read_section(replace(source, facts={"aligned": "yes"}), Filters())


def test_an_image_in_the_store_needs_no_alignment_file(writer, source):
    made.write(store_of(writer), source.path)
    plain = writer.xenium()
    named = replace(source, alignment=plain.image.with_name("S_he_imagealignment.csv"))
    with pytest.raises(DataContractError, match="an image in the folder, and the alignment"):
        read_section(named, Filters())


def test_centres_that_are_not_in_um_are_refused(writer, source):
    made.write(store_of(writer, um_in_table=False), source.path)
    with pytest.raises(DataContractError, match="um away from all outlines"):
        read_section(source, Filters())


def test_cells_without_outlines_are_refused(writer, source):
    data = store_of(writer)
    del data.shapes["cell_boundaries"]
    made.write(data, source.path)
    with pytest.raises(DataContractError, match="cells of Xenium without outlines"):
        read_section(source, Filters())

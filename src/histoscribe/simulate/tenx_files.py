"""Files that several instruments of 10x Genomics write alike: matrix, pictures, Parquet tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import h5py
import numpy as np
import scipy.sparse as sp
import tifffile
from jaxtyping import UInt8
from PIL import Image

from histoscribe.extras import need
from histoscribe.io.atomic import replacing
from histoscribe.simulate.families import Genes
from histoscribe.simulate.stain import MPP

HIRES_SCALE, LOWRES_SCALE = 0.25, 0.1
"""Px of the two small pictures per full-resolution px."""
GENES = "Gene Expression"
"""Type of the features that are genes."""
_TILE_PX, _QUALITY = 256, 90


@dataclass(frozen=True)
class Features:
    """Rows of a 10x matrix: genes, and controls where the instrument has them."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    kinds: tuple[str, ...]

    @classmethod
    def of(cls, genes: Genes) -> "Features":
        """Genes only."""
        return cls(genes.ids, genes.names, (GENES,) * len(genes.ids))


def write_matrix(
    path: Path,
    counts: sp.csr_matrix,
    barcodes: Sequence[str],
    features: Features,
    facts: Mapping[str, str | int] | None = None,
) -> None:
    """Write [N, A] counts in the 10x v3 layout: sparse columns, features x barcodes, no times.

    `facts` are the attributes of the file.
    """
    with replacing(path) as temporary, h5py.File(temporary, "w", track_order=False) as file:
        file.attrs.update(facts or {})
        group = file.create_group("matrix", track_times=False)
        of_features = group.create_group("features", track_times=False)
        _put(group, "barcodes", np.array(barcodes).astype("S"))
        _put(group, "data", counts.data.astype(np.int32))
        _put(group, "indices", counts.indices.astype(np.int64))
        _put(group, "indptr", counts.indptr.astype(np.int64))
        _put(group, "shape", np.array(counts.shape[::-1], dtype=np.int32))
        _put(of_features, "_all_tag_keys", np.array([b"genome"]))
        _put(of_features, "id", np.array(features.ids).astype("S"))
        _put(of_features, "name", np.array(features.names).astype("S"))
        _put(of_features, "feature_type", np.array(features.kinds).astype("S"))
        _put(of_features, "genome", np.array([b"simulated"] * len(features.ids)))


def write_jpeg(path: Path, image: UInt8[np.ndarray, "H W 3"]) -> None:
    """Write the full-resolution picture as a JPEG."""
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="JPEG", quality=_QUALITY, subsampling=0)


def write_tiff(path: Path, image: UInt8[np.ndarray, "H W 3"], *, big: bool = False) -> None:
    """Write the full-resolution picture as a tiled TIFF that states its um/px.

    `big` takes the format for files beyond 4 GB, as programs do that write `.btf`.
    """
    per_cm = 10_000 / MPP
    with replacing(path) as temporary:
        tifffile.imwrite(
            temporary,
            image,
            bigtiff=big,
            photometric="rgb",
            tile=(_TILE_PX, _TILE_PX),
            compression="jpeg",
            compressionargs={"level": _QUALITY},
            resolution=(per_cm, per_cm),
            resolutionunit="CENTIMETER",
            metadata=None,  # tifffile's own holds the time
        )


def write_ome_tiff(path: Path, image: UInt8[np.ndarray, "H W 3"]) -> None:
    """Write the full-resolution picture as a tiled OME-TIFF that states its um/px."""
    size = {f"PhysicalSize{axis}": MPP for axis in "XY"}
    units = {f"PhysicalSize{axis}Unit": "\N{MICRO SIGN}m" for axis in "XY"}
    with replacing(path) as temporary:
        tifffile.imwrite(
            temporary,
            image,
            ome=True,
            photometric="rgb",
            tile=(_TILE_PX, _TILE_PX),
            compression="jpeg",
            compressionargs={"level": _QUALITY},
            metadata={"axes": "YXS", "UUID": str(UUID(int=0)), **size, **units},
        )


def write_small_pictures(spatial: Path, image: UInt8[np.ndarray, "H W 3"]) -> None:
    """Write the two pictures that Space Ranger makes from the full-resolution one."""
    for name, scale in (("hires", HIRES_SCALE), ("lowres", LOWRES_SCALE)):
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        with replacing(spatial / f"tissue_{name}_image.png") as temporary:
            small = Image.fromarray(image).resize(size, Image.Resampling.BOX)
            small.save(temporary, format="PNG", compress_level=3)


def write_parquet(
    path: Path, columns: Mapping[str, np.ndarray | Sequence[str]], rows_per_group: int
) -> None:
    """Write a table as Parquet, in row groups.

    Raises
    ------
    DataContractError
        if pyarrow is not installed.
    """
    arrow = need("pyarrow", "parquet", f"writing {path}")
    parquet = need("pyarrow.parquet", "parquet", f"writing {path}")
    table = arrow.table(dict(columns))
    with replacing(path) as temporary:
        parquet.write_table(table, temporary, row_group_size=rows_per_group, compression="zstd")


def _put(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group.create_dataset(name, data=values, compression="gzip", track_times=False)

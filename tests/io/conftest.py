"""Tiny real sections of every kind, with a planted truth: each spot has its own colour."""

import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
from PIL import Image

from histoscribe.io.sections.source import Source

GENES = ("ENSG00000000001", "ENSG00000000002", "ENSG00000000003")
SYMBOLS = ("ALPHA", "BETA", "GAMMA")


@dataclass
class Truth:
    """Spots on a grid of 4 x 3, 20 px apart; everything a reader must give back."""

    step_px: int = 20
    is_staggered: bool = False
    """Whether the rows are those of Visium, else those of a square grid."""
    array: np.ndarray = field(init=False)
    xy: np.ndarray = field(init=False)
    colour: np.ndarray = field(init=False)
    counts: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.array = np.array([(x, y) for y in range(3) for x in range(4)])
        self.xy = self.array * float(self.step_px) + 15.5
        if self.is_staggered:
            x, y = self.array.T
            self.array = np.column_stack([2 * x + y % 2, y])
            self.xy = self.array * (self.step_px * np.array([0.5, np.sqrt(0.75)])) + 12.5
        n = len(self.array)
        self.colour = np.stack([10 * np.arange(n), 200 - 10 * np.arange(n), np.full(n, 77)], axis=1)
        self.counts = np.arange(1, 3 * n + 1).reshape(n, 3)

    def image(self) -> np.ndarray:
        """96 wide, 77 high, so that swapped sides are seen; a 5 px square at each spot."""
        pixels = np.full((77, 96, 3), 230, dtype=np.uint8)
        for (x, y), colour in zip(self.xy.astype(int), self.colour, strict=True):
            pixels[y - 2 : y + 3, x - 2 : x + 3] = colour
        return pixels


class Writer:
    """Writes the truth in each layout; every method gives the `Source` of what it wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.truth = Truth()

    def write(self, kind: str) -> Source:
        return getattr(self, kind)()

    def staggered(self) -> None:
        """From now on, write the spots of a Visium array."""
        self.truth = Truth(is_staggered=True)

    @staticmethod
    def save(path: Path, pixels: np.ndarray) -> Path:
        Image.fromarray(pixels).save(path)
        return path

    def cut_each_file(self, fraction: float) -> Iterator[Path]:
        """Leave the first part of one file after the other, and put the whole one back.

        Of a folder of many files each fraction cuts a quarter, another one each time.
        """
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        for path in files[int(10 * fraction) % 4 :: 4] if len(files) > 30 else files:
            whole = path.read_bytes()
            path.write_bytes(whole[: int(fraction * len(whole))])
            yield path
            path.write_bytes(whole)

    def image(self) -> Path:
        return self.save(self.folder / "he.png", self.truth.image())

    def st(self) -> Source:
        return self._array_section("st", self.truth.array + 3)

    def st2k(self) -> Source:
        """Staggered: the truth's grid turned by 45 degrees."""
        x, y = self.truth.array.T
        return self._array_section("st2k", np.stack([x - y + 9, x + y + 1], axis=1))

    def stnet(self) -> Source:
        """As the ST-Net data set has it; also a folder of one section, with its metadata."""
        ids = [f"{x}x{y}" for x, y in self.truth.array + 3]
        self.counts_table(ids)
        counts = (self.folder / "counts.tsv.gz").rename(self.folder / "BC1_C1_stdata.tsv.gz")
        table = pd.DataFrame(self.truth.xy, index=ids, columns=["X", "Y"])
        table.to_csv(self.folder / "spots_BT1_C1.csv.gz")
        self.image().rename(self.folder / "HE_BT1_C1.png")
        (self.folder / "metadata.csv").write_text(
            "type,patient,replicate,count_matrix,histology_image,spot_coordinates,"
            "tumor_annotation\n"
            "Luminal_A,BC1,C1,BC1_C1_stdata.tsv.gz,HE_BT1_C1.png,spots_BT1_C1.csv.gz,"
            "BC1_C1_Coords.tsv.gz\n"
        )
        return Source(
            section="BC1_C1",
            patient="BC1",
            kind="stnet",
            image=self.folder / "HE_BT1_C1.png",
            counts=counts,
            spots=self.folder / "spots_BT1_C1.csv.gz",
        )

    def _array_section(self, kind: str, array: np.ndarray) -> Source:
        self.counts_table([f"{x}x{y}" for x, y in array])
        table = pd.DataFrame(array, columns=["x", "y"])
        table[["new_x", "new_y"]] = array
        table[["pixel_x", "pixel_y"]] = self.truth.xy
        table["selected"] = 1
        table.to_csv(self.folder / "spots.tsv", sep="\t", index=False)
        return Source(
            section="S",
            patient="P",
            kind=kind,
            image=self.image(),
            counts=self.folder / "counts.tsv.gz",
            spots=self.folder / "spots.tsv",
        )

    def counts_table(self, ids: list[str]) -> None:
        genes = [f"{gene}.{version}" for version, gene in enumerate(GENES, start=1)]
        table = pd.DataFrame(self.truth.counts, index=ids, columns=genes)
        table.to_csv(self.folder / "counts.tsv.gz", sep="\t")

    @property
    def barcodes(self) -> list[str]:
        return [f"ACGT{number:02d}-1" for number in range(len(self.truth.array))]

    def spaceranger(
        self, positions: str = "csv", image: str = "hires", counts: str = "h5"
    ) -> Source:
        """Positions list, csv or parquet; image hires, lowres or full; counts h5, v2 or mtx."""
        self.staggered()
        spatial = self.folder / "outs" / "spatial"
        spatial.mkdir(parents=True)
        scale = 1.0 if image == "full" else 0.25
        self._positions(spatial, positions, scale)
        factors = {"tissue_hires_scalef": scale, "tissue_lowres_scalef": scale}
        (spatial / "scalefactors_json.json").write_text(json.dumps(factors))
        if image != "full":
            self.save(spatial / f"tissue_{image}_image.png", self.truth.image())
        {"h5": self._h5, "v2": self._h5_v2, "mtx": self._mtx}[counts](self.folder / "outs")
        full = self.image() if image == "full" else None
        return Source(section="S", patient="P", kind="spaceranger", path=self.folder, image=full)

    def visium_hd(self) -> Source:
        """Bins of 8 um, which stay as they are."""
        folder = self.folder / "square_008um"
        (folder / "spatial").mkdir(parents=True)
        x, y = self.truth.array.T
        barcodes = [f"s_008um_{row:05d}_{column:05d}-1" for column, row in self.truth.array]
        table = pd.DataFrame(
            {"in_tissue": 1, "array_row": y, "array_col": x,
             "pxl_row_in_fullres": self.truth.xy[:, 1], "pxl_col_in_fullres": self.truth.xy[:, 0]}
        )  # fmt: skip
        table.to_parquet(folder / "spatial" / "tissue_positions.parquet")
        factors = {"bin_size_um": 8.0, "microns_per_pixel": 8 / self.truth.step_px}
        (folder / "spatial" / "scalefactors_json.json").write_text(json.dumps(factors))
        self._h5(folder, barcodes)
        facts = {"pool": "none"}
        return Source(
            section="S", patient="P", kind="visium_hd", path=self.folder, image=self.image(),
            facts=facts,
        )  # fmt: skip

    def _positions(self, spatial: Path, layout: str, scale: float) -> None:
        x, y = (self.truth.xy / scale).T
        table = pd.DataFrame(
            {
                "barcode": self.barcodes,
                "in_tissue": 1,
                "array_row": self.truth.array[:, 1],
                "array_col": self.truth.array[:, 0],
                "pxl_row_in_fullres": y,
                "pxl_col_in_fullres": x,
            }
        )
        if layout == "parquet":
            table.to_parquet(spatial / "tissue_positions.parquet")
        elif layout == "csv":
            table.to_csv(spatial / "tissue_positions.csv", index=False)
        else:
            table.to_csv(spatial / "tissue_positions_list.csv", index=False, header=False)

    def _h5(self, outs: Path, barcodes: list[str] | None = None) -> None:
        with h5py.File(outs / "sample_filtered_feature_bc_matrix.h5", "w") as file:
            group = file.create_group("matrix")
            features = group.create_group("features")
            features["id"] = [*(gene.encode() for gene in GENES), b"CD3"]
            features["name"] = [*(symbol.encode() for symbol in SYMBOLS), b"CD3"]
            features["feature_type"] = [*[b"Gene Expression"] * 3, b"Antibody Capture"]
            antibody = np.full((len(self.truth.counts), 1), 5)
            self._fill(group, np.hstack([self.truth.counts, antibody]), barcodes)

    def _h5_v2(self, outs: Path) -> None:
        with h5py.File(outs / "filtered_feature_bc_matrix.h5", "w") as file:
            group = file.create_group("GRCh38")
            group["genes"] = [gene.encode() for gene in GENES]
            group["gene_names"] = [symbol.encode() for symbol in SYMBOLS]
            self._fill(group, self.truth.counts)

    def _fill(
        self, group: h5py.Group, counts: np.ndarray, barcodes: list[str] | None = None
    ) -> None:
        matrix = sp.csc_matrix(counts.T)
        group["data"], group["indices"], group["indptr"] = (
            matrix.data,
            matrix.indices,
            matrix.indptr,
        )
        group["shape"] = matrix.shape
        group["barcodes"] = [barcode.encode() for barcode in barcodes or self.barcodes]

    def _mtx(self, outs: Path) -> None:
        folder = outs / "filtered_feature_bc_matrix"
        folder.mkdir()
        with gzip.open(folder / "matrix.mtx.gz", "wb") as file:
            scipy.io.mmwrite(file, sp.coo_matrix(self.truth.counts.T))
        lines = [
            f"{gene}\t{name}\tGene Expression\n" for gene, name in zip(GENES, SYMBOLS, strict=True)
        ]
        (folder / "features.tsv.gz").write_bytes(gzip.compress("".join(lines).encode()))
        (folder / "barcodes.tsv").write_text("".join(f"{code}\n" for code in self.barcodes))

    def h5ad(self) -> Source:
        data = ad.AnnData(
            X=np.log1p(self.truth.counts).astype(np.float32),
            layers={"counts": sp.csr_matrix(self.truth.counts)},
            obs=pd.DataFrame(index=self.barcodes),
            var=pd.DataFrame({"gene_ids": GENES}, index=SYMBOLS),
            obsm={"spatial": self.truth.xy},
        )
        data.write_h5ad(self.folder / "section.h5ad")
        return Source(
            section="S",
            patient="P",
            kind="h5ad",
            path=self.folder / "section.h5ad",
            image=self.image(),
            mpp=5.0,
        )

    def hest(self, sample: str = "S", technology: str = "Visium") -> Source:
        """A sample as HEST-1k lays it out; `uns` names an image whatever the technology is."""
        if technology == "Visium":
            self.staggered()
        for name in ("st", "wsis"):
            (self.folder / name).mkdir(exist_ok=True)
        data = ad.AnnData(
            X=sp.csr_matrix(self.truth.counts.astype(np.float32)),
            obs=pd.DataFrame(
                {"in_tissue": 1, "array_row": self.truth.array[:, 1],
                 "array_col": self.truth.array[:, 0]},
                index=self.barcodes,
            ),
            var=pd.DataFrame({"gene_ids": GENES}, index=SYMBOLS),
            obsm={"spatial": self.truth.xy},
            uns={"spatial": {"ST": {"scalefactors": {"spot_diameter_fullres": 11.0}}}},
        )  # fmt: skip
        path = self.folder / "st" / f"{sample}.h5ad"
        data.write_h5ad(path)
        image = self.save(self.folder / "wsis" / f"{sample}.tif", self.truth.image())
        facts = {"st_technology": technology, "pixel_size_um_embedded": "1"}
        return Source(section=sample, patient="P", kind="hest", path=path, image=image, facts=facts)

    def sparse(self) -> Source:
        """Counts with genes in rows, their names, and coordinates in the order of the columns."""
        sp.save_npz(self.folder / "counts.npz", sp.csc_matrix(self.truth.counts.T))
        (self.folder / "genes.txt").write_text("".join(f"{gene}.3\n" for gene in GENES))
        table = pd.DataFrame(self.truth.xy, columns=["px", "py"])
        table.insert(0, "barcode", self.barcodes)
        table[["pixel_x", "pixel_y"]] = self.truth.xy / 32  # of another image
        table.to_csv(self.folder / "coords.csv", index=False)
        return Source(
            section="S",
            patient="P",
            kind="sparse",
            path=self.folder / "genes.txt",
            image=self.image(),
            counts=self.folder / "counts.npz",
            spots=self.folder / "coords.csv",
            facts={"pitch_um": "100", "diameter_um": "55"},
        )

    def spatialdata(self) -> Source:
        """As spatialdata-io writes Visium."""
        from tests.io.sections.spatialdata_writer import section_of, write_once  # seconds to import

        self.staggered()
        path = write_once(section_of(self.truth, self.barcodes, GENES), self.folder / "S.zarr")
        return Source(section="S", patient="P", kind="spatialdata", path=path)

    def xenium(self, turn: np.ndarray | None = None) -> Source:
        """Each spot is a cell in a square of 100 um of its own, `step_px` wide on the image.

        `turn` is a 2 x 2 matrix from px of the image as scanned to those of the truth.
        """
        from tests.io.sections.xenium_writer import write_xenium

        return write_xenium(self.folder, self.truth, GENES, SYMBOLS, turn)

    def replace_image(self, source: Source, pixels: np.ndarray) -> None:
        """Give the section another image."""
        for path in (*self.folder.rglob("*.png"), *self.folder.rglob("*.tif")):
            self.save(path, pixels)
        if source.kind == "spatialdata":
            from tests.io.sections.spatialdata_writer import replace_image

            replace_image(self.folder / "S.zarr", pixels)

    @staticmethod
    def cut_image(path: Path) -> None:
        """Leave the first part of the image: of its file, or of each chunk of its folder."""
        for file in [path] if path.is_file() else path.rglob("c/*/*/*"):
            file.write_bytes(file.read_bytes()[:60])

    @staticmethod
    def remove_image(path: Path) -> None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path)

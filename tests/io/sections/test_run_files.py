"""Runs of Space Ranger as archives, R and spreadsheets keep them: one section, or a message."""

import gzip
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section


def flattened(source, prefix="GSM1_S1_", zipped=True):
    """Move all files of a run into one folder, zipped and with the sample in front, as GEO does."""
    outs = source.path / "outs"
    flat = source.path / "flat"
    flat.mkdir(exist_ok=True)
    for path in [path for path in sorted(outs.rglob("*")) if path.is_file()]:
        raw = path.read_bytes()
        name = prefix + path.name.removeprefix("sample_")
        if zipped and path.suffix in {".csv", ".json", ".tsv"}:
            name, raw = f"{name}.gz", gzip.compress(raw)
        (flat / name).write_bytes(raw)
    shutil.rmtree(outs)
    return replace(source, path=flat)


def same(section, writer):
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts)
    np.testing.assert_allclose(section.spots.xy, writer.truth.xy)
    assert section.slide.mpp == pytest.approx(100 / writer.truth.step_px)
    return True


@pytest.mark.parametrize("positions", ["list", "csv", "parquet"])
@pytest.mark.parametrize("counts", ["h5", "v2", "mtx"])
@pytest.mark.parametrize("prefix", ["GSM1_S1_", ""])
def test_a_flat_folder_gives_the_same_section(writer, positions, counts, prefix):
    source = flattened(writer.spaceranger(positions, "hires", counts), prefix)
    assert same(read_section(source, Filters()), writer)


@pytest.mark.parametrize("counts", ["h5", "mtx"])
@pytest.mark.parametrize("column", ["spots", "counts"])
def test_one_named_file_chooses_among_samples_side_by_side(writer, counts, column):
    source = flattened(writer.spaceranger("csv", "hires", counts))
    for path in list(source.path.iterdir()):
        other = path.with_name(path.name.replace("GSM1_S1_", "GSM2_S2_"))
        other.write_bytes(b"not of this section")
    with pytest.raises(DataContractError, match=r"several: GSM1_S1_tissue_pos.*GSM2_S2"):
        read_section(source, Filters())
    end = {"spots": "tissue_positions.csv.gz", "h5": "filtered_feature_bc_matrix.h5",
           "mtx": "matrix.mtx.gz"}[column if column == "spots" else counts]  # fmt: skip
    named = replace(source, **{column: source.path / f"GSM1_S1_{end}"})
    assert same(read_section(named, Filters()), writer)


def test_a_spatial_folder_with_the_sample_in_front_is_found(writer):
    source = writer.spaceranger()
    outs = source.path / "outs"
    (outs / "spatial").rename(outs / "GSM1_spatial")
    assert same(read_section(source, Filters()), writer)


def test_a_packed_folder_is_told(writer):
    source = flattened(writer.spaceranger("csv"))
    (source.path / "GSM1_S1_filtered_feature_bc_matrix.h5").unlink()
    (source.path / "GSM1_S1_filtered_feature_bc_matrix.tar.gz").touch()
    with pytest.raises(DataContractError, match=r"unpack GSM1_S1_filtered.*\.tar\.gz here"):
        read_section(source, Filters())


def test_a_zipped_image_is_told(writer):
    source = writer.spaceranger("csv", "full")
    zipped = source.image.with_name("he.png.gz")
    zipped.write_bytes(gzip.compress(source.image.read_bytes()))
    with pytest.raises(DataContractError, match=r"name he\.png in the column `image`"):
        read_section(replace(source, image=zipped), Filters())
    source.image.unlink()
    hires = source.path / "outs" / "spatial" / "tissue_hires_image.png.gz"
    zipped.rename(hires)
    with pytest.raises(DataContractError, match="not zipped"):
        read_section(replace(source, image=None), Filters())


SEURAT = {"in_tissue": "tissue", "array_row": "row", "array_col": "col",
          "pxl_row_in_fullres": "imagerow", "pxl_col_in_fullres": "imagecol"}  # fmt: skip
QUOTED = 2  # csv.QUOTE_NONNUMERIC
WAYS = {
    "semicolon": lambda t: t.to_csv(sep=";", index=False),
    "tab, no header": lambda t: t.to_csv(sep="\t", index=False, header=False),
    "semicolon and decimal commas": lambda t: t.to_csv(sep=";", index=False, decimal=","),
    "a number before each line": lambda t: t.to_csv(),
    "a number before each line, no header": lambda t: t.to_csv(header=False),
    "write.csv of R": lambda t: t.to_csv(quoting=QUOTED),
    "Seurat": lambda t: t.rename(columns=SEURAT).set_index("barcode").to_csv(quoting=QUOTED),
    "Seurat, write.table": lambda t: (
        t.rename(columns=SEURAT).set_index("barcode").to_csv(quoting=QUOTED, sep=" ")
    ).removeprefix('"barcode" '),
    "words for flags": lambda t: t.assign(in_tissue="TRUE").to_csv(index=False),
    "capitals in the header": lambda t: t.rename(columns=str.upper).to_csv(index=False),
    "empty columns and lines": lambda t: t.to_csv(index=False).replace("\n", ",,\n") + ",,,,,,,\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("way", WAYS)
def test_positions_are_the_same_however_they_are_written(writer, way, encoding):
    source = writer.spaceranger("csv")
    path = writer.folder / "outs" / "spatial" / "tissue_positions.csv"
    table = pd.read_csv(path)
    table["pxl_row_in_fullres"] += 0.25
    path.write_bytes(WAYS[way](table).encode(encoding))
    section = read_section(source, Filters())
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts)
    np.testing.assert_allclose(section.spots.xy, writer.truth.xy + np.array([0, 0.0625]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(in_tissue=2).to_csv(index=False), "in_tissue is '2' at a spot"),
        (lambda t: t.drop(columns="array_row").to_csv(index=False), "no column array_row"),
        (lambda t: t.assign(x=1, y=2).to_csv(index=False, header=False), "8 columns without a he"),
        (lambda t: t.to_csv(sep="|", index=False), "the separator of cells is not clear"),
    ],
)
def test_what_positions_do_not_say_is_told(writer, change, message):
    source = writer.spaceranger("csv")
    path = writer.folder / "outs" / "spatial" / "tissue_positions.csv"
    path.write_text(change(pd.read_csv(path)))
    with pytest.raises(DataContractError, match=message):
        read_section(source, Filters())


@pytest.mark.parametrize("name", ["{}", "{}_1", "S1_{}-1", "{}.1"])
def test_barcodes_of_positions_may_differ_in_what_all_of_them_have(writer, name):
    source = writer.spaceranger("csv")
    path = writer.folder / "outs" / "spatial" / "tissue_positions.csv"
    table = pd.read_csv(path)
    table["barcode"] = [name.format(code.removesuffix("-1")) for code in table["barcode"]]
    table.to_csv(path, index=False)
    section = read_section(source, Filters())
    assert same(section, writer)
    assert section.spots.ids == tuple(table["barcode"])
    assert any("barcodes match without" in note for note in section.notes)


def test_counts_may_be_a_table_with_barcodes_in_its_columns(writer):
    source = writer.spaceranger("csv")
    names = [code.replace("-", ".") for code in writer.barcodes]
    table = pd.DataFrame(writer.truth.counts.T, index=["A", "B", "C"], columns=names)
    counts = writer.folder / "counts.csv.gz"
    table.to_csv(counts)
    section = read_section(replace(source, counts=counts), Filters())
    assert same(section, writer)
    assert section.measured.gene_ids == ("A", "B", "C")


def test_a_zipped_matrix_is_told(writer):
    source = flattened(writer.spaceranger("csv"))
    path = source.path / "GSM1_S1_filtered_feature_bc_matrix.h5"
    (source.path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert same(read_section(source, Filters()), writer)
    path.unlink()
    with pytest.raises(DataContractError, match="gunzip GSM1_S1_filtered"):
        read_section(source, Filters())


@pytest.mark.parametrize("name", ["features.tsv.gz", "barcodes.tsv"])
def test_lists_of_an_mtx_folder_that_are_no_text_are_told(writer, name):
    source = writer.spaceranger("csv", "hires", "mtx")
    path = writer.folder / "outs" / "filtered_feature_bc_matrix" / name
    path.write_bytes(b"\xc3\x28\tA\n" * 12)
    with pytest.raises(DataContractError, match="not a table"):
        read_section(source, Filters())

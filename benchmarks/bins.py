"""Peak memory of reading a Visium HD section: 0.7 million bins of 18,000 genes within 6 GiB.

`python benchmarks/bins.py`: a folder of 836 x 836 bins of 8 um, all in tissue, with 200 molecules
each on average, is written in one process and read in others: pooled into squares of 100 um and of
16 um, and with every bin as it is (`pool = none`). `--bin-um 2 --rows 3350 --per-bin 14` is the
array of a whole slide at 2 um, `--pools` chooses what is read, `--out` keeps the folder.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
from _machine import report
from PIL import Image

LIMIT_GIB = 6.0
CHUNK = 20_000
"""Bins drawn at a time."""
UM_PER_HIRES_PX = 4.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the folder, read it in processes of their own, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-um", type=int, default=8)
    parser.add_argument("--rows", type=int, default=836)
    parser.add_argument("--genes", type=int, default=18_000)
    parser.add_argument("--per-bin", type=float, default=200.0, help="mean molecules of a bin")
    parser.add_argument("--pools", nargs="+", default=["100", "16", "none"], help="um, or none")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--read", nargs=2, metavar=("FOLDER", "POOL"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.read:
        print(json.dumps(read(Path(given.read[0]), given.read[1])))
        return
    with TemporaryDirectory() as name:
        folder = given.out or Path(name)
        if not (folder / "filtered_feature_bc_matrix.h5").exists():
            write(folder, given.bin_um, given.rows, given.genes, given.per_bin)
        found = [_in_a_process(folder, pool) for pool in given.pools]
    print(pd.DataFrame(found).to_string(index=False))
    peak_gib = max(row["peak_gib"] for row in found)
    report(
        "bins",
        n_bins=given.rows**2,
        n_genes=given.genes,
        bin_um=given.bin_um,
        n_stored=found[0]["n_stored"],
        peak_gib=peak_gib,
        peak_to_limit_ratio=peak_gib / LIMIT_GIB,
    )


def read(folder: Path, pool: str) -> dict[str, float | int | str]:
    """Read the section in this process: seconds and peak of its memory in all."""
    import resource

    from histoscribe.io.sections.qc import Filters
    from histoscribe.io.sections.readers import read_section
    from histoscribe.io.sections.source import Source

    facts = {"pool": "none"} if pool == "none" else {"pool_um": pool}
    start = perf_counter()
    source = Source(section="S", patient="P", kind="visium_hd", path=folder, facts=facts)
    section = read_section(source, Filters())
    with h5py.File(folder / "filtered_feature_bc_matrix.h5") as file:
        n_stored = len(file["matrix/data"])
    return {
        "pool_um": pool,
        "n_spots": len(section.spots),
        "n_stored": n_stored,
        "seconds": round(perf_counter() - start, 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def write(folder: Path, bin_um: int, n_rows: int, n_genes: int, per_bin: float) -> None:
    """Write one folder of bins as Space Ranger does, a part at a time."""
    spatial = folder / "spatial"
    spatial.mkdir(parents=True, exist_ok=True)
    row, column = np.divmod(np.arange(n_rows**2), n_rows)
    px = (np.stack([row, column]) + 0.5) * bin_um  # 1 um/px
    names = [f"s_{bin_um:03d}um_{r:05d}_{c:05d}-1" for r, c in zip(row, column, strict=True)]
    table = {"barcode": names, "in_tissue": 1, "array_row": row, "array_col": column}
    table |= {"pxl_row_in_fullres": px[0], "pxl_col_in_fullres": px[1]}
    pd.DataFrame(table).to_parquet(spatial / "tissue_positions.parquet")
    factors = {"bin_size_um": float(bin_um), "microns_per_pixel": 1.0}
    factors["tissue_hires_scalef"] = 1 / UM_PER_HIRES_PX
    (spatial / "scalefactors_json.json").write_text(json.dumps(factors))
    side = int(n_rows * bin_um / UM_PER_HIRES_PX)
    Image.new("RGB", (side, side), "white").save(spatial / "tissue_hires_image.png")
    with h5py.File(folder / "filtered_feature_bc_matrix.h5", "w") as file:
        _write_matrix(file.create_group("matrix"), names, n_genes, per_bin)


def _write_matrix(group: h5py.Group, names: list[str], n_genes: int, per_bin: float) -> None:
    how = {"maxshape": (None,), "chunks": (1 << 16,), "compression": "gzip", "compression_opts": 1}
    data = group.create_dataset("data", (0,), "i4", **how)
    indices = group.create_dataset("indices", (0,), "i8", **how)
    starts = [np.zeros(1, dtype=np.int64)]
    for part in _drawn(len(names), n_genes, per_bin):
        stop = len(data) + part.nnz
        for array, values in ((data, part.data), (indices, part.indices)):
            array.resize((stop,))
            array[stop - part.nnz :] = values
        starts.append(part.indptr[1:] + starts[-1][-1])
    group["indptr"] = np.concatenate(starts)
    group["shape"] = np.array([n_genes, len(names)])
    group["barcodes"] = np.array(names, dtype="S")
    features = group.create_group("features")
    ids = np.array([f"ENSG{number:011d}" for number in range(n_genes)], dtype="S")
    features["id"] = features["name"] = ids
    features["feature_type"] = np.array(["Gene Expression"] * n_genes, dtype="S")


def _drawn(n_bins: int, n_genes: int, per_bin: float) -> Iterator[sp.csr_matrix]:
    """Molecules of consecutive bins; a few genes have most of them, as in tissue."""
    rng = np.random.default_rng(0)
    share = np.cumsum(rng.lognormal(0.0, 1.5, n_genes))
    for start in range(0, n_bins, CHUNK):
        n = min(CHUNK, n_bins - start)
        bins = np.repeat(np.arange(n), rng.poisson(per_bin, n))
        genes = np.searchsorted(share, rng.random(len(bins)) * share[-1])
        ones = np.ones(len(bins), dtype=np.int32)
        yield sp.csr_matrix((ones, (bins, genes)), (n, n_genes))


def _in_a_process(folder: Path, pool: str) -> dict[str, float | int | str]:
    done = subprocess.run(
        [sys.executable, __file__, "--read", folder, pool],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()

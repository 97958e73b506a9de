"""What a simulated cohort leaves on disk."""

import csv
import json
import shutil
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from histoscribe.errors import DataContractError
from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.simulate import read_truth, simulate, simulate_slide

SMALL = {"spots_per_section": 16, "genes_per_family": 4}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated")
    simulate(out, 2, seed=3, **SMALL)
    return out


def test_the_manifest_names_files_that_are_there(small):
    rows = _rows(small / "cohort.csv")
    assert [row["section"] for row in rows] == ["P1S1", "P2S1"]
    for row in rows:
        assert row["kind"] == "spaceranger"
        assert (small / row["image"]).is_file()
        spatial = small / row["path"] / "spatial"
        assert (small / row["path"] / "filtered_feature_bc_matrix.h5").is_file()
        assert (spatial / "tissue_positions.csv").is_file()
        assert json.loads((spatial / "scalefactors_json.json").read_text())[
            "spot_diameter_fullres"
        ] == pytest.approx(55 / float(row["mpp"]))


def test_matrix_positions_image_and_truth_agree(small):
    truth = read_truth(small, "P1S1")
    with h5py.File(small / "P1S1" / "filtered_feature_bc_matrix.h5") as file:
        matrix = file["matrix"]
        barcodes = [name.decode() for name in matrix["barcodes"][:]]
        assert tuple(matrix["shape"][:]) == (len(truth.gene_ids), len(barcodes))
        assert tuple(name.decode() for name in matrix["features/id"][:]) == truth.gene_ids
    assert tuple(barcodes) == truth.spot_ids
    rows = _rows(small / "P1S1/spatial/tissue_positions.csv")
    inside = [row for row in rows if row["in_tissue"] == "1"]
    assert [row["barcode"] for row in inside] == barcodes
    assert len(inside) < len(rows)
    with Image.open(small / "P1S1.jpg") as image:
        width, height = image.size
    assert all(0 < int(row["pxl_col_in_fullres"]) < width for row in rows)
    assert all(0 < int(row["pxl_row_in_fullres"]) < height for row in rows)


def test_neighbouring_spots_are_one_pitch_apart(small):
    rows = _rows(small / "P1S1/spatial/tissue_positions.csv")
    xy = np.array([[int(r["pxl_col_in_fullres"]), int(r["pxl_row_in_fullres"])] for r in rows])
    gap = np.sqrt(((xy[:, None] - xy[None]) ** 2).sum(axis=-1))
    np.fill_diagonal(gap, np.inf)
    np.testing.assert_allclose(gap.min(axis=1), 200, atol=1.5)


def test_the_same_seed_writes_the_same_bytes(small, tmp_path):
    simulate(tmp_path, 2, seed=3, **SMALL)
    assert _hashes(tmp_path) == _hashes(small)


def test_a_slide_of_a_patient_shows_the_section_of_a_cohort_with_this_patient(tmp_path):
    path = simulate_slide(tmp_path / "biopsy.svs", "P2", spots_per_section=16, seed=3)
    again = simulate_slide(tmp_path / "again.svs", "P2", spots_per_section=16, seed=3)
    assert path.read_bytes() == again.read_bytes()
    simulate(tmp_path / "cohort", 2, seed=3, **SMALL)
    assert image_mpp(path) == pytest.approx(0.5)
    slide = open_slide(path, 0.5)
    with Image.open(tmp_path / "cohort" / "P2S1.jpg") as image:
        apart = np.abs(np.asarray(image, dtype=int) - slide.overview(0.5))
    assert np.quantile(apart, 0.95) < 12, "both are JPEG"


def test_another_seed_writes_another_cohort(small, tmp_path):
    simulate(tmp_path, 1, seed=4, **SMALL)
    assert (tmp_path / "P1S1.jpg").read_bytes() != (small / "P1S1.jpg").read_bytes()


def test_a_cohort_cut_short_is_finished_to_the_same_bytes(small, tmp_path):
    cut = tmp_path / "cut"
    shutil.copytree(small, cut)
    (cut / "cohort.csv").unlink()
    (cut / "truth" / "P2S1.safetensors").unlink()
    (cut / "P2S1" / "filtered_feature_bc_matrix.h5").write_bytes(b"half")
    kept = (cut / "P1S1.jpg").stat().st_mtime_ns
    simulate(cut, 2, seed=3, **SMALL)
    assert _hashes(cut) == _hashes(small)
    assert (cut / "P1S1.jpg").stat().st_mtime_ns == kept


def test_the_truth_of_an_older_version_is_refused_and_drawn_again(small, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(small, old)
    path = old / "truth" / "P1S1.safetensors"
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        names = json.loads(file.metadata()["truth"])
    del arrays["nucleus_semi_um"]
    save_file(arrays, path, metadata={"truth": json.dumps(names | {"digest": "of version 1"})})
    with pytest.raises(DataContractError, match="draw the cohort again"):
        read_truth(old, "P1S1")
    simulate(old, 2, seed=3, **SMALL)
    assert _hashes(old) == _hashes(small)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"families": ("density", "colour")}, "colour"),
        ({"spots_per_section": 3}, "12 spots"),
        ({"genes_per_family": 0}, "at least one"),
        ({"layout": "slide_seq"}, "visium_hd"),
    ],
)
def test_settings_that_cannot_be_drawn_are_refused_before_writing(tmp_path, settings, words):
    with pytest.raises(ValueError, match=words):
        simulate(tmp_path / "none", 2, **settings)
    assert not (tmp_path / "none").exists()


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))

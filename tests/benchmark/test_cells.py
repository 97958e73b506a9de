"""A cohort of cells at random places goes through a whole run: nothing asks for a pitch."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from histoscribe.benchmark.measured_maps import read_measured
from histoscribe.benchmark.run import benchmark
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.seed import stream
from tests.benchmark.runs import tiny_cohort, tiny_settings

N_CELLS = 90


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Two patients: cells scattered over the spots of a simulated section, with their counts."""
    folder = tmp_path_factory.mktemp("cells")
    manifest = tiny_cohort(folder / "spots", n_patients=2)
    lines = ["section,patient,kind,path,image,mpp"]
    for section in read_cohort(manifest):
        draw = stream(0, section.id)
        spot = draw.integers(0, len(section.spots), N_CELLS)
        moved_px = draw.uniform(-60, 60, (N_CELLS, 2)) / section.slide.mpp
        edge = [section.slide.width, section.slide.height]
        cell = ad.AnnData(
            section.measured.matrix[spot].astype(np.float32),
            obs=pd.DataFrame(index=[f"cell{i}" for i in range(N_CELLS)]),
            var=pd.DataFrame(index=list(section.measured.gene_ids)),
            obsm={"spatial": (section.spots.xy[spot] + moved_px).clip(0, edge)},
        )
        cell.write_h5ad(folder / f"{section.id}.h5ad")
        image = section.slide.path.relative_to(folder)
        path = f"{section.id}.h5ad"
        lines.append(f"{section.id},{section.patient},h5ad,{path},{image},{section.slide.mpp}")
    (folder / "cells.csv").write_text("\n".join(lines) + "\n")
    return folder / "cells.csv"


def test_cells_are_read_as_cells(cells):
    for section in read_cohort(cells):
        assert (section.spots.shape, section.spots.pitch_um) == ("cells", None)
        assert section.spots.diameter_um is None


def test_a_run_over_cells_gives_scores_maps_and_a_predictor(cells, tmp_path):
    panel = {"n_genes": 8, "panel": "spatially-variable"}
    settings = tiny_settings(cells, models=["mean", "colour", "ridge"], target=panel, settings={})
    result = benchmark(settings=settings, out=tmp_path / "run", cache=tmp_path / "cache")
    pcc = result.summary[result.summary["metric"] == "pcc"].set_index("model")["mean"]
    assert np.isfinite(pcc["ridge"])
    (kept, *_) = sorted((tmp_path / "run" / "maps").rglob("*.safetensors"))
    assert read_measured(kept).shape == "cells"
    (predicted, *_) = sorted((tmp_path / "run" / "predictions" / "ridge").rglob("*.h5ad"))
    spots = read_prediction(predicted).spots
    assert (spots.shape, spots.pitch_um) == ("cells", None)
    moved = pd.read_csv(tmp_path / "run" / "alignment.csv")
    assert (moved["n_spots"] >= 20).any()
    (folder, *_) = sorted((tmp_path / "run" / "predictors" / "ridge").iterdir())
    card = json.loads((folder / "predictor.json").read_text())["card"]
    assert set(card["spots_um"]) == {"diameter"}
    assert "on no lattice" in (folder / "MODEL_CARD.md").read_text()
    assert list((tmp_path / "run" / "figures" / "maps").rglob("*.png"))

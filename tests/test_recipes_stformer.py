"""The SpatialTranscriptFormer's recipe for HEST bowel sections runs where its files lie."""

from pathlib import Path

import anndata as ad
import pandas as pd
import pytest
from PIL import Image

from histoscribe.benchmark.run import benchmark
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.simulate.cohort import simulate
from histoscribe.train.settings import read_settings

RECIPE = Path(__file__).parent.parent / "recipes" / "hest-bowel-stformer-published.toml"
SMALL = (
    'models=["mean", "stformer", "stformer-apart"]',
    "inputs.encoder=colour_texture",
    "inputs.tile_px=64",
    "inputs.mpp=1.0",
    "target.n_genes=24",
    "train.epochs=2",
    "settings.stformer.preset=tiny",
    "settings.stformer-apart.preset=tiny",
    "run.precision=float32",
)
FACTS = {
    "species": "Homo sapiens",
    "organ": "Bowel",
    "st_technology": "Visium",
}


@pytest.fixture(scope="module")
def hest(tmp_path_factory):
    """Simulated sections of three patients and gene sets, in the folders of the public files."""
    root = tmp_path_factory.mktemp("data")
    manifest = simulate(
        root / "drawn", n_patients=3, sections_per_patient=1, spots_per_section=40,
        genes_per_family=12,
    )  # fmt: skip
    for name in ("hest/st", "hest/wsis", "genesets"):
        (root / name).mkdir(parents=True)
    study, rows = read_settings(RECIPE).where["dataset_title"], []
    for section in read_cohort(manifest):
        counts = section.measured
        names = pd.DataFrame({"gene_ids": counts.gene_ids}, index=list(counts.gene_names))
        data = ad.AnnData(
            X=counts.matrix,
            obs=pd.DataFrame({"in_tissue": 1}, index=list(section.spots.ids)),
            var=names,
            obsm={"spatial": section.spots.xy},
        )
        data.write_h5ad(root / "hest" / "st" / f"{section.id}.h5ad")
        with Image.open(manifest.parent / f"{section.id}.jpg") as image:
            image.save(root / "hest" / "wsis" / f"{section.id}.tif")
        mpp = section.slide.mpp
        rows.append(
            {"id": section.id, "patient": section.patient, "dataset_title": study, **FACTS,
             "oncotree_code": "COAD" if rows else "READ",
             "inter_spot_dist": 100, "spot_diameter": 55, "pixel_size_um_estimated": mpp,
             "pixel_size_um_embedded": mpp}
        )  # fmt: skip
    pd.DataFrame(rows).to_csv(root / "hest" / "HEST_v1_1_0.csv", index=False)
    sets = [names.index[start : start + 24] for start in (0, 24)]
    lines = [
        "\t".join([f"HALLMARK_{number}", "made", *of]) for number, of in enumerate(sets, start=1)
    ]
    (root / "genesets" / "h.all.v7.0.symbols.gmt").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.slow
def test_it_trains_on_files_of_the_real_layout(hest, tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(hest))
    result = benchmark(
        settings=read_settings(RECIPE, SMALL), out=tmp_path / "run", cache=tmp_path / "cache"
    )
    assert set(result.summary["model"]) >= {"mean", "stformer", "stformer-apart"}
    assert result.scores["patient"].nunique() == 3
    pathways = pd.read_csv(tmp_path / "run" / "pathways.csv")
    assert set(pathways["pathway"]) <= {"HALLMARK_1", "HALLMARK_2"}
    assert {"stformer", "stformer-apart"} <= set(pathways["model"])

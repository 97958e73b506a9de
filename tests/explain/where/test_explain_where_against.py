"""`explain where` holds its maps against files and genes, and removes tiles."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from histoscribe.errors import DataContractError
from histoscribe.explain.run import explain
from tests.explain.where.planted_region import (
    REGION_GENE,
    TILE_PX,
    planted_cohort,
    region,
    trained,
)


@pytest.fixture(scope="module")
def cohort():
    """Ten patients: from five, the model does not learn the region of a new one."""
    return planted_cohort(n_patients=10)


@pytest.fixture(scope="module")
def predictor(cohort, tmp_path_factory):
    return trained(cohort, tmp_path_factory.mktemp("ten") / "member")


@pytest.fixture(scope="module")
def files(cohort, tmp_path_factory):
    """Labels and mask of the planted region."""
    folder = tmp_path_factory.mktemp("files")
    section = cohort["S9"]
    inside = region(section)
    labels = np.where(inside, "region", "rest")
    lines = [f"{id_},{label}" for id_, label in zip(section.spots.ids, labels, strict=True)]
    (folder / "labels.csv").write_text("\n".join(["spot,label", *lines]) + "\n")
    side = section.slide.width // TILE_PX
    grid = np.zeros((side, side), dtype=np.uint8)
    column, row = (section.spots.xy // TILE_PX).astype(int).T
    grid[row[inside], column[inside]] = 255
    Image.fromarray(grid).save(folder / "mask.png")
    return {
        "labels": folder / "labels.csv",
        "mask": folder / "mask.png",
    }


@pytest.fixture(scope="module")
def finding(predictor, cohort, files, tmp_path_factory):
    out = tmp_path_factory.mktemp("against") / "out"
    wishes = {**files, "other_genes": "G1", "genes": REGION_GENE, "attribution": False}
    return explain("where", predictor, cohort, section="S9", out=out, **wishes)


@pytest.mark.parametrize("reference", ["label_region", "mask", f"measured_{REGION_GENE}"])
def test_a_planted_region_is_found_in_whatever_shows_it(finding, reference):
    table = pd.read_csv(finding.folder / "where-against.csv")
    (row,) = table[(table["reference"] == reference) & (table["map"] == "prediction")].itertuples()
    if reference != "label_region":
        assert row.correlation > row.correlation_high
    if not reference.startswith("measured"):  # its median parts spots that are noise alone
        assert row.auroc > row.auroc_high
        assert row.p_auroc < 0.05


def test_the_first_map_gives_the_numbers_of_every_reference(finding):
    references = ("label_region", "mask", f"measured_{REGION_GENE}", "predicted_G1")
    for name in (f"auroc_{reference}" for reference in references):
        assert finding.chance(name).low < finding.chance(name).high
        assert 0 < finding.number(f"p_{name}").value <= 1


def test_deletion_of_every_map_stands_beside_random_tiles(finding):
    for kind in ("attention", "contribution"):
        by_chance = finding.chance(f"deletion_{kind}")
        assert by_chance.low < by_chance.high
        assert 0 < finding.number(f"p_deletion_{kind}").value <= 1
    table = pd.read_csv(finding.folder / "where-deletion.csv")
    assert list(table["map"]) == ["attention", "contribution"]
    # scores of the planted region make the prediction
    assert finding.number("p_deletion_contribution").value < 0.05
    failed = [words for words in finding.caveat if words.startswith("FAILED")]
    assert len(failed) == table["failed"].sum()
    assert list(finding.caveat[: len(failed)]) == failed


def test_files_stand_in_table_and_record(finding):
    table = pd.read_csv(finding.folder / "where-against.csv")
    assert len(table) == 4 * 4  # four kinds of map; measured, other gene, label, mask
    assert {"labels", "mask", "other_genes"} <= finding.about.keys()
    assert finding.about["labels"].startswith("labels.csv ")


def test_everything_wrong_is_told_at_once(predictor, cohort, files, tmp_path):
    empty = tmp_path / "empty.geojson"
    empty.write_text('{"type": "FeatureCollection", "features": []}')
    Image.new("RGB", (50, 50)).save(tmp_path / "small.png")
    with pytest.raises(DataContractError) as error:
        explain(
            "where",
            predictor,
            cohort,
            out=tmp_path / "x",
            mask=empty,
            against=tmp_path / "small.png",
        )
    found = [problem.found for problem in error.value.problems]
    assert sorted(found) == ["50 x 50 px, and no landmarks", "no polygon"]
    with pytest.raises(DataContractError, match="did you mean G1"):
        explain("where", predictor, cohort, out=tmp_path / "x", other_genes="G11")

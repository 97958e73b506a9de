"""The question `subtypes` on the public tumours of `catalog:tcga-crc`."""

from time import process_time

import numpy as np
import pandas as pd
import pytest

import histoscribe as hs
from histoscribe.io.cohorts.catalog_bulk import read_catalog_bulk

pytestmark = pytest.mark.data


def test_tumours_come_with_symbols_subtypes_status_and_survival(real_data):
    if not (real_data / "cms").is_dir():
        pytest.skip("no folder cms of bulk tumours")
    bulk = read_catalog_bulk("catalog:tcga-crc")
    assert len(bulk.table.patients) == len(set(bulk.table.patients)) == 92
    assert len(set(bulk.symbols)) == 17045
    patients = bulk.table.patients
    counts = pd.Series(bulk.labels.of("CMS", patients)).value_counts().to_dict()
    assert counts == {"": 29, "CMS2": 26, "CMS4": 19, "CMS3": 10, "CMS1": 8}
    status = pd.Series(bulk.labels.of("MSI", patients)).value_counts().to_dict()
    assert status == {"MSS or MSI-L": 78, "MSI-H": 13, "": 1}
    survival = bulk.labels.survival(patients)
    assert np.nansum(survival[:, 1]) == 10


@pytest.mark.slow
def test_measured_expression_tells_the_subtypes_within_five_minutes(real_data, tmp_path):
    if not (real_data / "cms").is_dir():
        pytest.skip("no folder cms of bulk tumours")
    start = process_time()
    finding = hs.explain("subtypes", bulk="catalog:tcga-crc", out=tmp_path / "crc")
    assert process_time() - start < 300
    least = {"CMS1": 0.5, "CMS2": 0.95, "CMS3": 0.92, "CMS4": 0.92, "MSI-H": 0.92}
    for name, auroc in least.items():
        number, chance = (of(f"auroc_{name}") for of in (finding.number, finding.chance))
        assert number.value >= auroc
        assert number.low is not None
        assert 0.35 <= chance.value <= 0.65
    assert finding.number("falling_FSCN1_in_CMS2").value >= 0.9
    claims = pd.read_csv(finding.folder / "claims.csv").set_index(["gene", "class"])
    assert claims.loc[("TP53RK", "CMS2"), "verdict"] == "contradicted"
    assert claims.loc[("MUC2", "CMS3"), "alone_auroc"] == pytest.approx(0.68, abs=0.01)
    assert "35 of 36 genes of colotype-partial; missing: WARS" in finding.about["panel"]
    assert any("not tested: 5 deaths" in words for words in finding.caveat)

"""`predict --per patient`: the mean of a patient over the tissue of all slides."""

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.io.predictions.bulk_file import read_bulk
from histoscribe.predict.order import Order, predict
from histoscribe.train.run import train
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.predict.conftest import MPP, SPACING_UM, draw_slide


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A predictor of logged values, and the manifest of two patients with three slides."""
    folder = tmp_path_factory.mktemp("patients")
    settings = tiny_settings(
        tiny_cohort(folder / "cohort", n_patients=2),
        models=["ridge"],
        target={"n_genes": 12, "transform": "cp10k-log1p"},
    )
    train(settings=settings, out=folder / "ridge", cache=folder / "cache")
    for name, radius in (("a", 240), ("b", 120), ("c", 180)):
        draw_slide(folder / f"{name}.png", seed=ord(name), radius=radius)
    lines = ["patient,slide,mpp", f"P2,c.png,{MPP}", f"P1,a.png,{MPP}", f"P1,b.png,{MPP}"]
    (folder / "slides.csv").write_text("\n".join(lines))
    return folder


def order(place, out, manifest="slides.csv", **changes):
    options = {"predictor": place / "ridge", "spacing_um": SPACING_UM, "per": "patient", **changes}
    return Order(targets=(str(place / manifest),), out=out, **options)


def test_a_patient_is_the_mean_over_the_tissue_of_all_slides_on_the_linear_scale(place, tmp_path):
    *slides, done = predict(order(place, tmp_path / "out", keep_unlike=True))
    assert len(slides) == 3
    assert (done.path, done.n_patients) == (tmp_path / "out" / "bulk.h5ad", 2)
    bulk = read_bulk(done.path)
    assert bulk.patients == ("P1", "P2")
    for row, names in enumerate((("a", "b"), ("c",))):
        parts = [read_prediction(tmp_path / "out" / f"{name}.h5ad") for name in names]
        counts = np.concatenate([np.expm1(part.values.astype(float)) for part in parts])
        share = np.concatenate([part.head.spot_facts["tissue_share"] for part in parts])
        assert share.min() < 0.9, "squares at the edge of the tissue count less"
        expected = np.average(counts.clip(0), axis=0, weights=share)
        np.testing.assert_allclose(bulk.values[row], expected, rtol=1e-5)
        assert bulk.genes == parts[0].genes
    before = done.path.read_bytes()
    *again, done = predict(order(place, tmp_path / "out", keep_unlike=True))
    assert [outcome.n_tiles for _, outcome in again] == [0, 0, 0]
    assert done.path.read_bytes() == before


def test_a_patient_whose_tissue_is_mostly_unlike_the_training_is_left_out_and_named(
    place, tmp_path
):
    *slides, done = predict(order(place, tmp_path / "out"))
    assert all(outcome.beyond.share > 0.5 for _, outcome in slides)
    bulk = read_bulk(done.path)
    assert np.isnan(bulk.values).all()
    assert bulk.patient_facts["trusted"].tolist() == [0, 0]
    assert (bulk.patient_facts["share_beyond_training"] > 0.5).all()
    assert [warning[:3] for warning in done.warnings] == ["P1:", "P2:"]
    assert "left out (NaN)" in done.warnings[0]


def test_values_without_a_way_back_to_counts_are_refused_before_any_work(
    place, predictor_folder, tmp_path
):
    with pytest.raises(DataContractError, match=r"pearson-residuals[\s\S]*transform=cp10k-log1p"):
        list(predict(order(place, tmp_path / "out", predictor=predictor_folder)))
    assert not (tmp_path / "out").exists()


def test_a_slide_instead_of_a_manifest_is_refused(place, tmp_path):
    with pytest.raises(DataContractError, match="columns patient and slide"):
        list(predict(order(place, tmp_path / "out", manifest="a.png")))


def test_no_patient_is_written_while_a_slide_fails(place, tmp_path):
    (place / "broken.tif").write_bytes(b"II*\0" + bytes(100))
    (place / "some.csv").write_text(f"patient,slide,mpp\nP1,a.png,{MPP}\nP1,broken.tif,{MPP}\n")
    outcomes = list(predict(order(place, tmp_path / "out", manifest="some.csv")))
    assert [isinstance(outcome, tuple) for _, outcome in outcomes] == [False, True]
    assert not (tmp_path / "out" / "bulk.h5ad").exists()

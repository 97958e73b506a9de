"""What the charts draw is what the run's files say."""

import base64
import json
import re
from dataclasses import asdict
from zlib import decompress

import numpy as np
import pandas as pd
import pytest

from histoscribe.benchmark.measured_maps import read_measured, write_measured
from histoscribe.benchmark.views import find_views
from histoscribe.errors import DataContractError
from histoscribe.printable import printable
from histoscribe.report import write
from histoscribe.report.charts import charts, page_choice
from histoscribe.report.pack import pack
from histoscribe.report.page_budget import LEVELS, Room, choose
from histoscribe.report.run import read_run
from tests.cards import SECTION
from tests.report.made import GENES, draw, keep_values, make_run, one_map

EVIL = "</script><img src=x onerror=alert(1)><!--\u2028"


@pytest.fixture
def folder(tmp_path):
    return make_run(tmp_path / "run")


def payload_of(page):
    (text,) = re.findall(
        r'<script type="application/json" id="run-data">(.*?)</script>', page, flags=re.DOTALL
    )
    return json.loads(text)


def decoded(packed, n_columns, n_spots):
    """Values of a packed section [N, G], by the formula that `Packed` states."""
    stream = decompress(base64.b64decode(packed["deflated"]))
    low, high = np.frombuffer(stream, "<f4", 2 * n_columns).reshape(2, n_columns, 1)
    code = "u1" if packed["levels"] <= 254 else "<u2"
    codes = np.frombuffer(stream, code, offset=8 * n_columns).reshape(n_columns, n_spots)
    values = low + codes.astype(float) * (high - low) / packed["levels"]
    return np.where(codes == np.iinfo(code).max, np.nan, values).T


def scores_of(packed):
    codes = np.frombuffer(base64.b64decode(packed), "<i2")
    return np.where(codes == -32_768, np.nan, codes / 1000)


def test_scores_of_every_gene_are_those_of_genes_csv(folder):
    payload = payload_of(write(folder).read_text(encoding="utf-8"))
    table = pd.read_csv(folder / "genes.csv", keep_default_na=False)
    n_checked = 0
    for model in payload["models"]:
        rows = table[table["model"] == model["name"]].set_index("gene")
        for place, gene in enumerate(payload["genes"]):
            for column in ("pcc", "pcc_given_depth", "q"):
                assert model[column][place] == float(rows.loc[gene, column])
                n_checked += 1
    assert n_checked == len(table) * 3
    for place, gene in enumerate(payload["genes"]):
        for fact in ("null_low", "null_high", "detection_rate", "skewness"):
            assert payload["facts"][fact][place] == float(rows.loc[gene, fact])


def test_a_map_carries_the_values_and_the_scores_of_its_section(folder):
    given = keep_values(folder, "P0a")
    scores = pd.read_csv(folder / "scores.csv", keep_default_na=False)
    scores["section"] = scores["section"].replace("S0a", "P0a")
    scores.to_csv(folder / "scores.csv", index=False)
    payload = payload_of(write(folder).read_text(encoding="utf-8"))
    (view,) = payload["maps"]["views"]
    assert view["genes"] == view["shared"]
    columns = [GENES.index(payload["genes"][gene]) for gene in view["genes"]]
    for source, packed in {"measured": view["measured"], **view["predicted"]}.items():
        truth = given[source][:, columns]
        half_a_step = np.ptp(truth, axis=0) / payload["maps"]["levels"] / 2
        assert (np.abs(decoded(packed, 4, 20) - truth) <= half_a_step * 1.003).all()
    rows = scores[(scores["model"] == "ridge") & (scores["section"] == "P0a")]
    for metric in ("pcc", "pcc_given_depth"):
        expected = rows[rows["metric"] == metric].set_index("gene")["value"]
        found = scores_of(view["predicted"]["ridge"]["scores"][metric])
        names = [GENES[column] for column in columns]
        np.testing.assert_allclose(found, expected[names], rtol=0, atol=0.0005)
    xy = read_measured(folder / "maps" / "P0" / "P0a.safetensors").xy_um
    np.testing.assert_allclose(decoded(view["places"], 2, 20), xy, rtol=0, atol=0.02)


def test_a_constant_prediction_stays_constant_and_equal():
    packed = pack(np.full((5, 1), 0.1234567), 30)
    found = decoded(asdict(packed), 1, 5)
    assert (found == np.float32(0.1234567)).all()


def test_what_was_not_measured_stays_unknown(folder):
    path = folder / "maps" / "P0" / "S1.safetensors"
    keep_values(folder, "S1")
    measured = read_measured(path)
    measured.values[3, 1] = np.nan
    measured.values[:, 2] = np.nan
    write_measured(measured, path)
    run = read_run(folder)
    payload = charts(run, page_choice(run))
    (view,) = payload["maps"]["views"]
    names = [payload["genes"][gene] for gene in view["genes"]]
    found = decoded(view["measured"], 4, 20)
    assert np.isnan(found[3, names.index(GENES[1])])
    assert np.isnan(found[:, names.index(GENES[2])]).all()
    assert np.isnan(found).sum() == 21
    spots = np.array(payload["histograms"]["spots"])[:, payload["genes"].index(GENES[2])]
    assert spots.sum() == 0


def test_a_hostile_name_stays_a_name(folder):
    for name in ("genes", "scores"):
        table = pd.read_csv(folder / f"{name}.csv", keep_default_na=False)
        table["gene"] = table["gene"].replace("KRT19", EVIL)
        table.to_csv(folder / f"{name}.csv", index=False)
    genes = tuple(EVIL if gene == "KRT19" else gene for gene in GENES)
    keep_values(folder, "S1", patient=EVIL, genes=genes)
    page = write(folder).read_text(encoding="utf-8")
    assert printable(EVIL) in payload_of(page)["genes"]
    assert EVIL not in page
    assert "<img src=x" not in page
    assert page.count("<script") == page.count("</script>") == 3


def test_same_run_gives_the_same_page_with_its_maps(tmp_path):
    pages = []
    for place in ("a", "b"):
        folder = make_run(tmp_path / place)
        keep_values(folder, "S1")
        pages.append(write(folder).read_bytes())
    assert pages[0] == pages[1]


def test_every_spot_is_counted_once(folder):
    keep_values(folder, "S1", n_spots=20)
    keep_values(folder, "S2", n_spots=30, patient="001")
    run = read_run(folder)
    found = charts(run, page_choice(run))["histograms"]
    assert found["groups"] == ["patient 000", "patient 001"]
    assert (np.array(found["spots"]).sum(axis=2) == [[20] * 4, [30] * 4]).all()
    assert np.array(found["depth"]["spots"]).sum(axis=1).tolist() == [20, 30]


def test_a_gene_that_a_fold_has_not_is_left_out_of_its_map_only(folder):
    keep_values(folder, "S1")
    keep_values(folder, "S2", genes=GENES[:2])
    run = read_run(folder)
    views = charts(run, page_choice(run))["maps"]["views"]
    assert {view["shape"] for view in views} == {"circles"}
    assert [len(view["genes"]) for view in views] == [4, 2]


def test_a_section_of_two_folds_is_two_maps_with_their_folds(folder):
    keep_values(folder, "S1", fold="one")
    keep_values(folder, "S1", fold="two")
    run = read_run(folder)
    views = charts(run, page_choice(run))["maps"]["views"]
    assert [(view["section"], view["fold"]) for view in views] == [("S1", "one"), ("S1", "two")]


def test_too_many_maps_are_chosen_over_all_ranks_never_the_best_only(folder):
    names = tuple(f"g{i:02}" for i in range(21))
    for section in ("S1", "S2", "S3", "S4"):
        keep_values(folder, section, genes=names)
    views = find_views(folder)
    table = pd.DataFrame(
        {"model": "ridge", "gene": names, "pcc_given_depth": np.linspace(1, 0, 21)}
    )

    def fitting(room_for_maps):
        return choose(table, ("mean", "ridge"), "ridge", views, Room(maps=room_for_maps))

    everything = fitting(10**6)
    assert (everything.models, everything.shared) == (("ridge", "mean"), names)
    assert everything.levels == max(LEVELS)
    one_model = fitting(8_700)
    assert (one_model.mapped("ridge"), one_model.levels) == (names, min(LEVELS))
    assert set(one_model.mapped("mean")) < set(names)
    fewer = fitting(5_500)
    assert {"g00", "g10", "g20"} < set(fewer.genes) < set(names)
    assert fewer.models == ("ridge",)
    fewest = fitting(2_400)
    assert fewest.genes == ("g00", "g10", "g20")
    assert set(fewest.views) < set(views)
    assert (fewest.n_views, fewest.n_genes) == (4, 21)
    assert fitting(100).views == ()


def as_json(value):
    return len(json.dumps(value, separators=(",", ":")))


def test_charts_and_maps_of_a_large_panel_keep_to_their_room(tmp_path):
    genes = tuple(f"ENSG{i:011}" for i in range(400))
    folder = make_run(tmp_path / "run", genes=genes)
    table = pd.read_csv(folder / "genes.csv")
    rng = np.random.default_rng(0)
    for column in table.columns[2:]:
        table[column] = [float(f"{value:.6g}") for value in rng.normal(size=len(table))]
    table.to_csv(folder / "genes.csv", index=False)
    for section, patient in (("S0a", "000"), ("S1a", "001"), ("S2a", "002")):
        keep_values(folder, section, fold=f"P{patient}", patient=patient, genes=genes, n_spots=40)
    run = read_run(folder)
    room = Room(charts=80_000, maps=30_000)
    choice = page_choice(run, room)
    found = charts(run, choice)
    assert (
        as_json([found[key] for key in ("genes", "ids", "facts", "models", "histograms")]) < 80_000
    )
    tissue = sum(len(view["tissue"]["uri"]) for view in found["maps"]["views"])
    assert as_json(found["maps"]) - tissue < 30_000
    assert len(choice.charted) > 60
    assert set(choice.genes) < set(choice.charted)
    of_best = table[table["model"] == "ridge"].sort_values("pcc_given_depth")["gene"].tolist()
    marked = {name: found["genes"][place] for name, place in found["marked"].items()}
    assert marked == {"best": of_best[-1], "median": of_best[-201], "worst": of_best[0]}


def test_the_page_says_which_genes_its_charts_leave_out(folder, monkeypatch):
    assert "the charts and the list have" not in write(folder).read_text(encoding="utf-8")
    monkeypatch.setattr("histoscribe.report.charts.ROOM", Room(charts=0))
    page = write(folder).read_text(encoding="utf-8")
    assert "the charts and the list have 3 of 4 genes" in page
    assert len(payload_of(page)["genes"]) == 3


def test_a_gene_without_a_score_is_no_gene_s_worst(folder):
    table = pd.read_csv(folder / "genes.csv", keep_default_na=False)
    table.loc[table["gene"] == "ERBB2", "pcc_given_depth"] = np.nan
    table.to_csv(folder / "genes.csv", index=False)
    found = payload_of(write(folder).read_text(encoding="utf-8"))
    marked = {name: found["genes"][place] for name, place in found["marked"].items()}
    assert marked == {"best": "NA", "median": GENES[2], "worst": "KRT19"}
    assert "ERBB2" in found["genes"]


def test_a_run_in_which_no_gene_has_a_score_still_gives_a_page(folder):
    table = pd.read_csv(folder / "genes.csv", keep_default_na=False)
    table.assign(pcc_given_depth=np.nan).to_csv(folder / "genes.csv", index=False)
    found = payload_of(write(folder).read_text(encoding="utf-8"))
    assert found["marked"] == {}
    assert len(found["genes"]) == 4


@pytest.mark.parametrize("harm", ["unlink", "other"])
def test_a_prediction_that_is_gone_or_of_other_spots_is_refused(folder, harm):
    keep_values(folder, "S1")
    path = folder / "predictions" / "ridge" / "P0" / "S1.h5ad"
    if harm == "unlink":
        path.unlink()
    else:
        keep_values(folder / "other", "S1", n_spots=7)
        (folder / "other" / "predictions" / "ridge" / "P0" / "S1.h5ad").rename(path)
    with pytest.raises(DataContractError, match="no such file" if harm == "unlink" else "7 spots"):
        write(folder)
    assert not (folder / "report.html").exists()


def test_truncated_values_are_refused(folder):
    keep_values(folder, "S1")
    path = folder / "maps" / "P0" / "S1.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataContractError, match=r"S1\.safetensors"):
        write(folder)


def test_a_run_of_an_older_version_says_how_to_get_maps(folder):
    page = write(folder).read_text(encoding="utf-8")
    assert "has no stored values for maps" in page
    assert payload_of(page)["maps"]["views"] == []


@pytest.mark.slow
def test_the_page_of_a_run_like_her2st_quick_stays_under_15_mb(tmp_path):
    genes = tuple(f"GENE{i}" for i in range(250))
    folder = make_run(tmp_path / "run", genes=genes)
    sections = ("B4", "C2", "C3", "C4", "C5", "C6")
    for section in sections:
        keep_values(folder, section, genes=genes, n_spots=280)
        draw(folder / "figures" / "overlays" / f"{section}.png", shape=(1200, 1400, 3))
        for gene in ("ERBB2", "HLA-A"):
            draw(folder / "figures" / "maps" / section / f"{gene}.png", shape=(900, 1900, 3))
    card = json.loads((folder / "card.json").read_text())
    card["sections"] = {section: SECTION.to_json() for section in sections}
    card["maps"] = [
        one_map(section, gene, "why").to_json()
        for section in sections
        for gene in ("ERBB2", "HLA-A")
    ]
    (folder / "card.json").write_text(json.dumps(card))
    page = write(folder)
    assert page.stat().st_size < 15_000_000
    payload = payload_of(page.read_text(encoding="utf-8"))
    assert len(payload["maps"]["views"]) == 6
    assert all(len(view["genes"]) == 250 for view in payload["maps"]["views"])

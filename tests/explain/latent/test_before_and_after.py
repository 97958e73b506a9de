"""`explain latent` of several predictors: side by side, each as alone, with site and stain."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

import histoscribe as hs
from histoscribe.explain.latent.probe import N_PARTS, ProbedSection, compact_parts
from histoscribe.explain.latent.shares import site_shares
from histoscribe.explain.representation import Representation
from histoscribe.explain.run import explain
from histoscribe.types import Cohort, CohortEntry, SpotKeys
from tests.explain.alike import alike_cohort, predictor_of, random_mlp, with_network

PLACES_UM = 100.0 * np.stack(np.mgrid[:12, :12], axis=-1).reshape(-1, 2)
SITES = ("north", "north", "south")


@pytest.fixture(autouse=True)
def small_figures(monkeypatch):
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 20)


@pytest.fixture(scope="module")
def pair():
    """Two predictors of one form with different weights."""
    return [with_network(predictor_of("mlp"), random_mlp(seed)) for seed in (0, 1)]


def test_each_of_several_predictors_has_the_numbers_that_it_has_alone(pair, tmp_path):
    cohort = alike_cohort(0, stains=(-1.0, 0.0, 1.0))
    both = explain("latent", pair, cohort, out=tmp_path / "both")
    for place, predictor in enumerate(pair, 1):
        alone = explain("latent", predictor, cohort, out=tmp_path / f"alone-{place}")
        assert {of.name for of in alone.statistic} == {"same_patient", "stain_probe"}
        for of in alone.statistic:
            name = f"{of.name}_{place}"
            assert both.number(name).value == of.value
            assert both.chance(name).low == alone.chance(of.name).low
        for file in ("latent.csv", "probe.csv"):
            table = pd.read_csv(tmp_path / "both" / file)
            part = table[table["predictor"] == place].drop(columns="predictor")
            same = pd.read_csv(tmp_path / f"alone-{place}" / file)
            pd.testing.assert_frame_equal(part.reset_index(drop=True), same)
    assert both.about["predictors"].count("@") == 2
    _, svg = hs.figures(both, out=tmp_path / "page")
    assert "predictor 2" in svg.read_text("utf-8")


def test_a_site_that_patients_share_is_found_and_counted_by_patient():
    cohort = _with_sites(alike_cohort(0, stains=(-2.0, -2.0, 2.0)))
    finding = explain("latent", with_network(predictor_of("mlp"), random_mlp(0)), cohort)
    assert finding.number("same_site").value > 0.6
    assert finding.chance("same_site").high == pytest.approx(finding.number("same_site").value)
    table = pd.read_csv(finding.folder / "latent.csv")
    assert set(table["site"]) == {"north", "south"}


def test_sites_without_two_patients_or_with_an_unknown_patient_have_no_number():
    keys = SpotKeys.of_names(60 * ["S"] + 60 * ["T"], 60 * ["P"] + 60 * ["Q"], _names(120))
    values = np.random.default_rng(0).normal(size=(120, 4))
    spots = Representation(values, values, np.zeros((120, 2)), keys, 120 * (None,))
    assert site_shares(spots, {"P": "north", "Q": "south"}) is None
    assert site_shares(spots, {"P": "north", "Q": "north"}) is None
    assert site_shares(spots, {"P": "north"}) is None


def test_parts_of_a_section_are_compact_and_of_equal_size():
    part = compact_parts(PLACES_UM)
    assert np.bincount(part).tolist() == N_PARTS * [36]
    for code in range(N_PARTS):
        assert np.ptp(PLACES_UM[part == code], axis=0).max() <= 600


def test_a_probe_finds_a_stain_that_is_represented_and_no_other():
    draw = np.random.default_rng(0)
    stain, values = draw.normal(size=(144, 2)), draw.normal(size=(144, 20))
    assert abs(_probed(stain).scores(values)[:, 0]).max() < 0.3
    values[:, :3] += stain @ draw.normal(size=(2, 3)) * 3
    assert _probed(stain).scores(values)[:, 0].min() > 0.7


def test_a_probe_of_smooth_maps_that_have_nothing_in_common_stays_within_chance():
    """Smooth maps can be predicted from other smooth maps: random stains show how well."""
    alarms, by_chance = 0, []
    for seed in range(40):
        draw = np.random.default_rng(seed)
        stain = np.stack([_smooth(draw, 1.0) for _ in range(2)], axis=1)
        values = np.stack([_smooth(draw, 1.0) for _ in range(30)], axis=1)
        scores = _probed(stain).scores(values).mean(axis=0)
        low, high = np.percentile(scores[1:], [2.5, 97.5])
        alarms += not low <= scores[0] <= high
        by_chance.append(scores[1:].mean())
    assert alarms <= 7
    assert np.mean(by_chance) > 0.05, "shuffled spots would say 0"


def test_a_section_with_few_spots_or_one_stain_has_no_probe():
    stain = np.random.default_rng(0).normal(size=(20, 2))
    names, rows = ("S", "P"), np.arange(20)
    assert ProbedSection.of(names, rows, stain, PLACES_UM[:20]) is None
    assert ProbedSection.of(names, np.arange(144), np.ones((144, 2)), PLACES_UM) is None


def _probed(stain):
    return ProbedSection.of(("S", "P"), np.arange(144), stain, PLACES_UM)


def _smooth(draw, pitches):
    return gaussian_filter(draw.normal(size=(24, 24)), pitches)[6:18, 6:18].ravel()


def _with_sites(cohort):
    sections = [
        replace(section, facts={"site": site}) for section, site in zip(cohort, SITES, strict=True)
    ]
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of) for of in sections])


def _names(n):
    return [str(number) for number in range(n)]

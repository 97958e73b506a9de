"""Exemplars in training and prediction: one rule for both, saved and read back to the bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.data.exemplars import lookup as module
from histoscribe.data.exemplars.exemplar_settings import ExemplarSettings
from histoscribe.data.exemplars.lookup import Lookup, training_exemplars
from histoscribe.data.exemplars.search import ExemplarSearch
from histoscribe.data.images import StackedTiles
from histoscribe.encoders.perceptual import load_perceptual
from histoscribe.errors import DataContractError
from histoscribe.train.exemplar_checks import lookup_problems, pool_lines
from histoscribe.train.row import make_row
from histoscribe.types import Cohort, CohortEntry, Fold, Inner, SpotKeys
from tests.contracts.tables import planted_table, queries_of

NEAREST = ExemplarSettings(n=3)


def made(table, settings=NEAREST, protocol="patient", perceptual=None):
    return Lookup.of_table(table, settings, protocol, n_fitted=240, seed=1, perceptual=perceptual)


def in_training(table, rows, settings=NEAREST):
    return training_exemplars(
        table, rows, settings, seed=1, perceptual=None, device=torch.device("cpu")
    )


@pytest.mark.parametrize("draw", ["nearest", "random"])
def test_no_training_spot_is_shown_its_own_patient(draw):
    table = planted_table()
    found = in_training(table, np.arange(240), ExemplarSettings(n=5, draw=draw))
    whose = table.keys.patient_names
    of = {feature.tobytes(): p for feature, p in zip(table.feature, whose, strict=True)}
    for row, shown in enumerate(found.rows):
        patients = {of[found.feature[place].tobytes()] for place in shown}
        assert whose[row] not in patients


def test_only_spots_that_are_fitted_on_are_shown():
    table = planted_table()
    fit, val = table.inner[0]
    found = in_training(table, fit)
    assert len(found.feature) == len(fit)
    held = {table.feature[row].tobytes() for row in val}
    assert not any(feature.tobytes() in held for feature in found.feature)


def test_jittered_views_ask_and_are_never_shown():
    table = planted_table()
    views = replace(
        table,
        feature=np.concatenate([table.feature, table.feature + 0.01]),
        target=np.concatenate([table.target, table.target]),
        log_total=np.concatenate([table.log_total, table.log_total]),
        keys=SpotKeys.concatenate([table.keys, table.keys]),
        copies=2,
        image=None,
        xy_um=None,
    )
    found = in_training(views, np.arange(480))
    assert found.rows.shape == (480, 3)
    assert len(found.feature) == 240


def test_a_spot_of_a_training_patient_is_not_shown_its_own_patient_when_predicted():
    table = planted_table()
    lookup = made(table)
    wanted = queries_of(table)
    found = lookup.of(wanted)
    whose = lookup.pool.keys.patient_names
    for patient, rows in zip(wanted.keys.patient_names, found.rows, strict=True):
        assert patient not in whose[rows]


def test_under_a_leaky_protocol_only_what_is_named_is_excluded():
    table = planted_table()
    whose = table.keys.patient_names
    sections = [f"{patient}{row % 2}" for row, patient in enumerate(whose)]
    table = replace(table, keys=SpotKeys.of_names(sections, whose, table.keys.spot))
    by_section = ExemplarSettings(n=3, training_exclusion="section")
    leaky = made(table, by_section, protocol="section")
    assert (leaky.exclusion, leaky.shift) == ("section", False)
    named = made(table, by_section)
    assert (named.exclusion, named.shift) == ("patient", True)
    assert named.card().shift.startswith("retrieval shift")
    assert made(table).card().shift is None


def test_features_of_another_encoder_are_refused():
    wanted = replace(queries_of(planted_table()), encoder="another")
    with pytest.raises(DataContractError, match="another"):
        made(planted_table()).of(wanted)


def test_too_few_exemplars_say_how_many_there_are():
    with pytest.raises(DataContractError, match=r"(?s)180 training spots.*exemplars\.n to 180"):
        in_training(planted_table(), np.arange(240), ExemplarSettings(n=181))


def sizes_of(table) -> tuple[int, int]:
    """Number of genes and of features, which a predictor knows from its other files."""
    return table.target.shape[1], table.feature.shape[1]


def test_a_lookup_comes_back_to_the_bit(tmp_path):
    table = planted_table()
    lookup, wanted = made(table), queries_of(planted_table(1))
    lookup.save(tmp_path / "exemplars.safetensors")
    again = Lookup.read(tmp_path / "exemplars.safetensors", {}, *sizes_of(table))
    assert again.of(wanted).rows.tobytes() == lookup.of(wanted).rows.tobytes()
    assert again.card() == lookup.card()


def test_tiles_that_look_alike_are_found_and_saved_with_their_net(tmp_path, monkeypatch):
    # 64 px and up: the net has no position left on smaller tiles
    rng = np.random.default_rng(0)
    table = planted_table(n_spots=24)
    kinds = rng.integers(0, 255, (6, 64, 64, 3)).astype(np.uint8)
    kind = np.arange(24) % 6
    tiles = StackedTiles([(kinds, kind)])
    table = replace(table, image=tiles)
    net = load_perceptual(random_seed=3)
    settings = ExemplarSettings(n=2, distance="lpips")
    lookup = made(table, settings, perceptual=net)
    wanted = replace(queries_of(table), image=tiles)
    found = lookup.of(wanted)
    for row, shown in enumerate(found.rows):
        assert {kind[int(lookup.pool.keys.spot[place])] for place in shown} == {kind[row]}
    lookup.save(tmp_path / "exemplars.safetensors")
    monkeypatch.setattr("histoscribe.data.exemplars.lookup.load_perceptual", lambda *_, **__: net)
    again = Lookup.read(tmp_path / "exemplars.safetensors", {}, *sizes_of(table))
    np.testing.assert_array_equal(again.of(wanted).rows, found.rows)
    other = load_perceptual(random_seed=4)
    monkeypatch.setattr("histoscribe.data.exemplars.lookup.load_perceptual", lambda *_, **__: other)
    with pytest.raises(DataContractError, match="random:4"):
        Lookup.read(tmp_path / "exemplars.safetensors", {}, *sizes_of(table))


def cohort_of(**patients):
    def unopened():
        raise AssertionError("nothing is read to check exemplars")

    return Cohort(
        [CohortEntry(section, patient, unopened) for section, patient in patients.items()]
    )


def fold_of(*train, inner=None):
    rows = {section: np.arange(10) for section in train}
    splits = () if inner is None else (Inner({s: np.arange(10) for s in inner}, {}),)
    return Fold("F", "patient", rows, {}, splits, "patient")


def problems(cohort, fold, exclusion, keep="last"):
    exemplars = ExemplarSettings(training_exclusion=exclusion)
    rows = [make_row("egn", {}, exemplars)]
    return "\n".join(map(str, lookup_problems(cohort, [fold], rows, keep)))


def test_what_leaves_training_spots_without_exemplars_is_said_before_the_work(monkeypatch):
    two, one = cohort_of(a1="A", a2="A", b1="B"), cohort_of(a1="A", a2="A")
    assert not problems(two, fold_of("a1", "a2", "b1"), "patient")
    assert 'training_exclusion = "section"' in problems(one, fold_of("a1", "a2"), "patient")
    monkeypatch.setattr("histoscribe.train.exemplar_checks.twin_images", lambda sections: [])
    assert not problems(one, fold_of("a1", "a2"), "section")
    assert "1 training section" in problems(one, fold_of("a1"), "section")
    assert 'training_exclusion = "patient"' in problems(two, fold_of("a1", "b1"), "section")
    alone = fold_of("a1", "a2", "a3", inner=("a1", "a2"))
    three = cohort_of(a1="A", a2="A", a3="A")
    assert not problems(three, alone, "section")
    assert "exemplars of their own patient" in problems(three, alone, "section", keep="best")
    held_out = fold_of("a1", "a2", "b1", inner=("a1", "a2"))
    assert 'train.keep = "last"' in problems(two, held_out, "patient", keep="best")


def test_too_few_exemplars_are_said_before_the_work():
    cohort, fold = cohort_of(a1="A", a2="A", b1="B"), fold_of("a1", "a2", "b1")
    rows = [make_row("egn", {"exemplars": {"n": n}}, NEAREST) for n in (10, 11)]
    assert not lookup_problems(cohort, [fold], rows[:1], "last")
    (problem,) = lookup_problems(cohort, [fold], rows, "last")
    assert problem.found == "10 training spots of other patients than A"
    assert problem.remedy.startswith("set exemplars.n to 10 or less")
    inner = replace(fold_of("a1", "b1", "c1"), inner=(Inner(fold_of("a1", "b1").train, {}),))
    cohort = cohort_of(a1="A", b1="B", c1="C")
    assert not lookup_problems(cohort, [inner], rows, "last")
    assert lookup_problems(cohort, [inner], rows, "best")


def test_the_number_of_exemplars_to_choose_from_is_told():
    cohort = cohort_of(a1="A", a2="A", b1="B")
    rows = [make_row("egn", {}, NEAREST), make_row("ridge", {}, NEAREST)]
    (line,) = pool_lines(cohort, [fold_of("a1", "a2", "b1")], rows, "best")
    assert line.endswith("training spots have 10 to 20 spots of other patients to choose from")
    tested = replace(fold_of("a1", "a2", "b1"), test={"c1": np.arange(3)})
    (line,) = pool_lines(cohort_of(a1="A", a2="A", b1="B", c1="C"), [tested], rows, "last")
    assert line.endswith("of other patients to choose from, test spots 30")
    assert not list(pool_lines(cohort, [fold_of("a1")], rows[1:], "last"))


def test_the_pool_is_searched_on_the_device_that_is_named_and_laid_there_once(monkeypatch):
    devices = []

    def noted(pool, distance, device):
        devices.append(device)
        return ExemplarSearch(pool, distance)

    monkeypatch.setattr(module, "ExemplarSearch", noted)
    lookup, queries = made(planted_table()), queries_of(planted_table(1))
    card = torch.device("cuda", 0)
    found = [lookup.of(queries, device) for device in (card, card, "cpu")]
    assert devices == [card, torch.device("cpu")]
    for again in found[1:]:
        np.testing.assert_array_equal(found[0].rows, again.rows)

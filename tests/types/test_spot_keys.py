"""Keys of spots: the same names whatever the order, and no object for each spot."""

import gc
from itertools import permutations

import numpy as np
import pytest
import safetensors.numpy

from histoscribe.errors import DataContractError
from histoscribe.types import SpotKeys


def keys():
    return SpotKeys.of_names(
        ["b", "a", "b", "slide"], ["Q", "P", "Q", None], ["10", "9", "é-1", "10"]
    )


def rows(of):
    return list(zip(of.section_names.tolist(), of.patient_names.tolist(), of.spot, strict=True))


def test_names_come_back_row_by_row():
    assert rows(keys()) == [
        ("b", "Q", "10"),
        ("a", "P", "9"),
        ("b", "Q", "é-1"),
        ("slide", "unknown", "10"),
    ]


def test_rows_are_taken_and_joined_by_name_whatever_the_tables_of_names():
    one = keys()
    for order in permutations(range(4)):
        parts = [one.take(np.array([row])) for row in order]
        other = SpotKeys.of_names(["c", "a"], ["Z", "P"], ["1", "2"])
        joined = SpotKeys.concatenate([other, *parts])
        expected = rows(other) + [rows(one)[row] for row in order]
        assert rows(joined) == expected
        assert joined.same_spots(SpotKeys.concatenate([other, one.take(np.array(order))]))


def test_order_is_that_of_sorted_names():
    one = keys().take(np.array([0, 2, 1]))
    assert [rows(one)[row][::-1] for row in one.order()] == [
        ("9", "P", "a"),
        ("10", "Q", "b"),
        ("é-1", "Q", "b"),
    ]


def test_each_section_has_its_patient_and_its_rows():
    found = [(name, patient, own.tolist()) for name, patient, own in keys().by_section()]
    assert found == [("a", "P", [1]), ("b", "Q", [0, 2]), ("slide", None, [3])]


def test_spots_are_found_in_another_table_by_section_and_id():
    one = keys()
    mixed = SpotKeys.concatenate([one.take(np.array([3, 2, 1, 0])), one])
    np.testing.assert_array_equal(one.rows_in(mixed), [3, 2, 1, 0])
    assert mixed.n_repeated == 4
    with pytest.raises(KeyError, match=r"1 spots, e\.g\. 9"):
        one.rows_in(one.take(np.array([0, 2, 3])))


def test_what_is_saved_comes_back(tmp_path):
    for one in (keys(), keys().take(slice(0))):
        safetensors.numpy.save_file(one.arrays(), tmp_path / "keys.safetensors")
        arrays = safetensors.numpy.load_file(tmp_path / "keys.safetensors")
        again = SpotKeys.restored(arrays, one.names())
        assert again.same_spots(one)
        assert rows(again) == rows(one)


def test_a_section_of_two_patients_is_refused():
    with pytest.raises(DataContractError, match="section a: spots of more than one patient"):
        SpotKeys.of_names(["a", "a", "b"], ["P", "Q", "Q"], ["1", "2", "3"])


def test_codes_without_a_name_and_names_out_of_order_are_refused():
    one = SpotKeys.of_section("a", "P", ["1", "2"])
    with pytest.raises(ValueError, match="codes 1 to 1 of 1 names"):
        SpotKeys(one.section + 1, one.patient, one.spot, one.sections, one.patients)
    with pytest.raises(ValueError, match="sorted"):
        SpotKeys(one.section, one.patient, one.spot, ("b", "a"), one.patients)


def test_many_spots_are_few_objects():
    ids = [f"s_008um_{row:05}_00001-1" for row in range(100_000)]
    gc.collect()
    before = len(gc.get_objects())
    held = SpotKeys.of_section("S", "P", ids)
    parts = SpotKeys.concatenate([held.take(np.arange(0, 100_000, 2)), held])
    assert len(gc.get_objects()) - before < 1000
    assert len(parts) == 150_000

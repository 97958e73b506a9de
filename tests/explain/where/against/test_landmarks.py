"""A known affine map is recovered from landmarks, and landmarks that fix none are refused."""

from pathlib import Path

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.where.against.landmarks import (
    Affine,
    Landmarks,
    align,
    check_inside,
    fit_affine,
    read_landmarks,
)

FILE = Path("points.csv")
PLACES = np.array([[100.0, 80], [900, 120], [500, 700], [150, 650], [820, 640], [480, 300]])


def turned(degrees, *, mirrored=False, scale=1.0):
    angle = np.deg2rad(degrees)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return Affine(matrix @ np.diag([-1.0 if mirrored else 1.0, 1.0]), np.array([700.0, 40.0]))


def written(folder, table, header="x,y,x2,y2"):
    path = folder / "points.csv"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in table)]) + "\n")
    return path


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 37, 90, 180, 261])
def test_a_turned_or_mirrored_slide_is_laid_back(degrees, mirrored):
    truth = turned(degrees, mirrored=mirrored, scale=1.7)
    fitted = fit_affine(PLACES, truth(PLACES))
    np.testing.assert_allclose(fitted.matrix, truth.matrix, atol=1e-9)
    np.testing.assert_allclose(fitted.shift, truth.shift, atol=1e-6)
    np.testing.assert_allclose(fitted.inverse(truth(PLACES)), PLACES, atol=1e-6)
    assert fitted.is_mirrored == mirrored
    assert fitted.scale == pytest.approx(1.7)
    assert fitted.stretch == pytest.approx(1.0)


def test_the_residual_is_the_error_of_the_landmarks_in_um():
    truth = turned(30, scale=2.0)
    errors = []
    for seed in range(200):
        off = np.random.default_rng(seed).normal(0, 6.0, (6, 2))  # px of the second image
        alignment = align(Landmarks(FILE, PLACES, truth(PLACES) + off), mpp=0.5)
        errors.append((alignment.residual_um, alignment.left_out_um))
    residual, left_out = np.sqrt(np.mean(np.square(errors), axis=0))
    # 6 px of 0.25 um in two directions, of which three of six landmarks are fitted away
    assert residual == pytest.approx(6 * 0.25 * np.sqrt(2 * 3 / 6), rel=0.05)
    assert left_out > residual * 1.5


def test_left_out_is_what_a_fit_without_the_landmark_gives():
    second = turned(10)(PLACES) + np.random.default_rng(0).normal(0, 5.0, PLACES.shape)
    others = [np.arange(6) != row for row in range(6)]
    errors = [
        np.linalg.norm(fit_affine(PLACES[rest], second[rest])(PLACES[~rest]) - second[~rest])
        for rest in others
    ]
    alignment = align(Landmarks(FILE, PLACES, second), mpp=1.0)
    expected = np.sqrt(np.mean(np.square(errors))) / alignment.affine.scale
    assert alignment.left_out_um == pytest.approx(expected)


def test_three_landmarks_fit_exactly_and_that_says_nothing():
    off = turned(10)(PLACES[:3]) + np.random.default_rng(0).normal(0, 40.0, (3, 2))
    alignment = align(Landmarks(FILE, PLACES[:3], off), mpp=0.5)
    assert alignment.residual_um == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(alignment.left_out_um)
    assert any("says nothing about" in note for note in alignment.notes)


def test_a_mirrored_and_a_stretched_map_are_named():
    mirrored = align(Landmarks(FILE, PLACES, turned(5, mirrored=True)(PLACES)), 0.5)
    stretched = align(Landmarks(FILE, PLACES, PLACES * (1.0, 1.5)), 0.5)
    plain = align(Landmarks(FILE, PLACES, turned(5)(PLACES)), 0.5)
    assert any("mirror" in note for note in mirrored.notes)
    assert any("1.50 times" in note for note in stretched.notes)
    assert len(plain.notes) == 1


def test_a_table_is_read_by_its_header(tmp_path):
    table = np.column_stack([np.arange(6), turned(8)(PLACES), PLACES])
    landmarks = read_landmarks(written(tmp_path, table.tolist(), "name,x2,y2,x,y"))
    np.testing.assert_array_equal(landmarks.first, PLACES)
    np.testing.assert_allclose(landmarks.second, turned(8)(PLACES))


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (PLACES[:2], "2 landmarks"),
        (np.column_stack([PLACES[:, 0], 2 * PLACES[:, 0] + 3]), "on one line in x, y"),
        (np.repeat(PLACES[:1], 5, axis=0), "on one line in x, y"),
    ],
)
def test_landmarks_that_fix_no_map_are_refused(tmp_path, rows, found):
    table = np.column_stack([rows, PLACES[: len(rows)]])
    with pytest.raises(DataContractError, match=found) as error:
        read_landmarks(written(tmp_path, table.tolist()))
    assert "at least three landmarks" in error.value.problems[0].expected


def test_a_line_in_the_second_image_is_refused_too(tmp_path):
    line = np.column_stack([PLACES[:, 0], np.full(6, 7.0)])
    with pytest.raises(DataContractError, match="on one line in x2, y2"):
        read_landmarks(written(tmp_path, np.column_stack([PLACES, line]).tolist()))


def test_a_missing_column_and_a_gap_are_refused(tmp_path):
    with pytest.raises(DataContractError, match="no column x2, y2"):
        read_landmarks(written(tmp_path, PLACES.tolist(), "x,y"))
    table = [[*place, *place] for place in PLACES.tolist()]
    table[2][3] = "here"
    with pytest.raises(DataContractError, match="gaps or words"):
        read_landmarks(written(tmp_path, table))


def test_landmarks_outside_of_an_image_are_counted():
    landmarks = Landmarks(FILE, PLACES, PLACES * 4)
    problems = check_inside(landmarks, ((1000, 800), (1000, 800)))
    assert [problem.found for problem in problems] == ["5 of 6 outside of the image in x2, y2"]

"""Doubts about the resolution of images."""

import pytest

from histoscribe.io.cohorts.resolutions import resolution_doubts


def doubts(**mpp):
    return list(resolution_doubts(mpp))


@pytest.mark.parametrize("mpp", [{}, {"S1": 0.5}, {"S1": 0.5, "S2": 1.0}, {"S1": 2.0}])
def test_usual_resolutions_raise_no_doubt(mpp):
    assert doubts(**mpp) == []


def test_pixels_too_coarse_for_nuclei_are_named():
    (words,) = doubts(S1=2.5, S2=2.0, S3=3.0)
    assert words.startswith("pixels too coarse for nuclei (um/px): S1 2.5, S3 3; ")


def test_sections_of_which_one_is_more_than_twice_as_coarse_are_named():
    (words,) = doubts(S1=0.9, S2=0.25, S3=0.5)
    assert words.startswith("sections differ in um/px by more than 2 times: S2 0.25, S1 0.9; ")
    assert "inputs.mpp to at least 0.9" in words

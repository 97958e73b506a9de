"""No damaged file ends in a traceback, a signal or a wait without end, or takes 4 GB."""

import sys
from pathlib import Path

import pytest

from tests.fuzz.campaign import READ, REFUSED, Outcome, campaign, outcomes
from tests.fuzz.subjects import SUBJECTS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of a fork need Linux")
N_INPUTS = 800
MOST_MB = 4_000
QUICK = ("st", "sparse", "slide-flat.png", "slide-tiles-lzw.tif", "mask.geojson", "gene-sets")
"""Subjects that take no time to make and to import."""


def told(outcome: Outcome) -> str:
    return f"{outcome.subject} {outcome.seed} ({outcome.damage}): {outcome.end}\n{outcome.text}"


@pytest.mark.parametrize("name", QUICK)
def test_a_damaged_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    (subject,) = (subject for subject in SUBJECTS if subject.name == name)
    ended = list(outcomes(subject, range(4), tmp_path))
    assert [told(one) for one in ended if not one.is_fine] == []


@pytest.mark.slow
def test_a_campaign_over_every_kind_of_input(tmp_path: Path) -> None:
    ended = list(campaign(N_INPUTS, tmp_path))
    assert len(ended) >= N_INPUTS
    assert [told(one) for one in ended if not one.is_fine] == []
    assert max(one.peak_mb for one in ended) < MOST_MB
    # damage that no reader ever meets, or that none survives, would test nothing
    for subject in SUBJECTS:
        ends = {one.end for one in ended if one.subject == subject.name}
        assert REFUSED in ends, subject.name
    assert sum(one.end == READ for one in ended) > N_INPUTS / 20

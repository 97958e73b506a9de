"""A small cohort and the command line, for every test of this folder."""

import pytest

from tests.cli.small import SmallCohort, histoscribe

__all__ = ["histoscribe"]


@pytest.fixture
def cohort(tmp_path):
    (tmp_path / "data").mkdir()
    return SmallCohort(tmp_path / "data")

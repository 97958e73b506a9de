import subprocess
import sys

import pytest

import histoscribe as hs


@pytest.mark.parametrize("name", hs.__all__)
def test_every_public_name_can_be_called(name):
    assert callable(getattr(hs, name))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'benchmrk'"):
        _ = hs.benchmrk


def test_a_room_answers_for_its_function_whichever_is_imported_first(tmp_path):
    script = (
        "import pathlib, histoscribe as hs\n"
        "import histoscribe.simulate.cohort, histoscribe.benchmark.run\n"
        f"print(hs.simulate(pathlib.Path({str(tmp_path)!r}),"
        " n_patients=1, spots_per_section=12, genes_per_family=1).name)\n"
        "print(histoscribe.benchmark.run.benchmark.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["cohort.csv", "benchmark"]

"""Nuclei against the ellipses of a simulated cohort that nothing was tuned on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "nuclei.py"


@pytest.mark.slow
def test_nuclei_are_found_and_have_the_right_area():
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["f1_iou"] >= 0.72
    assert figures["f1_centre"] >= 0.8
    assert figures["area_correlation"] >= 0.85

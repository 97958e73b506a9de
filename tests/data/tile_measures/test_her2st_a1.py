"""Stain measures on a real labelled section."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "her2st_a1.py"


@pytest.mark.data
@pytest.mark.slow
def test_haematoxylin_tells_invasive_tumour_from_connective_tissue_and_fat(real_data, tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--tiles", tmp_path / "discs"],
        capture_output=True,
        text=True,
        check=True,
    )
    figures = json.loads(done.stdout.splitlines()[-1])
    for others, least in (("connective_and_fat", 0.85), ("connective", 0.8)):
        name = f"haematoxylin_density_{others}"
        assert figures[name] >= least
        assert figures[name] > figures[f"{name}_high"]
        # plain darkness does nearly as well
        assert abs(figures[f"{others}_unmixing_ratio"] - 1) < 0.05
    assert {path.name for path in (tmp_path / "discs").iterdir()} == {
        "ERBB2.png",
        "immune-genes.png",
    }

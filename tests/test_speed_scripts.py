"""Scripts under benchmarks/: each runs alone and ends with one line of JSON."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
REAL = {"her2st_a1.py"}  # real sections: a test of its own, marked `data`
SCRIPTS = sorted({path.name for path in FOLDER.glob("[!_]*.py")} - REAL)
QUICK = {  # else minutes
    "bag_maps.py": ("--seeds", "1", "--epochs", "1", "--genes", "rare", "--models", "additive-mil"),
    "bins.py": ("--rows", "60", "--genes", "300", "--per-bin", "20"),
    "chance.py": ("--quick",),
    "egn_planted.py": ("--quick",),
    "egn_simulated.py": ("--quick",),
    "explain_pathways.py": ("--quick",),
    "exemplars.py": ("--spots", "6000", "--repeats", "1"),
    "extraction.py": ("--quick",),
    "extractor.py": ("--quick",),
    "extractor_readings.py": ("--quick",),
    "fine_grid.py": ("--side", "2000", "--rows", "4"),
    "nuclei.py": ("--quick",),
    "pathways.py": ("--quick",),
    "scale.py": ("--quick",),
    "steering.py": ("--quick",),
    "threads.py": ("--quick",),
    "ihc.py": ("--quick",),
    "surrogates.py": ("--quick",),
    "tcgn.py": ("--batch", "1", "--rounds", "1"),
    "stformer.py": ("--spots", "300", "900", "--h2h", "300"),
    "viewer.py": ("--places", "500", "--genes", "30", "--side", "1500"),
    "where.py": ("--quick",),
    "gpu.py": (
        "--device",
        "cpu",
        "--small",
        "--encoders",
        "torchvision:squeezenet1_0",
        "--networks",
        "stnet",
        "stformer",
    ),
}


@pytest.fixture(scope="module")
def shared():
    spec = importlib.util.spec_from_file_location("_machine", FOLDER / "_machine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_time_is_the_median_of_five_rounds_in_which_works_take_turns(shared, monkeypatch):
    clock, calls = [0.0], []
    monkeypatch.setattr(shared, "perf_counter", lambda: clock[0])

    def work(name, times):
        lasts = iter(times)

        def run():
            calls.append(name)
            clock[0] += next(lasts)

        return run

    first, second = shared.seconds(work("a", [9, 1, 2, 3, 1]), work("b", [5, 5, 5, 5, 90]))
    assert (first, second) == (2, 5)
    assert calls == ["a", "b"] * 5


def test_figures_are_one_line_of_json_with_the_machine(shared, capsys):
    shared.report("some", ratio=1 / 3)
    (line,) = capsys.readouterr().out.splitlines()
    figures = json.loads(line)
    assert figures["benchmark"] == "some"
    assert figures["ratio"] == 0.3333
    assert {"platform", "processor", "cores", "python"} <= set(figures["machine"])


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_runs_alone_and_ends_with_its_ratio(script, tmp_path):
    done = subprocess.run(
        [sys.executable, FOLDER / script, *QUICK.get(script, ())],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["benchmark"] == Path(script).stem
    assert figures["machine"]["cores"] >= 1
    assert [name for name in figures if name.endswith("ratio")]

"""`histoscribe demo`: all steps on simulated tissue."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import typer

from histoscribe.cli.console import OutFolder, say

_FILE = "run.toml"
_SETTINGS = """\
# The settings of the demo. To try others, copy this file beside itself, change the copy and run
#   histoscribe benchmark demo/copy.toml --out another-folder
seed = 0
cohort = "cohort.csv"
models = ["mean", "colour", "depth", "knn", "ridge", "mlp"]

[folds]
protocol = "patient"
k = "leave-one-out"

[target]
panel = "highest-mean"
n_genes = 100
transform = "pearson-residuals"

[inputs]
tile_px = 224
mpp = 0.5
encoder = "colour_texture"

[train]
epochs = 20
"""
_N_PATIENTS = 6
_NEW_PATIENT, _SLIDE_SPOTS = "P8", 60
"""The slide is of a patient who is stained like some of the cohort, and small like a biopsy.

P7 is stained unlike all six: nearly all predicted values of its slide would be masked.
"""


def run(out_folder: OutFolder = Path("demo")) -> None:
    """Simulate a cohort, benchmark by patient, train, predict a section and a new slide, report."""
    from histoscribe.io.run_folder import claimed

    # settings changed by the user are never overwritten
    with claimed(out_folder, {_FILE: _SETTINGS}):
        held_out = _simulated(out_folder)
        for words in _steps(out_folder, *held_out):
            say("")
            say(f"$ {_line(words)}")
            _verb(words)
    say("")
    say(f"Open the report: {out_folder / 'runs' / 'first' / 'report.html'}")
    say("")
    say("Try next:")
    for words, why in _next_steps(out_folder, held_out[1]):
        say(f"# {why}")
        say(_line(words))


def _simulated(out: Path) -> tuple[str, str]:
    """Draw the cohort and the slide; returns the last section and its patient."""
    from histoscribe.io.cohorts.cohort import read_cohort
    from histoscribe.simulate import simulate, simulate_slide

    say("Simulated tissue, whose truth is known: not real patients.")
    manifest = simulate(out, n_patients=_N_PATIENTS)
    slide = out / "biopsy.svs"
    if not slide.exists():
        simulate_slide(slide, _NEW_PATIENT, spots_per_section=_SLIDE_SPOTS)
    patients = read_cohort(manifest).patients
    section, patient = max(patients.items())
    say(f"{manifest}: {len(patients)} sections with measured genes")
    say(f"{slide}: a slide of another patient, never sequenced")
    return section, str(patient)


def _steps(out: Path, section: str, patient: str) -> Iterator[list[str]]:
    """Give the commands that the demo runs, one after the other."""
    settings, scores, cohort = (str(out / name) for name in (_FILE, "runs/first", "cohort.csv"))
    yield ["benchmark", settings, "--out", scores]
    # the benchmark has fitted one predictor for each held-out patient
    held_out = f"{scores}/predictors/ridge/{patient}"
    yield ["predict", held_out, cohort, "--section", section, "--out", str(out / "predicted")]
    yield [
        *("train", settings, "--model", "ridge", "--benchmark", scores),
        *("--out", str(out / "ridge")),
    ]
    yield ["predict", str(out / "ridge"), str(out / "biopsy.svs"), "--out", str(out / "maps")]


def _next_steps(out: Path, patient: str) -> Iterator[tuple[list[str], str]]:
    """Give four commands that go on from here, each with its reason."""
    scores, cohort, where = (str(out / name) for name in ("runs/first", "cohort.csv", "where"))
    held_out = f"{scores}/predictors/ridge/{patient}"
    yield (
        ["explain", "where", held_out, cohort, "--no-attribution", "--out", where],
        "where does it look?",
    )
    yield ["report", scores, "--findings", where], "put the answer into the report"
    yield (
        [
            *("predict", str(out / "ridge"), str(out / "biopsy.svs")),
            *("--spacing-um", "50", "--out", str(out / "fine")),
        ],
        "predict the slide on a finer grid",
    )
    yield (
        ["check", cohort, "--out", str(out / "qc")],
        "what is checked of data; for sections of your own, start with `histoscribe init FOLDER`",
    )


def _line(words: list[str]) -> str:
    return shlex.join(["histoscribe", *words])


def _verb(words: list[str]) -> None:
    """Run a command as the command line would."""
    from histoscribe.cli.main import app

    typer.main.get_command(app).main(args=words, standalone_mode=False)

"""Every verb does its work from the command line."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from histoscribe.cli.main import VERBS
from histoscribe.encoders.catalog import list_encoders
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.models.catalog import list_models
from histoscribe.train.run_data import RunData

NAMES = [verb.__name__.rpartition(".")[2] for verb in VERBS]
QUICK = """
import sys
from histoscribe.cli.main import VERBS
heavy = {"torch", "pandas", "anndata", "lightning", "zarr", "sklearn", "scipy", "numpy"}
print(sorted(heavy & set(sys.modules)))
"""


def script() -> Path:
    """The console script as installed beside this Python."""
    return Path(sys.executable).with_name("histoscribe")


def test_the_installed_script_answers():
    done = subprocess.run([script(), "--help"], capture_output=True, text=True, check=True)
    first_words = re.findall(r"^\W*(\w+)", done.stdout, flags=re.MULTILINE)
    assert [word for word in first_words if word in NAMES] == NAMES


def test_help_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("verb", NAMES)
def test_every_verb_explains_itself(histoscribe, verb):
    done = histoscribe(verb, "--help")
    assert done.code == 0
    assert f"histoscribe {verb}" in done.out


def test_a_script_stopped_by_bad_input_ends_with_code_2_and_no_traceback(tmp_path):
    environment = {**os.environ, "HISTOSCRIBE_CACHE": str(tmp_path)}
    done = subprocess.run(
        [script(), "check", tmp_path / "lost.csv"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 2
    assert "lost.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_control_c_says_how_to_go_on(histoscribe, cohort, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("histoscribe.train.settings.read_settings", stop)
    done = histoscribe("embed", cohort.settings)
    assert done.code == 130
    assert "run the same command again" in done.err


def test_check_says_what_is_there(histoscribe, cohort):
    done = histoscribe("check", cohort.manifest)
    assert done.code == 0
    assert "P2S: patient P2, 36 spots, 10 um/px" in done.out
    assert "genes, median total " in done.out
    assert "of the width and" in done.out
    assert "warning: pixels too coarse for nuclei (um/px): P1S 10, P2S 10, P3S 10" in done.out
    assert "no problems" in done.out


def test_models_and_encoders_are_listed_by_names_that_can_be_copied(histoscribe, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert all(f" {name} " in histoscribe("models").out for name in list_models())
    listed = histoscribe("encoders").out
    assert all(f" {record.name} " in listed for record in list_encoders())


def test_the_list_of_encoders_fits_80_columns_and_says_what_is_gated(
    histoscribe, monkeypatch, tmp_path
):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
    put = tmp_path / "weights" / "phikon" / "model.safetensors"
    put.parent.mkdir(parents=True)
    put.touch()
    lines = histoscribe("encoders").out.splitlines()
    assert max(map(len, lines)) <= 80
    said = {line.split()[0]: line.split()[4] for line in lines if len(line.split()) > 5}
    assert (said["colour_texture"], said["uni"], said["ctranspath"], said["phikon"]) == (
        "none",
        "gated",
        "missing",
        "here",
    )


def test_an_encoder_asked_for_by_name_says_how_to_get_its_weights(histoscribe):
    told = histoscribe("encoders", "virchow2").out
    for part in (
        "2560, the class token, then the mean patch token",
        "CC-BY-NC-ND-4.0",
        "arXiv:2408.00738",
        "https://huggingface.co/paige-ai/Virchow2",
        "`hf download paige-ai/Virchow2 pytorch_model.bin`",
        "--weights virchow2=FILE",
    ):
        assert part in told
    unknown = histoscribe("encoders", "virchow3")
    assert unknown.code == 2
    assert "did you mean virchow" in unknown.err


def test_embed_fills_the_cache(histoscribe, cohort, tmp_path):
    done = histoscribe("embed", cohort.settings)
    assert done.code == 0
    assert "P1S: 36 spots x " in done.out
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 3
    (folder,) = (tmp_path / "cache" / "embedded").iterdir()
    assert "3 in all: 3 done, 0 failed, 0 left" in (folder / "summary.md").read_text()
    assert (folder / "state.csv").read_text().count(",done,") == 3
    assert done.out.splitlines()[-1] == str(folder / "summary.md")


def test_embed_names_the_section_that_failed_and_goes_on(
    histoscribe, cohort, tmp_path, monkeypatch
):
    real = RunData.extract

    def extract(self, encoder, section, fold=None):
        if section == "P2S":
            raise OSError(5, "Input/output error", "P2.png")
        return real(self, encoder, section, fold)

    with monkeypatch.context() as patch:
        patch.setattr(RunData, "extract", extract)
        done = histoscribe("embed", cohort.settings)
    assert done.code == 2
    assert "P3S: 36 spots" in done.out
    (folder,) = (tmp_path / "cache" / "embedded").iterdir()
    page = (folder / "summary.md").read_text()
    assert "3 in all: 2 done, 1 failed, 0 left" in page
    assert "Input/output error" in page.split("## Failed")[1]
    assert histoscribe("embed", cohort.settings).code == 0
    assert "3 in all: 3 done, 0 failed, 0 left" in (folder / "summary.md").read_text()


def test_benchmark_then_report(histoscribe, cohort, tmp_path):
    out = tmp_path / "run"
    done = histoscribe("benchmark", cohort.settings, "--out", out, "--set", 'models=["mean"]')
    assert done.code == 0
    first = "1 model on 3 folds: 3 fits; 3 sections of 3 patients; features of 0 of 3 in the cache"
    assert done.out.splitlines()[0] == f"{first}; not timed before"
    assert "pcc_given_depth" in done.out
    again = histoscribe("benchmark", cohort.settings, "--out", out, "--model", "mean").out
    assert again.startswith("1 model on 3 folds: 3 fits (3 finished before); 3 sections of 3")
    assert "features of 3 of 3 in the cache; took " in again
    assert tomllib.loads((out / "settings.toml").read_text())["models"] == ["mean"]
    for name in ("scores.csv", "genes.csv", "summary.csv", "card.json", "card.md", "run.json"):
        assert (out / name).stat().st_size > 0, name
    page = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert histoscribe("report", out).code == 0
    assert (out / "report.html").read_bytes() == page


def test_the_table_of_a_leaky_run_says_so_and_names_are_no_markup(histoscribe, cohort, tmp_path):
    cohort.edit_manifest(",P1,", ",[bold],")
    arguments = ("--set", 'models=["mean"]', "--set", "folds.protocol=section")
    done = histoscribe("benchmark", cohort.settings, "--out", tmp_path / "leaky", *arguments)
    assert done.code == 0
    assert "LEAKY PROTOCOL" in done.out
    assert done.out.count("[bold]") >= 2, "a column for each metric"
    done = histoscribe("benchmark", cohort.settings, "--out", tmp_path / "honest", *arguments[:2])
    assert "LEAKY" not in done.out


def test_a_gene_that_its_test_section_lacks_is_undefined_and_stops_nobody(
    histoscribe, cohort, tmp_path
):
    cohort.edit_counts("GENE1", "OTHER", patient="P2")
    out = tmp_path / "run"
    assert (
        histoscribe("benchmark", cohort.settings, "--out", out, "--set", "target.n_genes=7").code
        == 0
    )
    genes = pd.read_csv(out / "genes.csv").set_index(["model", "gene"])
    assert genes.loc[("ridge", "GENE1"), ["pcc", "null_low", "q"]].isna().all()
    assert genes.loc[("ridge", "GENE0"), ["pcc", "null_low", "q"]].notna().all()


def test_train_then_predict(histoscribe, cohort, tmp_path):
    predictor, out = tmp_path / "predictor", tmp_path / ("predicted[1]" + "-long" * 20)
    done = histoscribe("train", cohort.settings, "--out", predictor, "--set", 'models=["ridge"]')
    assert done.code == 0
    assert json.loads((predictor / "predictor.json").read_text())["model"] == "ridge"
    done = histoscribe("predict", predictor, cohort.manifest, "--out", out, "--section", "P1S")
    assert done.code == 0
    first, path, masked, warning = done.out.splitlines()
    assert first == f"1 cohort with the predictor {predictor}"
    assert path == str(out / "P1S.h5ad"), "a path is printed as it is, on one line"
    assert "of 36 positions are beyond the training and masked" in masked
    assert warning.startswith("P1S: warning: The predictor was trained on this picture, as P1S:")
    files = ["P1S.h5ad", "data", "predictor.txt", "state.csv", "summary.md"]
    assert sorted(path.name for path in out.iterdir()) == files
    prediction = read_prediction(out / "P1S.h5ad")
    assert prediction.values.shape == (36, 4)
    assert prediction.head.predictor.startswith("ridge@")
    cohort.edit_counts("GENE1", "OTHER", patient="P1")
    done = histoscribe("predict", predictor, cohort.manifest, "--out", out, "--section", "P1S")
    assert done.code == 2
    assert "other settings or data" in done.err


def test_settings_of_a_run_make_the_same_run_again(histoscribe, cohort, tmp_path, monkeypatch):
    monkeypatch.chdir(cohort.folder)
    assert histoscribe("benchmark", "run.toml", "--out", tmp_path / "one").code == 0
    monkeypatch.chdir(tmp_path)
    assert histoscribe("benchmark", "one/settings.toml", "--out", "two").code == 0
    one, two = (pd.read_csv(tmp_path / name / "scores.csv") for name in ("one", "two"))
    pd.testing.assert_frame_equal(one, two)
    again = histoscribe("benchmark", cohort.settings, "--out", "one")
    assert again.code == 0, "another working folder is no other run"


def test_help_and_version_have_their_usual_options(histoscribe):
    for arguments in (("-h",), ("train", "-h"), ("explain", "latent", "-h")):
        done = histoscribe(*arguments)
        assert (done.code, "Usage:" in done.out) == (0, True)
    assert histoscribe("--version").out.split() == [version("histoscribe")]


def test_the_help_of_a_question_has_its_own_options_only(histoscribe):
    assert "--bulk" not in histoscribe("explain", "exemplars", "--help").out
    assert "--bulk" in histoscribe("explain", "levels", "--help").out


def test_the_shell_completes_verbs_options_and_models(histoscribe, monkeypatch):
    monkeypatch.setenv("_HISTOSCRIBE_COMPLETE", "complete_bash")
    for words, found in (
        ("histoscribe ben", "benchmark"),
        ("histoscribe train run.toml --mod", "--model"),
        ("histoscribe train run.toml --model rid", "ridge\nridge-hest"),
    ):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        assert histoscribe().out.strip() == found

"""Bad input ends in one message, exit code 2 and nothing half-written."""

import errno
import shutil
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch

import histoscribe.torchvision_guard  # noqa: F401

# isort: split
import torchvision

from histoscribe.io import durable_zarr
from tests.cli.small import GENES, SETTINGS, SmallCohort
from tests.io.conftest import Writer

NET = "torchvision:squeezenet1_0"


def half_written(folder):
    """Temporary files below a folder."""
    return [str(path) for path in folder.rglob(".*")]


def refused(done, *words):
    """The command ended as a user's mistake should, naming all of these."""
    assert done.code == 2, done
    assert "Traceback" not in done.err
    assert "expected: " in done.err
    assert "what to do: " in done.err
    missing = [word for word in words if str(word) not in done.err]
    assert missing == [], done.err


def keep_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_header(cohort):
    cohort.edit_counts("\t".join(["", *GENES]) + "\n", "")


def shift_spots(cohort):
    path = cohort.files().spots
    path.write_text(path.read_text().replace("\t120\t", "\t1200\t"))


def rename_genes(cohort):
    cohort.edit_counts("\t".join(GENES), "\t".join(f"OTHER{number}" for number in range(8)))


def rename_spots(cohort):
    path = cohort.files().spots
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *("9" + line.replace("\t", "\t9", 1) for line in lines)]))


DAMAGE = {
    "missing image": (lambda c: c.files().image.unlink(), "P2.png"),
    "truncated image": (lambda c: keep_half(c.files().image), "P2.png", "truncated"),
    "truncated gzip": (lambda c: keep_half(c.files().counts), "P2.tsv.gz", "gzip", "truncated"),
    "fractions": (lambda c: c.edit_counts("\t9", "\t9.5"), "P2.tsv.gz", "whole numbers"),
    "negatives": (lambda c: c.edit_counts("\t9", "\t-9"), "P2.tsv.gz", "whole numbers"),
    "gene twice": (lambda c: c.edit_counts("GENE1", "GENE0"), "P2.tsv.gz", "GENE0"),
    "spot twice": (lambda c: c.edit_counts("\n2x1\t", "\n1x1\t"), "P2.tsv.gz", "1x1"),
    "no header": (no_header, "P2.tsv.gz", "header"),
    "spots outside": (shift_spots, "P2S", "outside the image"),
    "genes of another kind": (rename_genes, "P2S", "0 genes of 8 are shared"),
    "no spot matches": (rename_spots, "P2.tsv.gz", "neither names spots of this section"),
    "empty patient": (lambda c: c.edit_manifest("P2S,P2,", "P2S,,"), "line 3", "patient is empty"),
    "a patient that leaves": (lambda c: c.edit_manifest("S,P2,", "S,../P2,"), "'../P2'", "slash"),
    "unknown kind": (lambda c: c.edit_manifest("P2,st,", "P2,sst,"), "did you mean st"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("verb", ["check", "benchmark"])
def test_a_damaged_cohort_is_refused(histoscribe, cohort, tmp_path, damage, verb):
    break_it, *words = DAMAGE[damage]
    break_it(cohort)
    out = tmp_path / "out"
    command = {"check": [cohort.manifest], "benchmark": [cohort.settings, "--out", out]}
    refused(histoscribe(verb, *command[verb]), *words)
    assert not out.exists()
    assert half_written(tmp_path) == []


def test_a_check_lists_the_problems_of_all_sections_at_once(histoscribe, cohort):
    keep_half(cohort.files("P1").image)
    keep_half(cohort.files("P2").counts)
    cohort.edit_counts("\t9", "\t-9", patient="P3")
    done = histoscribe("check", cohort.manifest)
    refused(done, "3 problems", "P1.png", "P2.tsv.gz", "P3.tsv.gz")
    out = cohort.folder / "out"
    refused(histoscribe("benchmark", cohort.settings, "--out", out), "P2.tsv.gz", "P3.tsv.gz")


def space_ranger(tmp_path, line):
    """A cohort of one Space Ranger folder, and its manifest."""
    folder = tmp_path / "ranger"
    folder.mkdir()
    Writer(folder).spaceranger()
    manifest = folder / "cohort.csv"
    manifest.write_text(f"section,patient,kind,path,image\n{line}\n")
    return folder, manifest


def test_missing_scale_factors_and_a_visium_hd_folder_are_refused(histoscribe, tmp_path):
    folder, manifest = space_ranger(tmp_path, "S,P,spaceranger,.,")
    assert histoscribe("check", manifest).code == 0
    (folder / "outs" / "spatial" / "scalefactors_json.json").unlink()
    refused(histoscribe("check", manifest), "scalefactors_json.json")
    (folder / "binned_outputs").mkdir()
    refused(histoscribe("check", manifest), "Visium HD", "visium_hd")


def test_an_unknown_um_per_px_is_refused(histoscribe, tmp_path):
    Writer(tmp_path).h5ad()
    manifest = tmp_path / "cohort.csv"
    manifest.write_text("section,patient,kind,path,image\nS,P,h5ad,section.h5ad,he.png\n")
    refused(histoscribe("check", manifest), "um", "mpp")


SETTING = {
    "one patient": (['sections=["P1S"]'], "1 patient", "at least 2"),
    "too many genes": (["target.n_genes=9"], "8 genes to choose 9", "at most 8"),
    "unknown model": (['models=["rigde"]'], "rigde", "did you mean ridge"),
    "unknown key": (["target.n_gene=9"], "target.n_gene", "did you mean n_genes"),
    "unknown section": (['sections=["P1S","P2S","P9S"]'], "P9S", "P3S"),
    "unknown encoder": (["inputs.encoder=mean_color"], "did you mean mean_colour"),
    "wrong value": (["inputs.mpp=-1"], "inputs.mpp", "-1"),
    "no um/px": (["inputs.mpp=inf"], "inputs.mpp", "finite"),
    "a tile without end": (["inputs.tile_px=1000000"], "inputs.tile_px", "10000"),
    "tiles that the encoder cannot read": (
        [f"inputs.encoder={NET}", 'inputs.weights="random"'],
        *("inputs.tile_px", f"{NET} cannot read tiles of 8 px"),
    ),
    "a seed below 0": (["seed=-1"], "seed", "-1"),
    "a rate that is no number": (["train.learning_rate=nan"], "train.learning_rate"),
    "tiles too fine": (["inputs.mpp=0.5"], "P1S", "P2S", "P3S", "10"),
    "no weights": ([f"inputs.encoder={NET}"], "squeezenet1_0/model.safetensors", "--weights"),
    "no value": (["target.n_genes"], "target.n_genes", "="),
    "into a value": (["models.of=1"], "--set models.of=1", "no table"),
}


def sets(*overrides):
    return [part for override in overrides for part in ("--set", override)]


@pytest.mark.parametrize("mistake", SETTING)
def test_a_mistake_in_the_settings_is_refused(histoscribe, cohort, tmp_path, monkeypatch, mistake):
    monkeypatch.delenv("HISTOSCRIBE_DATA", raising=False)
    overrides, *words = SETTING[mistake]
    out = tmp_path / "out"
    done = histoscribe("benchmark", cohort.settings, "--out", out, *sets(*overrides))
    refused(done, *words)
    assert not out.exists()


@pytest.mark.parametrize("verb", ["benchmark", "train"])
def test_after_a_mistake_the_same_folder_may_be_used(histoscribe, cohort, tmp_path, verb):
    command = [verb, cohort.settings, "--out", tmp_path / "out", *sets('models=["mean"]')]
    refused(histoscribe(*command, *sets("target.n_genes=9")), "at most 8")
    assert histoscribe(*command).code == 0


def test_training_takes_one_model(histoscribe, cohort, tmp_path):
    refused(
        histoscribe("train", cohort.settings, "--out", tmp_path / "out"),
        "2 models",
        "--model ridge",
    )
    assert not (tmp_path / "out").exists()


def test_a_listed_gene_constant_in_training_is_refused(histoscribe, cohort, tmp_path):
    for patient in cohort.patients:
        cohort.set_gene("GENE2", "5", patient)
    cohort.settings.write_text(
        SETTINGS.replace("n_genes = 4", 'panel = "list"\ngenes = ["GENE1", "GENE2"]')
    )
    done = histoscribe("benchmark", cohort.settings, "--out", tmp_path / "out")
    refused(done, "constant over all training spots: GENE2")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return torchvision.models.squeezenet1_0(weights=None).state_dict()


def weighted(cohort, tmp_path, state):
    """The command line of a run with these weights."""
    file = tmp_path / "model.safetensors"
    safetensors.torch.save_file(state, file)
    cohort.settings.write_text(
        SETTINGS.replace("mean_colour", NET).replace("tile_px = 8", "tile_px = 64")
    )
    return ["benchmark", cohort.settings, "--weights", f"{NET}={file}"]


def test_weights_that_do_not_fit_are_refused(histoscribe, cohort, tmp_path, net):
    state = dict(net)
    state["other.weight"] = state.pop("features.0.weight")
    arguments = weighted(cohort, tmp_path, state)
    done = histoscribe(*arguments, "--out", tmp_path / "out")
    refused(done, "model.safetensors", "features.0.weight", "other.weight")
    assert not (tmp_path / "out").exists()


def test_features_that_are_not_finite_are_refused(histoscribe, cohort, tmp_path, net):
    state = dict(net)
    state["features.0.bias"] = torch.full_like(state["features.0.bias"], np.nan)
    out = tmp_path / "out"
    done = histoscribe(*weighted(cohort, tmp_path, state), "--out", out)
    refused(done, "P1S", "not finite", "weights")
    assert half_written(tmp_path) == []
    assert not (out / "predictors").exists()


def test_weights_of_a_name_without_a_file_are_refused(histoscribe, cohort, tmp_path):
    done = histoscribe(
        "embed", cohort.settings, "--weights", "a=lost.safetensors", "--weights", "b"
    )
    refused(done, "2 problems", "lost.safetensors", "NAME=FILE")


def test_a_folder_of_another_run_is_refused_and_stays(histoscribe, cohort, tmp_path):
    out = tmp_path / "out"
    quick = ["--set", 'models=["mean"]', "--out", out]
    assert histoscribe("benchmark", cohort.settings, *quick).code == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    done = histoscribe("benchmark", cohort.settings, *quick, "--set", "seed=1")
    refused(done, out / "settings.toml", "another --out")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_changed_predictor_is_refused(histoscribe, cohort, tmp_path):
    predictor, out = tmp_path / "predictor", tmp_path / "out"
    histoscribe("train", cohort.settings, "--out", predictor, "--set", 'models=["ridge"]')
    changed = shutil.copytree(predictor, tmp_path / "changed") / "estimator.safetensors"
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    done = histoscribe("predict", changed.parent, cohort.manifest, "--out", out)
    refused(done, changed, "sha256", "train it again")
    refused(histoscribe("predict", tmp_path, cohort.manifest, "--out", out), "predictor.json")
    refused(histoscribe("predict", predictor, cohort.manifest, "--out", out, "--section", "Q"), "Q")
    assert not out.exists()


def test_a_full_disk_keeps_what_is_finished(histoscribe, cohort, tmp_path, monkeypatch):
    real, written = durable_zarr.replacing, []

    def full_after_four(path):
        written.append(path)
        if len(written) > 4:  # two files a section: its header and its only chunk
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path)

    monkeypatch.setattr(durable_zarr, "replacing", full_after_four)
    refused(histoscribe("embed", cohort.settings), "disk is full", "MB more", "work is kept")
    assert half_written(tmp_path) == []
    monkeypatch.setattr(durable_zarr, "replacing", lambda path: written.append(path) or real(path))
    written.clear()
    assert histoscribe("embed", cohort.settings).code == 0
    assert len(written) == 2, "only the third section was left to do"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB, where this machine lets us make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", folder]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_really_full_keeps_what_is_finished(
    histoscribe, cohort, small_disk, tmp_path, monkeypatch
):
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(small_disk / "cache"))
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(276 * 1024))  # room for the table of jobs and one section of three
    refused(histoscribe("embed", cohort.settings), "disk is full", "MB more", "work is kept")
    kept = {path: path.stat().st_mtime_ns for path in small_disk.rglob("*.zip")}
    assert len(kept) == 1
    ballast.unlink()
    assert histoscribe("embed", cohort.settings).code == 0
    assert half_written(small_disk) == []
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(small_disk.rglob("*.zip"))) == 3


def test_a_full_disk_anywhere_else_is_told(histoscribe, cohort, tmp_path, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("histoscribe.predictor.saving.replacing", full)
    done = histoscribe("benchmark", cohort.settings, "--out", tmp_path / "out")
    refused(done, "estimator.safetensors", "no space left", "finished work is kept")


@pytest.mark.parametrize(
    ("content", "found"),
    [("models = [", "not TOML"), ("\xff", "no text in UTF-8"), ("a = " + "[" * 10_000, "not TOML")],
)
def test_settings_that_are_no_toml_are_refused(histoscribe, cohort, content, found):
    cohort.settings.write_bytes(content.encode("latin-1"))
    refused(histoscribe("embed", cohort.settings), "run.toml", found)


def test_settings_that_are_not_there_are_refused(histoscribe, tmp_path):
    refused(histoscribe("embed", tmp_path / "lost.toml"), "lost.toml", "no such file")
    refused(histoscribe("embed", tmp_path), "a folder")


def test_a_cohort_without_a_manifest_is_refused(histoscribe, cohort):
    cohort.manifest.unlink()
    refused(histoscribe("embed", cohort.settings), "cohort.csv")


def test_a_report_of_no_run_is_refused(histoscribe, tmp_path):
    refused(histoscribe("report", tmp_path), str(tmp_path))


def test_twins_of_two_patients_are_refused(histoscribe, tmp_path):
    (tmp_path / "data").mkdir()
    cohort = SmallCohort(tmp_path / "data")
    shutil.copy(cohort.files("P1").image, cohort.files("P2").image)
    done = histoscribe("benchmark", cohort.settings, "--out", tmp_path / "out")
    refused(done, "equal pixels", "P1", "P2")


@pytest.mark.parametrize("verb", ["benchmark", "train", "check"])
def test_a_folder_with_other_files_is_refused(histoscribe, cohort, tmp_path, verb):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("mine")
    model = ["--model", "mean"] if verb != "check" else []
    done = histoscribe(verb, cohort.settings, "--out", tmp_path / "out", *model)
    refused(done, "a folder with other files: letter.txt", "choose another --out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["letter.txt"]

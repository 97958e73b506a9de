"""Doctor finds what is broken, says what to run, and tells it from what is merely not here."""

from importlib import metadata
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from histoscribe.cli import doctor, doctor_install, doctor_machine, doctor_work
from histoscribe.cli.doctor_probe import Diagnosis
from histoscribe.io.slides import vendor

REQUIRES = (
    "numpy>=2.0",
    "tinylib>=3; extra == 'spatialdata'",
    "histoscribe[spatialdata]; extra == 'test'",
    "pytest>=8; extra == 'test'",
)


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """A cache and a data folder that are in order."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path / "data"))


@pytest.fixture
def install(monkeypatch):
    """Plant requirements and the versions installed."""

    def plant(requires=REQUIRES, **versions):
        def version(name):
            if name not in versions:
                raise metadata.PackageNotFoundError(name)
            return versions[name]

        about = metadata.metadata("histoscribe")
        del about["Provides-Extra"]
        for extra in ("spatialdata", "test"):
            about["Provides-Extra"] = extra
        monkeypatch.setattr(metadata, "requires", lambda _: list(requires))
        monkeypatch.setattr(metadata, "metadata", lambda _: about)
        monkeypatch.setattr(metadata, "version", version)

    return plant


def only(monkeypatch, *functions):
    """Let the verb examine these functions only."""
    parts = tuple(part for part in doctor.PARTS if part[2] in functions)
    monkeypatch.setattr(doctor, "PARTS", parts)


def by_name(found):
    return {one.what: one for one in found}


@pytest.mark.slow
def test_a_sound_install_passes_every_part_with_commands_to_be_copied(histoscribe, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    done = histoscribe("doctor")
    assert done.code == 0, done.out
    for title, _, _ in doctor.PARTS:
        assert f"\n{title}\n" in f"\n{done.out}"
    assert "BROKEN" not in done.out
    assert "\x1b" not in done.out
    assert "hf download 1aurent/swin_tiny_patch4_window7_224.CTransPath\n" in done.out


def test_a_broken_part_ends_in_code_2_and_is_named_last(histoscribe, monkeypatch):
    only(monkeypatch, "examine_data")
    monkeypatch.setenv("HISTOSCRIBE_DATA", "/no/such/folder")
    done = histoscribe("doctor")
    assert done.code == 2
    assert "1 broken" in done.out.splitlines()[-1]
    assert "HISTOSCRIBE_DATA" in done.out.splitlines()[-1]


def test_what_is_not_here_is_no_failure(histoscribe, monkeypatch):
    only(monkeypatch, "examine_data")
    monkeypatch.delenv("HISTOSCRIBE_DATA")
    done = histoscribe("doctor")
    assert done.code == 0
    assert "not here" in done.out
    assert "histoscribe data her2st --fetch" in done.out


def test_a_cache_that_cannot_be_written_is_broken(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "file" / "cache"))
    found = by_name(doctor_machine.examine_data())["cache"]
    assert found.state == "BROKEN"
    assert "HISTOSCRIBE_CACHE" in found.remedy


def test_looking_at_a_cache_that_is_not_there_makes_none(tmp_path):
    assert by_name(doctor_machine.examine_data())["cache"].state == "ok"
    assert not (tmp_path / "cache").exists()


def test_a_data_set_is_here_only_when_all_its_files_are(tmp_path):
    from histoscribe.io.cohorts.catalog import CATALOG

    chosen = CATALOG["mob-st2k"]
    files = [file for section in chosen.sections for file in section.files]
    paths = [tmp_path / "data" / chosen.folder / file.place for file in files]
    for path in paths[1:]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    partly = by_name(doctor_machine.examine_data())[chosen.name]
    assert (partly.state, partly.finding) == ("not here", f"{len(paths) - 1} of {len(paths)} files")
    paths[0].touch()
    assert by_name(doctor_machine.examine_data())[chosen.name].state == "ok"


def test_a_missing_extra_is_not_here_with_its_command(install):
    install(numpy="2.4.6", pytest="9.0")
    found = by_name(doctor_install.examine_extras())
    assert found["spatialdata"].state == "not here"
    assert found["spatialdata"].remedy == "pip install 'histoscribe[spatialdata]'"
    assert found["test"].state == "ok"  # what it takes from other extras is told there


def test_a_missing_or_old_package_is_broken_with_its_command(install):
    install()
    found = by_name(doctor_install.examine_packages())["numpy"]
    assert (found.state, found.remedy) == ("BROKEN", "pip install 'numpy>=2.0'")
    install(numpy="1.26.4")
    found = by_name(doctor_install.examine_packages())["numpy"]
    assert found.state == "BROKEN"
    assert "1.26.4" in found.finding


def test_extras_are_not_needed_by_base_use(install):
    install(numpy="2.4.6")
    found = doctor_install.examine_packages()
    assert [one for one in found if one.state == "BROKEN"] == []


def test_other_versions_than_the_tested_ones_are_told(install):
    install(numpy="2.9.9", torch="2.13.0+cpu")
    found = by_name(doctor_install.examine_packages())["tested with"]
    assert found.state == "note"
    assert "numpy 2.9.9 (tested" in found.finding
    assert "torch" not in found.finding  # a build of the tested release


def test_a_library_that_does_not_import_is_a_finding(histoscribe, monkeypatch):
    parts = (("torch", "histoscribe.no_such_module", "examine"),)
    monkeypatch.setattr(doctor, "PARTS", parts)
    done = histoscribe("doctor")
    assert done.code == 2
    assert "ModuleNotFoundError" in done.out


def test_every_format_works_here():
    assert [one for one in doctor_work.examine_formats() if one.state != "ok"] == []


def test_a_decoder_that_changes_pixels_is_broken(monkeypatch):
    monkeypatch.setattr(imagecodecs, "jpeg2k_decode", lambda _: np.zeros((64, 64, 3), np.uint8))
    found = by_name(doctor_work.examine_formats())
    assert found["JPEG 2000"].state == "BROKEN"
    assert "imagecodecs" in found["JPEG 2000"].remedy
    assert found["zarr"].state == "ok"


def test_backends_that_disagree_are_broken(monkeypatch):
    def black(*box):
        return np.zeros((256, 256, 3), dtype=np.uint8)

    monkeypatch.setattr(vendor, "read_region", black)
    found = by_name(doctor_work.examine_formats())["TIFF"]
    assert found.state == "BROKEN"
    assert "differently" in found.finding


def test_weights_are_found_missed_and_seen_damaged(tmp_path):
    name = "torchvision:squeezenet1_0"
    found = by_name(doctor_work.examine_weights())
    assert found[name].state == "not here"
    assert "(gated)" in found["uni2-h"].finding
    assert "hf download" in found["uni2-h"].finding
    path = tmp_path / "data" / "weights" / "squeezenet1_0" / "model.safetensors"
    path.parent.mkdir(parents=True)
    save_file({"a": np.zeros(3, dtype=np.float32)}, path)
    good = by_name(doctor_work.examine_weights())[name]
    assert good.state == "ok"
    assert "1 tensors" in good.finding
    path.write_bytes(path.read_bytes()[:20])
    damaged = by_name(doctor_work.examine_weights())[name]
    assert damaged.state == "note"
    assert "damaged" in damaged.finding


def test_more_threads_than_cores_are_told(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 10_000)
    found = by_name(doctor_machine.examine_machine())["cores"]
    assert found.state == "note"
    assert "OMP_NUM_THREADS" in found.remedy


def test_a_full_disk_is_told(monkeypatch):
    usage = type("usage", (), {"free": 10**9})
    monkeypatch.setattr(doctor_machine.shutil, "disk_usage", lambda _: usage)
    found = by_name(doctor_machine.examine_machine())["disk (here)"]
    assert (found.state, str(Path.cwd()) in found.finding) == ("note", True)


def test_a_self_test_stops_where_the_next_step_needs_the_broken_one(monkeypatch):
    def broken(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(doctor_work, "simulate", broken)
    found = doctor_work.examine_work()
    assert [(one.what, one.state) for one in found] == [("simulate", "BROKEN")]
    assert "no space left" in found[0].finding


def test_an_extra_that_is_broken_is_no_failure_of_base_use():
    found = doctor_work._optional(Diagnosis("SpatialData", "BROKEN", "ImportError: dask"))
    assert found.state == "note"
    assert "histoscribe[spatialdata]" in found.remedy


def test_nothing_is_left_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    doctor_work.examine_formats()
    assert list((tmp_path / "here").iterdir()) == []

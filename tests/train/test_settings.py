"""Settings: strict at every level, written down as resolved, read back the same."""

import tomllib

import pytest

from histoscribe.errors import DataContractError
from histoscribe.train.settings import dump_settings, parse_settings, read_settings

WHOLE = """\
seed = 3
cohort = "data/cohort.csv"
sections = ["A", "B"]
models = ["mean", "mlp"]
[filters]
min_umi = 5
[folds]
protocol = "section"
test = [["A"], ["B"]]
max_train_spots = 9
[target]
panel = "list"
genes = ["G1", "G2"]
transform = "cp10k-log1p"
[inputs]
tile_px = 112
mpp = 0.69
encoder = "torchvision:squeezenet1_0"
layer = "features.10"
weights = "random"
white_off_tissue = false
[settings.mlp]
hidden = 8
[train]
epochs = 5
[run]
device = "cpu"
precision = "bfloat16"
"""
LEAST = 'cohort = "c.csv"\nmodels = ["mean"]\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(WHOLE)
    return path


def problems(path, *overrides):
    with pytest.raises(DataContractError) as caught:
        read_settings(path, overrides)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("text", [WHOLE, LEAST])
def test_what_is_written_down_reads_back_the_same(file, text):
    file.write_text(text)
    settings = read_settings(file)
    assert parse_settings(tomllib.loads(dump_settings(settings)), "again") == settings
    file.write_text(dump_settings(settings))
    assert read_settings(file) == settings


def test_a_manifest_is_found_from_the_file_and_from_any_working_folder(file, monkeypatch):
    expected = str(file.parent / "data" / "cohort.csv")
    assert read_settings(file).cohort == expected
    monkeypatch.chdir(file.parent)
    assert read_settings(file.relative_to(file.parent)).cohort == expected


def test_a_catalog_name_is_no_path(file):
    assert read_settings(file, ("cohort=catalog:her2st",)).cohort == "catalog:her2st"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("sead", "seed"),
        ("folds.protocl", "protocol"),
        ("target.transfrom", "transform"),
        ("filters.min_umis", "min_umi"),
        ("inputs.encodr", "encoder"),
        ("train.epoch", "epochs"),
        ("run.device_name", "device"),
        ("settings.mlp.hiden", "hidden"),
        ("settings.mlpp.hidden", "mlp"),
    ],
)
def test_an_unknown_key_names_the_near_one_at_every_level(file, wrong, right):
    (problem,) = problems(file, f"{wrong}=1")
    assert wrong.split(".")[-1] in problem or wrong.split(".")[-2] in problem
    assert right in problem
    assert str(file) in problem


def test_all_mistakes_are_told_at_once(file):
    found = problems(file, "sead=1", "train.epochs=0", "inputs.mpp=wide", "folds.k=one")
    assert len(found) >= 4


def test_an_override_is_toml_and_a_bare_word_is_a_string(file):
    settings = read_settings(
        file,
        ("train.epochs=9", "inputs.encoder=mean_colour", 'models=["ridge"]', "train.patience = 4"),
    )
    assert settings.train.epochs == 9
    assert settings.train.patience == 4
    assert settings.inputs.encoder == "mean_colour"
    assert settings.models == ("ridge",)


def test_an_override_of_a_table_that_is_not_there_makes_it(file):
    file.write_text(LEAST)
    assert read_settings(file, ("settings.knn.preset=tiny",)).settings["knn"]["preset"] == "tiny"


def test_a_model_named_twice_is_refused(file):
    assert "twice" in problems(file, 'models=["mean", "mean"]')[0]


@pytest.mark.parametrize("missing", ["cohort", "models"])
def test_a_missing_key_is_named(file, missing):
    file.write_text("\n".join(line for line in LEAST.splitlines() if not line.startswith(missing)))
    assert missing in problems(file)[0]


@pytest.mark.parametrize("loss", ["nb", "zinb"])
def test_a_loss_of_counts_names_the_linear_target_that_it_needs(file, loss):
    (problem,) = problems(file, f"train.loss={loss}")
    assert 'target.transform = "cp10k"' in problem
    assert "cp10k-log1p" in problem
    read_settings(file, [f"train.loss={loss}", "target.transform=cp10k"])

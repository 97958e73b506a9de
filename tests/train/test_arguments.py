"""What a call from Python says of a run: one cohort, models once, tables as strict as a file."""

import pytest

from histoscribe.errors import DataContractError
from histoscribe.train.arguments import run_settings
from histoscribe.train.settings import read_settings


def problems_of(*arguments, **options):
    with pytest.raises(DataContractError) as caught:
        run_settings(*arguments, options)
    return "\n".join(map(str, caught.value.problems))


def test_keywords_and_a_file_give_the_same_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "run.toml"
    file.write_text(
        'seed = 3\ncohort = "cohort.csv"\nmodels = ["mean", "ridge"]\n[target]\nn_genes = 7\n'
    )
    by_keyword = run_settings(
        "cohort.csv", ["mean", "ridge"], None, {"seed": 3, "target": {"n_genes": 7}}
    )
    assert by_keyword == read_settings(file) == run_settings(None, None, str(file), {})


def test_a_file_without_a_cohort_takes_that_of_the_call(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('models = ["mean"]\n')
    cohort = tmp_path / "cohort.csv"
    assert run_settings(cohort, None, file, {}).cohort == str(cohort)


def test_the_settings_of_a_model_stand_beside_its_name():
    settings = run_settings("c.csv", {"mean": {}, "mlp": {"hidden": 5}}, None, {})
    assert settings.models == ("mean", "mlp")
    assert settings.settings == {"mlp": {"hidden": 5}}


def test_one_model_needs_no_list():
    assert run_settings("c.csv", "ridge", None, {}).models == ("ridge",)


def test_an_unknown_key_names_the_known_ones():
    said = problems_of("c.csv", "mean", None, target={"n_gene": 7}, sed=1)
    assert "did you mean n_genes" in said
    assert "arguments, sed" in said


def test_what_is_missing_is_told_at_once():
    said = problems_of(None, None, None)
    assert "argument `cohort`" in said
    assert "argument `models`" in said


def test_settings_and_single_tables_exclude_each_other(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('cohort = "cohort.csv"\nmodels = ["mean"]\n')
    said = problems_of(None, ["ridge"], file, seed=1)
    assert "argument `models`" in said
    assert "argument `seed`" in said


def test_two_cohorts_are_an_error(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('cohort = "cohort.csv"\nmodels = ["mean"]\n')
    assert "two cohorts" in problems_of(tmp_path / "other.csv", None, file)

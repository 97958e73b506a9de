"""The files of docs/howto/add-a-model.md work when they are put where the page says."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histoscribe.data.target import Target
from histoscribe.data.transform import Log1p
from histoscribe.models.plugins import load_plugin
from histoscribe.predictor.encoding import Encoding
from histoscribe.predictor.limits import ValueRange
from histoscribe.predictor.predictor import Predictor
from histoscribe.predictor.saving import load_predictor, save_predictor
from tests.cards import training_card
from tests.cli.small import SmallCohort, histoscribe
from tests.contracts import test_spots as contracts
from tests.contracts.fitting import fitted, predicted_by
from tests.contracts.tables import planted_table
from tests.plugin_files import no_plugins
from tests.predictor.references import reference_of

__all__ = ["histoscribe", "no_plugins"]

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "add-a-model.md"
FILES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)


@pytest.fixture(params=["median", "linear-head"])
def name(request, no_plugins, tmp_path):
    """A model of the page, registered for this test only."""
    for file, text in zip(("median.py", "linear_head.py"), FILES, strict=True):
        (tmp_path / file).write_text(text, "utf-8")
        load_plugin(tmp_path / file)
    return request.param


def test_the_page_has_a_file_for_each_kind_of_model():
    assert len(FILES) == 2


def test_a_model_of_the_page_keeps_the_contracts(name, tmp_path):
    learned = fitted(name, tmp_path)
    contracts.test_one_row_a_spot_and_one_column_a_gene(learned, name)
    contracts.test_a_spot_does_not_depend_on_its_batch_mates(learned, name)
    contracts.test_prediction_draws_nothing(learned, name)
    whole = contracts.briefly_fitted(name, tmp_path / "whole")
    contracts.test_same_seed_same_bits_and_the_global_generator_stays_as_it_was(
        whole, name, tmp_path / "again"
    )
    if name == "linear-head":
        contracts.test_gradients_reach_every_parameter(learned, name)
        contracts.test_a_planted_truth_is_found(learned, name)


def test_a_model_of_the_page_is_saved_and_loaded_to_the_bit(name, tmp_path):
    made, table = fitted(name, tmp_path), planted_table(1)
    feature = table.feature
    encoding = Encoding("colour_texture", None, "none", 64, 1.0, True, "float32")
    target = Target(tuple("ABCDE"), "list", Log1p(), ("S1",), 240, ())
    predictor = Predictor(
        row=name,
        fitted=made,
        target=target,
        encoding=encoding,
        card=replace(training_card(feature.shape[1], target.genes), target=target.card()),
        reference=reference_of(feature),
        value_range=ValueRange.of(table.target),
    )
    save_predictor(predictor, tmp_path / "saved")
    again = load_predictor(tmp_path / "saved").fitted
    expected = predicted_by(made, table)
    np.testing.assert_array_equal(predicted_by(again, table), expected)


@pytest.mark.slow
@pytest.mark.usefixtures("no_plugins")
def test_the_commands_of_the_page_run(tmp_path, monkeypatch, histoscribe):
    cohort = SmallCohort(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("median.py").write_text(FILES[0], "utf-8")
    shutil.copy(cohort.files("P1").image, "slide.png")
    commands = re.search(r"^```bash\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)[1]
    for line in commands.splitlines():
        _, *arguments = line.split()
        more = ["--mpp", "5"] if arguments[0] == "predict" else []
        done = histoscribe(*arguments, *more)
        assert done.code == 0, done.err
    assert Path("predicted", "slide.h5ad").is_file()

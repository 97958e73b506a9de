from dataclasses import replace

import pytest

from histoscribe.models.catalog import list_models
from tests.contracts.fitting import fitted, predicted_by
from tests.contracts.tables import planted_table


@pytest.mark.parametrize("name", list_models())
def test_negative_targets_are_not_cut_at_zero(name, tmp_path):
    # residuals are below zero at most spots: an output cut at zero could not follow them
    table = planted_table(n_spots=80)
    below = replace(table, target=table.target - 50)
    predicted = predicted_by(fitted(name, tmp_path, below, epochs=2), below)
    assert predicted.min() < 0

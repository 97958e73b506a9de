"""An encoder that was never trained is named beside the scores, whichever row reads it."""

import pandas as pd

from histoscribe.benchmark.checks_of_data import random_weights
from histoscribe.benchmark.plan import RunPlan
from histoscribe.benchmark.results import Results
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.train.run_data import RunData
from tests.benchmark.runs import tiny_cohort, tiny_settings


def test_every_encoder_without_weights_is_named_whichever_row_reads_it(tmp_path):
    manifest = tiny_cohort(tmp_path / "cohort")
    nets = ["torchvision:resnet18", "torchvision:squeezenet1_0"]
    settings = tiny_settings(
        manifest,
        models=["colour", "ridge", "deep"],
        inputs={"tile_px": 64, "mpp": 1.0, "encoder": nets[0], "weights": "random"},
        settings={"deep": {"model": "ridge", "encoder": nets[1]}},
    )
    run_data = RunData(settings, read_cohort(manifest), {}, tmp_path / "cache")
    results = Results(
        RunPlan(run_data, (), {}, tmp_path),
        [],
        pd.DataFrame(),
        {},
        pd.DataFrame(),
        pd.DataFrame(),
        pd.DataFrame(),
    )
    (check,) = random_weights(results)
    assert check.message == f"the encoder {', '.join(nets)} has random weights"

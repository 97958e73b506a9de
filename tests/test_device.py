import pytest
import torch

from histoscribe.device import choose_device
from histoscribe.errors import DataContractError
from histoscribe.train.encoders import NamedEncoder
from histoscribe.train.fold_tiles import FoldTiles
from histoscribe.types import Cohort
from tests.benchmark.runs import tiny_settings


@pytest.mark.parametrize("has_gpu", [True, False])
def test_auto_takes_a_gpu_where_there_is_one_and_cpu_never_does(monkeypatch, has_gpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert choose_device("auto") == ("cuda" if has_gpu else "cpu")
    assert choose_device("cpu") == "cpu"


def test_a_gpu_asked_for_and_missing_is_told_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = tiny_settings(tmp_path / "cohort.csv", run={"device": "cuda"})
    tiles = FoldTiles(settings, Cohort([]), tmp_path)
    with pytest.raises(DataContractError, match=r"run\.device"):
        NamedEncoder(None, settings, {}, tiles).needs()

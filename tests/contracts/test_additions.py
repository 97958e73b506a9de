"""A reader, a transform and a metric go through a benchmark once their registry lists them.

CONTRIBUTING says which files an addition touches. Here the registries get one entry each, as those
files would add it, and nothing else changes.
"""

import json
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, final

import numpy as np
import pandas as pd
import pytest

from histoscribe.benchmark import card, score
from histoscribe.benchmark.run import benchmark
from histoscribe.data import transform
from histoscribe.data.transform import TRANSFORMS, Transform
from histoscribe.io.sections.readers import READERS
from histoscribe.metrics.registry import METRICS, GeneMetric
from histoscribe.predictor.saving import load_predictor
from tests.benchmark.runs import tiny_cohort, tiny_settings


@final
@dataclass(frozen=True)
class RootCounts(Transform):
    """Square root of counts."""

    name: ClassVar[str] = "toy-root"
    statistic: ClassVar[str] = "nothing"
    unit: ClassVar[str] = "square root of the count"

    @classmethod
    def fit(cls, parts, n_listed):
        return cls()

    def apply(self, panel):
        return np.sqrt(panel.counts)

    def invert(self, values, total):
        return values**2


def bias_per_gene(evaluated):
    return np.mean(evaluated.predicted - evaluated.measured, axis=0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A finished benchmark with a toy reader, transform and metric."""
    toy = replace(READERS["spaceranger"], kind="toy", what="a toy format")
    monkeypatch.setitem(READERS, "toy", toy)
    transforms = MappingProxyType({**TRANSFORMS, "toy-root": RootCounts})
    monkeypatch.setattr(transform, "TRANSFORMS", transforms)
    bias = GeneMetric(
        id="toy_bias", of=bias_per_gene, undefined="NaN if not measured", higher_is_better=False
    )
    for module in (score, card):
        monkeypatch.setattr(module, "METRICS", MappingProxyType({**METRICS, "toy_bias": bias}))
    manifest = tiny_cohort(tmp_path / "cohort")
    manifest.write_text(manifest.read_text().replace(",spaceranger,", ",toy,"))
    settings = tiny_settings(
        manifest, models=["mean"], target={"n_genes": 12, "transform": "toy-root"}, settings={}
    )
    benchmark(settings=settings, out=tmp_path / "run", cache=tmp_path / "cache")
    return tmp_path / "run"


def test_an_addition_needs_no_other_file(folder):
    summary = pd.read_csv(folder / "summary.csv")
    assert "toy_bias" in set(summary["metric"])
    assert "toy_bias" in json.loads((folder / "card.json").read_text())["metrics"]
    saved = next((folder / "predictors" / "mean").iterdir())
    assert load_predictor(saved).target.transform == "toy-root"

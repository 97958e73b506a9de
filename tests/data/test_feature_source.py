"""Features of bags are read from disk, one bag at a time, and equal those in memory."""

import weakref
from itertools import pairwise

import numpy as np
import pytest

from histoscribe.data.feature_source import (
    FeatureSource,
    SectionFeatures,
    mean_and_scale_of,
    run_means,
)
from histoscribe.data.features import features, stored_features
from histoscribe.data.items.bag_table import BagTable
from histoscribe.data.items.labelled_bags import LabelledBags
from histoscribe.data.tiles import Tiles
from histoscribe.encoders.encoder import load_encoder
from histoscribe.models.closed_form.standard import mean_and_scale
from histoscribe.train.batches import Batches
from histoscribe.types import SpotKeys

TILES = Tiles(64, 2.0)


class _Counted(np.ndarray):
    """An array that tells when it is gone."""


class CountingSource:
    """A source on request that counts the rows in memory at the same time."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape
        self.n_held = self.most_held = self.most_read = 0

    def __getitem__(self, rows):
        part = self.values[rows].view(_Counted)
        self.n_held += len(rows)
        self.most_held = max(self.most_held, self.n_held)
        self.most_read = max(self.most_read, len(rows))
        weakref.finalize(part, self._let_go, len(rows))
        return part

    def _let_go(self, n_rows):
        self.n_held -= n_rows


def bags_of(source, sizes):
    starts = np.cumsum([0, *sizes])
    runs = tuple(np.arange(a, b) for a, b in pairwise(starts))
    names = [f"P{i}" for i in range(len(sizes))]
    return BagTable(
        feature=source,
        xy_um=np.zeros((source.shape[0], 2)),
        slide=np.arange(source.shape[0]) // 2,
        runs=runs,
        target=np.arange(2.0 * len(sizes)).reshape(-1, 2),
        log_total=np.full(len(sizes), np.log1p(20_000.0)),
        keys=SpotKeys.of_names(names, names, names),
        inner=(),
        encoder="test",
        counts=np.ones((len(sizes), 2)),
        sites={"P0": "north", "P1": "south"},
    )


def test_only_the_features_of_one_bag_are_in_memory():
    sizes = [40, 7, 25, 31, 12]
    source = CountingSource(np.random.default_rng(0).normal(size=(sum(sizes), 3)).astype("float32"))
    table = bags_of(source, sizes)
    assert isinstance(source, FeatureSource)
    items = LabelledBags(table)
    batches = Batches(
        items=items,
        names=("context_feature", "present"),
        rows=np.arange(len(items)),
        batch_size=2,
        batch_spots=60,
        seed=0,
        turns=None,
        epoch=lambda: 0,
    )
    given = [batch for step in batches for batch, _ in step.batches]
    n_tiles = sum(int(batch["present"].sum()) for batch in given)
    assert n_tiles == sum(sizes)
    for bag in range(len(items)):
        items.inputs(("context_feature",), np.array([bag]))
    run_means(source, table.runs)
    mean_and_scale_of(source, table.runs)
    assert source.most_read == source.most_held == 40


def test_labels_of_a_bag_are_its_own():
    table = bags_of(np.zeros((6, 3), dtype="float32"), [1, 2, 3])
    labels = LabelledBags(table).labels(np.array([2, 0]))
    np.testing.assert_array_equal(labels.target.numpy(), [[4, 5], [0, 1]])
    np.testing.assert_allclose(labels.size_factor.numpy(), [2.0, 2.0], rtol=1e-6)
    assert labels.site.tolist() == [-1, 0], "the site of P2 is not known"
    assert labels.patient.tolist() == [2, 0]


def test_each_slide_of_a_bag_has_a_number_of_its_own():
    table = bags_of(np.zeros((6, 3), dtype="float32"), [1, 2, 3])
    batch = LabelledBags(table).inputs(("context_slide", "present"), np.array([1, 2]))
    assert batch["context_slide"].tolist() == [[0, 1, 0], [0, 1, 1]]
    assert batch["present"].tolist() == [[True, True, False], [True, True, True]]


def test_streamed_moments_are_those_of_all_rows():
    values = np.random.default_rng(1).normal(2.0, 3.0, (50, 4)).astype(np.float32)
    values[:, 2] = 5.0
    runs = [np.arange(20), np.arange(20, 50)]
    for streamed, whole in zip(
        mean_and_scale_of(values, runs), mean_and_scale(values), strict=True
    ):
        np.testing.assert_allclose(streamed, whole, rtol=1e-6)
    np.testing.assert_allclose(run_means(values, runs)[1], values[20:].mean(axis=0), rtol=1e-6)


def test_sections_on_disk_give_what_memory_gives(draw_tissue, make_section, tmp_path):
    encoder = load_encoder("colour_texture")
    sections = [
        make_section(draw_tissue("pink", seed=seed)[0], name=f"s{seed}", n_across=4 + seed)
        for seed in (0, 1)
    ]
    held = np.concatenate([features(s, encoder, TILES, cache=tmp_path) for s in sections])
    source = SectionFeatures(
        tuple(
            stored_features(s, encoder, TILES, precision="float32", cache=tmp_path)
            for s in sections
        )
    )
    assert source.shape == held.shape
    rows = np.array([30, 2, 17, 16, 15])
    np.testing.assert_array_equal(source[rows], held[rows])


def test_a_bag_without_tiles_is_no_bag():
    with pytest.raises(ValueError, match="at least one tile"):
        bags_of(np.zeros((3, 2), dtype="float32"), [3, 0])

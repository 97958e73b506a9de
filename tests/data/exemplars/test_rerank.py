"""Re-ranking by look: the order is the perceptual distance's, the candidates stay the same."""

import numpy as np
import pytest
import torch

from histoscribe.data.exemplars.pool import ExemplarPool, Retrieved
from histoscribe.data.exemplars.rerank import Lookalikes, rerank_by_look
from histoscribe.data.exemplars.search import ExemplarSearch
from histoscribe.data.items.spots import SpotQueries
from histoscribe.encoders.perceptual import load_perceptual
from histoscribe.types import SpotKeys

SIDE_PX = 64


@pytest.fixture(scope="module")
def perceptual():
    return load_perceptual("torchvision:squeezenet1_0", random_seed=0)


@pytest.fixture(scope="module")
def pool_tiles():
    """Thirty tiles, ever stronger mixtures of noise into one of them."""
    rng = torch.Generator().manual_seed(0)
    base, noise = (torch.rand(3, SIDE_PX, SIDE_PX, generator=rng) * 255 for _ in range(2))
    return torch.stack([torch.lerp(base, noise, row / 29) for row in range(30)]).to(torch.uint8)


def reader(tiles, asked=None):
    def read(rows):
        if asked is not None:
            asked.extend(rows.tolist())
        return tiles[torch.from_numpy(rows)]

    return read


def candidates(rows):
    return Retrieved(np.array(rows), np.zeros(np.shape(rows), dtype=np.float32))


def test_exemplars_come_in_the_order_of_their_look_with_its_distance(perceptual, pool_tiles):
    rows = [[7, 25, 3, 19, 12], [29, 1, 8, 20, 15]]
    queries = pool_tiles[[0, 29]]
    found = rerank_by_look(
        candidates(rows), 3, Lookalikes(perceptual, reader(pool_tiles)), reader(queries)
    )
    np.testing.assert_array_equal(found.rows, [[3, 7, 12], [29, 20, 15]])
    for query in range(2):
        one = queries[[query]].expand(3, -1, -1, -1)
        expected = perceptual(one, pool_tiles[found.rows[query]])
        np.testing.assert_allclose(found.distance[query], expected, rtol=1e-4, atol=1e-6)


def test_tiles_held_in_memory_change_nothing_but_how_often_they_are_read(perceptual, pool_tiles):
    rows = np.array([[row, row + 1, row + 2, row + 3] for row in range(0, 26)])
    queries, often, once = pool_tiles[:26], [], []
    little, much = (
        rerank_by_look(
            candidates(rows),
            4,
            Lookalikes(perceptual, reader(pool_tiles, asked), most_bytes=most_bytes),
            reader(queries),
        )
        for asked, most_bytes in ((often, 1), (once, 1 << 30))
    )
    np.testing.assert_array_equal(little.rows, much.rows)
    np.testing.assert_allclose(little.distance, much.distance, rtol=1e-4, atol=1e-5)
    assert sorted(once) == list(range(29))
    assert len(often) > 2 * len(once)


def test_equal_tiles_come_in_the_order_of_rows(perceptual, pool_tiles):
    same = pool_tiles[:1].expand(30, -1, -1, -1)
    found = rerank_by_look(
        candidates([[9, 4, 6, 2]]), 4, Lookalikes(perceptual, reader(same)), reader(same)
    )
    np.testing.assert_array_equal(found.rows, [[2, 4, 6, 9]])
    np.testing.assert_allclose(found.distance, 0, atol=1e-6)


def test_what_the_search_excluded_stays_excluded(perceptual, pool_tiles):
    rng = np.random.default_rng(0)
    patient = tuple("A" if row < 15 else "B" for row in range(30))
    feature = rng.normal(size=(30, 4)).astype(np.float32)
    spot = tuple(f"{row:02}" for row in range(30))
    keys = SpotKeys.of_names(patient, patient, spot)
    pool = ExemplarPool(feature, feature, keys, "e")
    queries = SpotQueries(feature, keys, "e")
    nearest = ExemplarSearch(pool).nearest(queries, 8, "patient")
    found = rerank_by_look(
        nearest, 3, Lookalikes(perceptual, reader(pool_tiles)), reader(pool_tiles)
    )
    own = np.array(patient)
    assert (own[found.rows] != own[:, None]).all()
    assert all(set(kept) <= set(of) for kept, of in zip(found.rows, nearest.rows, strict=True))


def test_more_than_the_candidates_cannot_be_kept(perceptual, pool_tiles):
    with pytest.raises(ValueError, match="9 of 4 candidates"):
        rerank_by_look(
            candidates([[9, 4, 6, 2]]),
            9,
            Lookalikes(perceptual, reader(pool_tiles)),
            reader(pool_tiles),
        )


def test_what_was_seen_once_is_held_for_the_next_call(perceptual, pool_tiles):
    asked: list[int] = []
    pool = Lookalikes(perceptual, reader(pool_tiles, asked))
    for row in (0, 1):
        rerank_by_look(candidates([[9, 4, 6, 2]]), 2, pool, reader(pool_tiles[[row]]))
    assert sorted(asked) == [2, 4, 6, 9]


def test_on_another_device_a_copy_compares_and_the_first_stays(perceptual):
    pool = Lookalikes(perceptual, reader([]))
    assert pool.on(torch.device("cpu")) is pool
    moved = pool.on(torch.device("meta"))
    assert moved.perceptual.mean.device.type == "meta"
    assert perceptual.mean.device.type == "cpu"

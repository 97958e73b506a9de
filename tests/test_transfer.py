"""Batches on their way to a device: the order of work changes, never what comes out."""

from threading import Event

import pytest
import torch
from torch import nn

from histoscribe.data.images import HeldTiles
from histoscribe.device import CPU
from histoscribe.transfer import (
    moved_batch,
    one_later,
    pinned_batch,
    placed,
    read_ahead,
)
from histoscribe.types import BagImages


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_pieces_come_in_order_and_each_is_read_once(n):
    pieces = []

    def read(piece):
        pieces.append(piece)
        return 10 * piece

    assert list(read_ahead(read, range(n))) == [10 * piece for piece in range(n)]
    assert pieces == list(range(n))


def test_the_next_piece_is_read_while_one_is_in_use():
    begun = [Event() for _ in range(3)]

    def read(piece):
        begun[piece].set()
        return piece

    results = read_ahead(read, range(3))
    assert next(results) == 0
    assert begun[1].wait(5)
    assert not begun[2].is_set()
    results.close()


def test_an_error_of_a_reader_rises_where_its_piece_is_used():
    def read(piece):
        if piece == 1:
            raise ValueError("tile 1")
        return piece

    results = read_ahead(read, range(3))
    assert next(results) == 0
    with pytest.raises(ValueError, match="tile 1"):
        next(results)


def test_a_value_is_given_when_the_next_is_made():
    made = []
    values = one_later(made.append(n) or n for n in range(3))
    assert next(values) == 0
    assert made == [0, 1]
    assert [*values] == [1, 2]
    assert [*one_later([])] == []


def test_a_batch_for_a_cpu_is_neither_copied_nor_pinned():
    batch = {"feature": torch.ones(2, 3)}
    assert pinned_batch(batch, CPU)["feature"] is batch["feature"]
    assert moved_batch(batch, CPU)["feature"] is batch["feature"]


def test_a_batch_moves_as_a_whole_and_tiles_on_demand_follow():
    meta, tiles = torch.device("meta"), HeldTiles(torch.zeros((1, 3, 4, 4), dtype=torch.uint8))
    batch = {"feature": torch.ones(2, 3), "context_image": BagImages(tiles, ())}
    moved = moved_batch(batch, meta)
    assert moved["feature"].device == moved["context_image"].device == meta


def test_only_a_gpu_turns_the_order_of_weights(monkeypatch):
    net = nn.Conv2d(4, 8, 3)
    assert placed(net, CPU).weight.is_contiguous()
    monkeypatch.setattr(nn.Module, "to", _without_moving(nn.Module.to))
    assert placed(net, torch.device("cuda")).weight.is_contiguous(memory_format=torch.channels_last)


def _without_moving(to):
    def moved(net, *device, **order):
        return to(net, **order) if order else net

    return moved

"""Batches on their way to a device: read ahead, copied while it computes, fetched one later.

On a CPU these change the order of work only, never a value.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Piece = TypeVar("Piece")
Result = TypeVar("Result")
Network = TypeVar("Network", bound=nn.Module)


def read_ahead(
    read: Callable[[Piece], Result], pieces: Sequence[Piece]
) -> Generator[Result, None, None]:
    """Read each piece while the one before is in use; at most two are in memory."""
    if len(pieces) < 2:
        yield from map(read, pieces)
        return
    n_threads = torch.get_num_threads()
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(n_threads,)) as reader:
        ahead = reader.submit(read, pieces[0])
        for piece in pieces[1:]:
            result = ahead.result()
            ahead = reader.submit(read, piece)
            yield result
        yield ahead.result()


def one_later(values: Iterable[Result]) -> Iterator[Result]:
    """Give each value when the next one is made: a GPU then has work while it is waited for."""
    before: list[Result] = []
    for value in values:
        yield from before
        before = [value]
    yield from before


def pinned(value: Tensor, device: torch.device) -> Tensor:
    """The same tensor in memory from which a GPU copies while it computes; for a CPU itself."""
    return value.pin_memory() if device.type == "cuda" else value


def pinned_batch(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Fields of a batch, pinned; tiles that are read on demand stay as they are."""
    return {
        name: pinned(value, device) if isinstance(value, Tensor) else value
        for name, value in batch.items()
    }


def moved_batch(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Batch fields copied to a device; the host waits for no copy to a GPU."""
    to_gpu = device.type == "cuda"
    return {
        name: value.to(device, non_blocking=to_gpu)
        if isinstance(value, Tensor)
        else value.to(device)
        for name, value in batch.items()
    }


def placed(network: Network, device: torch.device) -> Network:
    """Move a network to a device; on a GPU, fast kernels read weights with channels last."""
    network.to(device)
    if device.type == "cuda":
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub
    return network

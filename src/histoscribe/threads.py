"""A fixed number of threads in numerical libraries, so that every machine computes the same bits.

Torch, BLAS and OpenMP divide a sum among their threads, and the last bits of the sum depend on how
many there are: on the number of cores, that is. So a run computes with the number of threads in its
settings, whatever the machine has. Work that is cut into pieces of a fixed size may use all cores:
each piece is computed by one thread.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch
from threadpoolctl import threadpool_info, threadpool_limits

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_workers: ContextVar[int | None] = ContextVar("workers", default=None)


@contextmanager
def fixed_threads(n_threads: int = 1) -> Iterator[None]:
    """Let numerical libraries use this number of threads until the block ends.

    Matrix products are computed in whole float32, whatever torch was told before: faster settings
    round their factors to TF32 or bfloat16, on a GPU and on some processors. `in_order` still uses
    as many threads as torch could use before.
    """
    before = torch.get_num_threads()
    entered, products = _workers.set(n_workers()), torch.get_float32_matmul_precision()
    try:
        # of the libraries that are loaded: a block around imports does not limit what they load
        with threadpool_limits(limits=n_threads):
            torch.set_num_threads(n_threads)
            torch.set_float32_matmul_precision("highest")
            _choose_kernels()
            yield
    finally:
        torch.set_num_threads(before)
        torch.set_float32_matmul_precision(products)
        _workers.reset(entered)


def _choose_kernels() -> None:
    """Let MKL choose the code of its functions, before several threads can ask at once.

    It does so at the first use of any of them. Two threads that come first together can get code of
    a lower accuracy for that call: log10 wrong by 3e-6 of its value, sqrt by 2e-4.
    """
    torch.log10(torch.ones(16))


def kernels() -> dict[str, str]:
    """Kind of processor that torch and BLAS compute for here, e.g. AVX512.

    They choose it by the processor that they find, and the last bits of a sum depend on it.
    """
    blas = {of["architecture"] for of in threadpool_info() if of["user_api"] == "blas"}
    return {"torch": torch.backends.cpu.get_cpu_capability(), "blas": ", ".join(sorted(blas))}


def n_workers() -> int:
    """Number of threads for independent pieces of work: what torch uses outside `fixed_threads`."""
    return _workers.get() or torch.get_num_threads()


def in_order(
    work: Callable[[Piece], Result],
    pieces: Iterable[Piece],
    *,
    at_least: int = 1,
    at_most: int | None = None,
) -> Generator[Result, None, None]:
    """Yield the result of each piece, in order; `n_workers` threads compute ahead.

    Each piece is computed with one thread, so their number changes no bit. `at_least` is for pieces
    that wait for a disk or a GPU, `at_most` for pieces that need much memory.
    """
    most = max(n_workers(), at_least)
    most = most if at_most is None else min(most, at_most)
    waiting: deque[Future[Result]] = deque()
    with (
        fixed_threads(),
        ThreadPoolExecutor(most, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        try:
            for piece in pieces:
                waiting.append(pool.submit(work, piece))
                if len(waiting) > 2 * most:  # enough work while a result is written
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

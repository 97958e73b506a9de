"""What a number of threads that does not depend on the machine costs, and whether bits agree.

`python benchmarks/threads.py`: the features of a slide, in batches that one thread each reads and
encodes, as `embed` does, beside all of torch's threads in every operation, one batch after the
other. Then a step of training with one thread (`run.threads = 1`), beside all. Ratios are to all
threads in every operation: above 1 is faster. `..._same_bits` says whether both give equal bits.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from _machine import report, seconds
from _tcgn_steps import created, tiles, training_step
from extraction import ENCODERS, TILES, _bare, _in_memory, _load, _sections
from threadpoolctl import threadpool_limits

from histoscribe.data.features import embed
from histoscribe.encoders.encoder import Encoder
from histoscribe.models.closed_form.ridge_path import RidgePath
from histoscribe.threads import fixed_threads
from histoscribe.types import Section

SHOWN = ("colour_texture", "squeezenet1_0")
N_ACROSS = {False: 16, True: 4}
ROUNDS = {False: 3, True: 1}
BATCH = {False: 16, True: 2}
RIDGE = {False: (2000, 512), True: (50, 20)}  # training spots, features
N_GENES = 250


def main() -> None:
    """Time all pieces in turns, and print one line of JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="few tiles, one round: does it run?")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = options.parse_args()
    rounds = ROUNDS[asked.quick]
    figures: dict[str, float | int | str] = {}
    with tempfile.TemporaryDirectory() as folder, _threads(asked.threads):
        sections = _sections(Path(folder), N_ACROSS[asked.quick], 1 + rounds)
        for name in SHOWN:
            figures |= _features(name, sections, Path(folder) / name, rounds)
        figures |= _training(BATCH[asked.quick], rounds)
        figures |= _ridge(RIDGE[asked.quick], rounds)
    report("threads", threads=asked.threads, n_tiles=len(sections[0].spots), **figures)


@contextmanager
def _threads(n_threads: int) -> Iterator[None]:
    """Threads of a machine with so many cores."""
    torch.set_num_threads(n_threads)
    with threadpool_limits(n_threads):
        yield


def _features(
    name: str, sections: list[Section], folder: Path, rounds: int
) -> dict[str, float | int | str]:
    """Features of a slide in both ways; reading is timed with the batches only."""
    encoder = _load(ENCODERS[name])
    batches = _in_memory(sections[0])
    by_batch, in_operations = seconds(
        _embedding(sections, encoder, folder), partial(_bare, encoder, batches), repeats=rounds
    )
    with torch.inference_mode():
        many = encoder(batches[0])
        with fixed_threads():
            one = encoder(batches[0])
    return {
        f"{name}_embed_ratio": in_operations / by_batch,
        f"{name}_operations_same_bits": str(bool(torch.equal(one, many))),
        f"{name}_share_of_other_bits": float((one != many).float().mean()),
    }


def _embedding(sections: list[Section], encoder: Encoder, folder: Path) -> Callable[[], None]:
    """`embed` of a slide without cached pages, into a new cache."""
    looks = [TILES.slide_look(section.slide) for section in sections]
    fresh = count()

    def run() -> None:
        turn = next(fresh)
        at = turn % len(sections)
        embed(sections[at], encoder, TILES, cache=folder / str(turn), slide_look=looks[at])

    return run


def _training(batch: int, rounds: int) -> dict[str, float | int | str]:
    """A step of TCGN, the largest network that trains on tiles."""
    step = training_step(created("image"), tiles(batch))

    def alone() -> None:
        with fixed_threads():
            step()

    one, many = seconds(alone, step, repeats=rounds)
    return {"tcgn_step_ratio": many / one}


def _ridge(shape: tuple[int, int], rounds: int) -> dict[str, float | int | str]:
    """One singular value decomposition, the main work of ridge."""
    feature = np.random.default_rng(0).standard_normal(shape)

    def alone() -> None:
        with fixed_threads():
            RidgePath(feature)

    one, many = seconds(alone, partial(RidgePath, feature), repeats=rounds)
    return {"ridge_ratio": many / one}


if __name__ == "__main__":
    main()

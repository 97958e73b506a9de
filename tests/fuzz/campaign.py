"""Read damaged files, each in a fork with limits on memory and time.

`python -m tests.fuzz.campaign --seeds 500` runs as `make test-slow` does; `--subject NAME` and
`--first SEED` repeat a part. A file that was read must give sound values; a file that was not must
end in a `DataContractError`.
"""

import argparse
import faulthandler
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from histoscribe.errors import DataContractError
from tests.fuzz.mutation import mutated
from tests.fuzz.subject import Subject, UnsoundError
from tests.fuzz.subjects import SUBJECTS

MOST_BYTES = 3 << 30
"""Memory that reading may take beyond what the process has at its start."""
MOST_SECONDS = 20
"""Processor time; a busy machine may take ten times as long."""
READ, REFUSED = "read", "refused"


@dataclass(frozen=True)
class Outcome:
    """How the reading of one damaged file ended."""

    subject: str
    seed: int
    damage: str
    """The file and what was done to it."""
    end: str
    """`read`, `refused`, or what must not happen."""
    text: str
    """Message or traceback."""
    seconds: float
    peak_mb: float

    @property
    def is_fine(self) -> bool:
        """Whether the file was read or refused in words."""
        return self.end in (READ, REFUSED)


def outcomes(subject: Subject, seeds: Sequence[int], folder: Path) -> Iterator[Outcome]:
    """Damage one file of a sound input for each seed, and read it."""
    sound = folder / f"sound-{subject.name}"
    shutil.rmtree(sound, ignore_errors=True)
    sound.mkdir(parents=True)
    subject.make(sound)
    subject.read(sound)  # proves that the input is sound, and imports what reading needs
    for seed in seeds:
        rng = np.random.default_rng([seed, *subject.name.encode()])
        place = folder / f"{subject.name}-{seed}"
        shutil.copytree(sound, place, symlinks=True)
        files = subject.files(place)
        path = files[rng.integers(len(files))]
        content, damage = mutated(path.read_bytes(), rng)
        path.write_bytes(content)
        if subject.sign is not None:
            subject.sign(place)
        yield _in_a_fork(subject, seed, place, f"{path.relative_to(place)}: {damage}")
        shutil.rmtree(place)


def _in_a_fork(subject: Subject, seed: int, place: Path, damage: str) -> Outcome:
    began = time.monotonic()
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _read_and_exit(subject, place, theirs)
    os.close(theirs)
    text, ended = _text_of(ours, began + 10 * MOST_SECONDS)
    if not ended:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    seconds = time.monotonic() - began
    if not ended or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        end = f"no end within {MOST_SECONDS} s"
    elif os.WIFSIGNALED(status):
        end = f"signal {signal.Signals(os.WTERMSIG(status)).name}"
    else:
        end, _, text = text.partition("\n")
    return Outcome(subject.name, seed, damage, end, text, seconds, usage.ru_maxrss / 1024)


def _text_of(pipe: int, until: float) -> tuple[str, bool]:
    """What the child wrote, and whether it came to its end in time."""
    parts = []
    try:
        while True:
            ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return "", False
            part = os.read(pipe, 1 << 16)
            if not part:
                return b"".join(parts).decode(errors="replace"), True
            parts.append(part)
    finally:
        os.close(pipe)


def _read_and_exit(subject: Subject, place: Path, pipe: int) -> None:
    end, text = "no report", ""
    try:
        faulthandler.disable()
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + MOST_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS + 5))
        warnings.simplefilter("ignore")
        try:
            subject.read(place)
            end = READ
        except DataContractError as error:
            end, text = REFUSED, str(error)
        except UnsoundError as error:
            end = f"unsound: {error}"
        except BaseException as error:  # noqa: BLE001  # told to the parent
            end, text = f"traceback {type(error).__name__}", traceback.format_exc()
    finally:
        with suppress(OSError):
            os.write(pipe, f"{end}\n{text[-20_000:]}".encode(errors="backslashreplace"))
        os._exit(0)


def campaign(n_inputs: int, folder: Path, first: int = 0, only: str = "") -> Iterator[Outcome]:
    """Outcomes of so many inputs, spread evenly over the subjects."""
    subjects = [subject for subject in SUBJECTS if only in subject.name]
    each = -(-n_inputs // len(subjects))
    for subject in subjects:
        yield from outcomes(subject, range(first, first + each), folder)


def main() -> None:
    """Run the campaign and print what must not happen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="number of damaged inputs")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--subject", default="", help="part of a subject's name")
    parser.add_argument("--show", action="store_true", help="print every outcome")
    options = parser.parse_args()
    began, ends, peak = time.monotonic(), Counter(), 0.0
    with TemporaryDirectory() as folder:
        for one in campaign(options.seeds, Path(folder), options.first, options.subject):
            ends[one.end if one.is_fine else one.end.split(":")[0]] += 1
            peak = max(peak, one.peak_mb)
            if options.show or not one.is_fine:
                print(f"{one.subject} {one.seed} ({one.damage}): {one.end}, {one.seconds:.1f} s")
                print(one.text[-1500:] if not one.is_fine else one.text[:300])
    print(f"{dict(ends)}; {time.monotonic() - began:.0f} s; peak {peak:.0f} MB")
    sys.exit(0 if set(ends) <= {READ, REFUSED} else 1)


if __name__ == "__main__":
    main()

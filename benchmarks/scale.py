"""Work shared by two workers, relative to one, and what a section costs in time, files and bytes.

Features of 12 simulated sections by 3 encoders, on Dask clusters of this machine: one worker and
two take turns, each time into an empty cache, and the ratio of their times is that of one run. The
workers have loaded their libraries before the clock starts. Two are at least 1.6 times as fast as
one where each has a core of its own and no other, as batch systems give it. Workers that may use
all cores are timed, too: one reads tiles on a second core while it encodes, so a second worker
brings less. The cores that others used meanwhile are printed.

Further figures are the unit of `docs/scale.md`: seconds of each encoder per tile, files and bytes
in the store per section and encoder, bytes that a first and a later node read for the hash of a
slide, and the seconds to open a section of a cohort, which every worker does.

Weights are random: speed does not depend on them.
"""

import argparse
import os
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter

import psutil
import torch
from _machine import report
from distributed import Client, LocalCluster
from safetensors.torch import save_file

import histoscribe as hs
from histoscribe import parallel
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.slides import pixel_hash
from histoscribe.io.work_state import WorkState
from histoscribe.parallel import InProcess, Place, Scheduler
from histoscribe.train.arguments import run_settings
from histoscribe.train.feature_jobs import FeatureJob, feature_jobs
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import RunSettings
from histoscribe.train.shared_run import OpenRun, SharedRun

NETWORK = "torchvision:squeezenet1_0"
ENCODERS = ("colour_texture", "mean_colour", NETWORK)
TILE_PX, MPP = 224, 0.5
_WAYS = ((1, True), (2, True), (1, False), (2, False))
"""Number of workers, and whether each is held to one core."""
SLIDE_BYTES = 64_000_000
N_JOBS = 30_000
"""Jobs of 10,000 slides and 3 encoders, whose table of states is timed."""


@dataclass(frozen=True)
class Work:
    """Features to compute: settings of a run, and the folder of everything."""

    settings: RunSettings
    folder: Path

    def shared(self, name: str) -> SharedRun:
        """The run with a cache of its own."""
        weights = {NETWORK: self.folder / "random.safetensors"}
        cohort = read_cohort(self.settings.cohort)
        return SharedRun.of(
            OpenRun(RunData(self.settings, cohort, weights, self.folder / "caches" / name))
        )


def main() -> None:
    """Time one and two workers in turns, and print one line of JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--quick", action="store_true", help="3 small sections: does it run?")
    given = options.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the small simulated slides
        os.environ["HISTOSCRIBE_CACHE"] = f"{name}/caches/hashes"
        n_sections, n_spots = (3, 30) if given.quick else (12, 100)
        work = _work(Path(name), n_sections, n_spots)
        figures = {**_unit(work), **_shared(work, 1 if given.quick else given.rounds)}
    report("scale", sections=n_sections, encoders=len(ENCODERS), **figures)


def _work(folder: Path, n_sections: int, n_spots: int) -> Work:
    from torchvision.models import squeezenet1_0

    manifest = hs.simulate(folder / "cohort", n_sections, spots_per_section=n_spots)
    save_file(squeezenet1_0(weights=None).state_dict(), folder / "random.safetensors")
    rows = {f"row{number}": {"model": "ridge", "encoder": of} for number, of in enumerate(ENCODERS)}
    inputs = {"tile_px": TILE_PX, "mpp": MPP}
    settings = run_settings(manifest, rows, None, {"inputs": inputs, "run": {"device": "cpu"}})
    return Work(settings, folder)


def _shared(work: Work, rounds: int) -> dict[str, float | int]:
    """Times of one and of two workers in turns, and the cores that others used."""
    seconds: dict[tuple[int, bool], list[float]] = {way: [] for way in _WAYS}
    others = []
    with ExitStack() as stack:
        places = {way: _cluster(stack, work.folder, way[0], one_core=way[1]) for way in _WAYS}
        for way, place in places.items():
            _run(work.shared(f"warm {way}"), place, way[0])  # every worker loads its libraries
        for turn in range(rounds):
            for way, place in places.items():
                shared = work.shared(f"{turn} by {way}")
                busy, start = _busy_s(), perf_counter()
                _run(shared, place)
                seconds[way].append(perf_counter() - start)
                others.append((_busy_s() - busy) / seconds[way][-1])
    one, two, one_free, two_free = (median(seconds[way]) for way in _WAYS)
    return {
        "seconds_one_worker": one,
        "seconds_two_workers": two,
        "ratio": one / two,
        "seconds_one_worker_all_cores": one_free,
        "seconds_two_workers_all_cores": two_free,
        "ratio_all_cores": one_free / two_free,
        "cores_of_others": median(others),
    }


def _cluster(stack: ExitStack, folder: Path, n_workers: int, *, one_core: bool) -> Scheduler:
    cluster = stack.enter_context(
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None)
    )
    if one_core:
        client = stack.enter_context(Client(cluster))
        cores = sorted(os.sched_getaffinity(0))
        for number, address in enumerate(sorted(client.scheduler_info()["workers"])):
            client.run(_hold, cores[number % len(cores)], workers=[address])
    (folder / "caches").mkdir(exist_ok=True)
    return Scheduler(cluster.scheduler_address, written=(folder / "caches",))


def _hold(core: int) -> None:
    """Hold all threads of this process, and those that they start, to one core."""
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def _run(shared: SharedRun, place: Place, n_jobs: int | None = None) -> None:
    jobs = feature_jobs(shared)[:n_jobs]
    for found in parallel.run(jobs, place, "features"):
        if isinstance(found, tuple):
            raise SystemExit("\n".join(map(str, found)))


def _busy_s() -> float:
    """Processor seconds of this machine so far that are not of this benchmark."""
    this = psutil.Process()
    machine = psutil.cpu_times()
    ours = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return machine.user + machine.system + machine.nice - sum(t.user + t.system for t in ours)


def _unit(work: Work) -> dict[str, float | int]:
    """What a section costs by each encoder."""
    shared = work.shared("unit")
    jobs = feature_jobs(shared)
    sections = {job.section: shared.run.data.cohort[job.section] for job in jobs}
    figures: dict[str, float | int] = {}
    for encoder in ENCODERS:
        of = [job for job in jobs if job.encoder == encoder]
        begin = perf_counter()
        _all(of)
        tiles = sum(len(sections[job.section].spots) for job in of)
        figures[f"tiles_per_s_{encoder.rpartition(':')[2]}"] = tiles / (perf_counter() - begin)
    store = [path for path in (shared.cache / "features").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in store)
    figures["files_per_section_and_encoder"] = len(store) / len(jobs)
    figures["store_bytes_per_section_and_encoder"] = round(size / len(jobs))
    begin = perf_counter()
    work.shared("opened").run.data.check()
    figures["seconds_to_open_a_section"] = (perf_counter() - begin) / len(sections)
    figures |= _bytes_of_hash(work.folder)
    states = WorkState(work.folder, "Features", [str(number) for number in range(N_JOBS)])
    states.write()
    begin = monotonic()
    states.write()
    figures["seconds_to_write_30000_states"] = monotonic() - begin
    return figures


def _bytes_of_hash(folder: Path) -> dict[str, float | int]:
    """Bytes that two nodes read for the hash of one slide, each under a path of its own."""
    first, second = folder / "slide.svs", folder / "mount.svs"
    first.write_bytes(os.urandom(SLIDE_BYTES))
    os.utime(first, (1e9, 1e9))  # a file of this second is not remembered
    second.hardlink_to(first)
    read = []
    for path in (first, second):
        before = _bytes_read()
        pixel_hash.remembered((path,), (), partial(pixel_hash.of_files, (path,), ()))
        read.append(_bytes_read() - before)
    return {"read_per_slide_byte_first": read[0] / SLIDE_BYTES, "read_bytes_later": read[1]}


def _bytes_read() -> int:
    """Bytes that this process has read so far, from disk or memory."""
    return int(psutil.Process().io_counters().read_chars)


def _all(jobs: Sequence[FeatureJob]) -> None:
    for found in parallel.run(jobs, InProcess(), "features"):
        if isinstance(found, tuple):
            raise SystemExit("\n".join(map(str, found)))


if __name__ == "__main__":
    main()

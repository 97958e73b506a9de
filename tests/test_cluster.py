"""Jobs on the workers of a Dask cluster: their outcomes, and what is said of a bad cluster."""

import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from histoscribe import parallel
from histoscribe.errors import DataContractError
from histoscribe.io.work_place import work_place
from tests.cluster import cluster
from tests.test_parallel import PROBLEM, DiskFull, Killed, Square


@pytest.fixture(scope="module")
def workers():
    with cluster(2) as found:
        yield found


class Cache(Square):
    def run(self) -> str:
        return os.environ["HISTOSCRIBE_CACHE"]


def test_outcomes_keep_the_order_and_one_bad_job_stops_no_other(workers, tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path))
    where = work_place(scheduler=workers.address)
    jobs = [Square(4), Square(3), Cache(0)]
    assert list(parallel.run(jobs, where, "squares")) == [16, (PROBLEM,), str(tmp_path)]
    assert not list(tmp_path.iterdir())  # the probe of the shared folder is gone
    assert {worker.device for worker in parallel.check(where)} == {"cpu"}


def test_a_full_disk_stops_all_jobs(workers):
    with pytest.raises(OSError, match="No space left"):
        list(parallel.run([DiskFull(1)], parallel.Scheduler(workers.address), "jobs"))


class Profiled(Square):
    def run(self) -> bool:
        from distributed import get_worker

        return get_worker().periodic_callbacks["profile"].is_running()


def test_no_profiler_looks_into_a_job(workers):
    # it holds what a function has released, and HDF5 then lays out its files otherwise
    assert list(parallel.run([Profiled(0)], parallel.Scheduler(workers.address), "jobs")) == [False]


@dataclass(frozen=True)
class KilledOnce(Square):
    path: Path

    def run(self) -> int:
        if not self.path.exists():
            self.path.touch()
            Killed(0).run()
        return self.number


def test_the_job_of_a_killed_worker_is_done_by_another(workers, tmp_path):
    jobs = [KilledOnce(1, tmp_path / "killed"), Square(2)]
    assert list(parallel.run(jobs, parallel.Scheduler(workers.address), "jobs")) == [1, 4]
    workers.add_worker()


def test_a_job_that_kills_every_worker_is_a_problem_of_its_own():
    with cluster(5) as found:
        (problem,), square = parallel.run(
            [Killed(1), Square(6)], parallel.Scheduler(found.address), "squares"
        )
    assert square == 36
    assert "killed" in problem.found


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    # a client that never connected is closed as garbage, and can then stop the next one
    monkeypatch.setattr("distributed.Client", lambda *_, **__: pytest.fail("a client was made"))
    monkeypatch.setattr("histoscribe.parallel.cluster._ANSWER_S", 0.2)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()  # takes the connection, and never says a word
        for address in (f"tcp://127.0.0.1:{deaf.getsockname()[1]}", "tcp://127.0.0.1:1", "x"):
            with pytest.raises(DataContractError, match=r"no Dask scheduler[\s\S]*dask scheduler"):
                parallel.check(parallel.Scheduler(address))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"version": "1.0"}, r"worker tcp[\s\S]*torch 1\.0[\s\S]*the same versions"),
        ({"hidden": True}, r"does not see[\s\S]*shared file system"),
        ({"n_threads": 2}, r"2 jobs at a time[\s\S]*--nthreads 1"),
    ],
)
def test_a_worker_that_does_not_fit_is_named_before_the_work(facts, words, tmp_path):
    with cluster(1, **facts) as found:
        where = parallel.Scheduler(found.address, written=(tmp_path,))
        _wait_for_workers(found.address)
        with pytest.raises(DataContractError, match=words):
            parallel.check(where)


def test_a_folder_with_data_that_is_not_there_is_named(workers, tmp_path):
    where = parallel.Scheduler(workers.address, read=(tmp_path / "data",))
    _wait_for_workers(workers.address)
    with pytest.raises(DataContractError, match="does not see"):
        parallel.check(where)


def test_a_scheduler_lost_during_the_work_is_said():
    with cluster(1) as found:
        jobs = [Waiting(found.scheduler.pid)]
        with pytest.raises(DataContractError, match=r"was lost[\s\S]*finished work is kept"):
            list(parallel.run(jobs, parallel.Scheduler(found.address), "jobs"))


class Waiting(Square):
    """Kills the scheduler, and waits."""

    def run(self) -> int:
        os.kill(self.number, signal.SIGKILL)
        time.sleep(60)
        return 0


def test_two_places_at_once_are_refused():
    with pytest.raises(DataContractError, match="leave --jobs out"):
        work_place(2, "tcp://10.0.0.1:8786")


def _wait_for_workers(address):
    from distributed import Client

    with Client(address, timeout=120, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=120)

"""Claims: one holder a job, a dead one's job is taken over, and its half-written files are gone."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from time import sleep, time

import pytest

from histoscribe.io import claims
from histoscribe.io.atomic import replacing
from histoscribe.io.claims import STALE_S, claim, holder
from histoscribe.io.process import ProcessName, this_process

HOLDING = """
import sys, time
from pathlib import Path
from histoscribe.io.atomic import replacing
from histoscribe.io.claims import claim
with claim(Path(sys.argv[1]), "job"), replacing(Path(sys.argv[1]).with_name("result")) as half:
    half.write_text("half")
    print("holding", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "claims" / "job.claim"


@pytest.fixture
def other_process(path):
    """A process that holds the claim and has a file half-written."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "holding\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def left_by(path, process, age_s=0.0):
    """A claim of a process that nobody can ask."""
    held = claim(path, "job")
    text = json.loads(path.read_text())
    text["process"] |= {"machine": process.machine, "number": process.number}
    path.write_text(json.dumps(text))
    os.utime(path, (time() - age_s, time() - age_s))
    return held


def of_another_machine():
    return replace(this_process(), machine="elsewhere")


def test_a_job_has_one_holder_and_is_free_after_the_block(path):
    with claim(path, "job"):
        assert claim(path, "job") is None
    assert names(path.parent) == []
    assert claim(path, "job") is not None


def test_a_claim_is_given_back_after_an_error(path):
    with pytest.raises(RuntimeError), claim(path, "job"):
        raise RuntimeError
    assert names(path.parent) == []


def test_of_many_at_once_one_gets_the_job(path):
    barrier = Barrier(8)

    def attempt(_):
        barrier.wait()
        return claim(path, "job")

    with ThreadPoolExecutor(8) as pool:
        assert sum(held is not None for held in pool.map(attempt, range(8))) == 1


def test_of_many_at_once_one_takes_over(path):
    left_by(path, of_another_machine(), age_s=2 * STALE_S)
    barrier = Barrier(8)

    def attempt(_):
        barrier.wait()
        return claim(path, "job")

    with ThreadPoolExecutor(8) as pool:
        assert sum(held is not None for held in pool.map(attempt, range(8))) == 1
    assert names(path.parent) == [path.name]


def test_the_holder_is_named(path):
    with claim(path, "ridge of fold A"):
        assert holder(path).name == "ridge of fold A"
        assert holder(path).process == this_process()
        assert f"process {os.getpid()} on " in str(holder(path))
    assert holder(path) is None


def test_a_living_process_keeps_its_job_and_a_killed_one_loses_it(path, other_process):
    assert claim(path, "job") is None
    half = [name for name in names(path.parent) if name.startswith(".histoscribe-")]
    assert len(half) == 1
    other_process.send_signal(signal.SIGKILL)  # not waited for: a zombie is dead, too
    while claim(path, "job", results=path.parent) is None:
        sleep(0.01)
    assert names(path.parent) == [path.name]  # what was half-written is gone


def test_half_written_files_of_the_living_stay_when_a_job_is_taken_over(path):
    left_by(path, of_another_machine(), age_s=2 * STALE_S)
    with replacing(path.with_name("result")) as half:
        half.write_text("half")
        assert claim(path, "job", results=path.parent) is not None
        assert half.exists()


def test_a_number_that_is_used_again_is_another_process(path):
    held = claim(path, "job")
    text = json.loads(path.read_text())
    text["process"]["birth"] = "1"
    path.write_text(json.dumps(text))
    assert not held.is_valid
    assert claim(path, "job") is not None


@pytest.mark.parametrize("text", ["", "{", '{"process": 3}'])
def test_a_claim_without_content_is_taken_over_by_its_age(path, text):
    path.parent.mkdir()
    path.write_text(text)
    assert claim(path, "job") is None
    os.utime(path, (time() - 2 * STALE_S, time() - 2 * STALE_S))
    assert claim(path, "job") is not None


def test_a_claim_of_another_machine_stays_until_it_is_stale(path):
    left_by(path, of_another_machine(), age_s=0.5 * STALE_S)
    assert claim(path, "job") is None
    os.utime(path, (time() - 2 * STALE_S, time() - 2 * STALE_S))
    assert claim(path, "job") is not None


def test_a_holder_touches_its_claim(path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT_S", 0.01)
    with claim(path, "job"):
        os.utime(path, (0, 0))
        for _ in range(500):
            if path.stat().st_mtime > 0:
                break
            sleep(0.01)
        assert path.stat().st_mtime > 0


def test_who_lost_a_job_leaves_the_claim_of_the_next_one(path):
    slept = left_by(path, of_another_machine(), age_s=2 * STALE_S)
    with slept:
        assert claim(path, "job") is not None
        assert not slept.is_valid
    assert holder(path).process == this_process()


def test_a_process_that_died_in_its_turn_stops_the_others_for_a_while_only(path):
    left_by(path, of_another_machine(), age_s=2 * STALE_S)
    turn = path.with_name(f".{path.name}.next")
    turn.write_text("")
    assert claim(path, "job") is None
    os.utime(turn, (time() - 2 * STALE_S, time() - 2 * STALE_S))
    assert claim(path, "job") is None  # removes the turn ...
    assert claim(path, "job") is not None  # ... and this takes the job


def test_another_process_of_this_machine_is_told_living_from_dead():
    assert this_process().is_gone is False
    assert of_another_machine().is_gone is None
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    ended = ProcessName(host="h", machine=this_process().machine, number=process.pid, birth="12345")
    assert ended.is_gone is True

"""The table of jobs: done, failed with reason, left; of several calls at once, too."""

import subprocess
import sys

import pytest

from histoscribe.errors import Problem
from histoscribe.io import work_state as module
from histoscribe.io.work_state import FILES, LEFT, JobState, WorkState, read_states, work_state

PROBLEMS = (
    Problem("slide B", "no such file: /x/*B*.svs", "a slide", "check the path"),
    Problem("slide B", "=found,\nwith a line end", "a | b", "look"),
)
SHARD = """
import sys
from pathlib import Path
from histoscribe.io.work_state import work_state
number, total = int(sys.argv[2]), int(sys.argv[3])
jobs = [f"slide {n:02d}" for n in range(20)]
with work_state(Path(sys.argv[1]), "slides", jobs) as states:
    for job in jobs[number::total]:
        states.done(job)
        states.write()
"""


def states_of(folder):
    return dict(read_states(folder / "state.csv"))


def test_every_job_is_done_failed_or_left(tmp_path):
    with work_state(tmp_path, "slides", ["C", "A", "B"]) as states:
        assert states_of(tmp_path) == {"A": LEFT, "B": LEFT, "C": LEFT}
        states.done("A")
        states.failed("B", PROBLEMS)
    assert states_of(tmp_path) == {
        "A": JobState("done"),
        "B": JobState("failed", PROBLEMS),
        "C": LEFT,
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_the_page_says_what_failed_and_why(tmp_path):
    with work_state(tmp_path, "slides", ["A", "B", "C"]) as states:
        states.done("A")
        states.failed("B", PROBLEMS)
    page = (tmp_path / "summary.md").read_text()
    assert page.startswith("# slides\n\n3 in all: 1 done, 1 failed, 1 left.")
    assert "no such file: /x/\\*B\\*.svs" in page
    assert "what to do: check the path" in page
    assert "=found,\\\\nwith a line end" in page
    assert page.index("## Failed") < page.index("- B") < page.index("## Left") < page.index("- C")


def test_a_stopped_call_leaves_its_states(tmp_path):
    def stopped():
        with work_state(tmp_path, "slides", ["A", "B"]) as states:
            states.done("A")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert states_of(tmp_path) == {"A": JobState("done"), "B": LEFT}


def test_a_call_that_stops_before_any_work_leaves_nothing(tmp_path):
    def stopped():
        with work_state(tmp_path, "slides", ["A", "B"]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_failed_and_is_done_later_is_done(tmp_path):
    for problems in (PROBLEMS, ()):
        with work_state(tmp_path, "slides", ["A"]) as states:
            states.failed("A", problems) if problems else states.done("A")
    assert states_of(tmp_path) == {"A": JobState("done")}


def test_calls_in_one_folder_are_one_table(tmp_path):
    for job in ("A", "B"):
        with work_state(tmp_path, "slides", [job]) as states:
            states.done(job)
    assert states_of(tmp_path) == {"A": JobState("done"), "B": JobState("done")}


def test_shards_at_once_write_the_table_of_one_call(tmp_path):
    command = [sys.executable, "-c", SHARD]
    subprocess.run([*command, str(tmp_path / "one"), "0", "1"], check=True)
    shards = [
        subprocess.Popen([*command, str(tmp_path / "three"), str(number), "3"])
        for number in range(3)
    ]
    assert [shard.wait() for shard in shards] == [0, 0, 0]
    for name in FILES:
        assert (tmp_path / "three" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_the_table_is_written_from_time_to_time(tmp_path, monkeypatch):
    states = WorkState(tmp_path, "slides", ["A", "B"])
    states.done("A")
    assert not (tmp_path / "state.csv").exists()
    monkeypatch.setattr(module, "_EVERY_S", -1.0)
    states.done("B")
    assert states_of(tmp_path) == {"A": JobState("done"), "B": JobState("done")}


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "job,state,where,found,expected,remedy\nA,done\n"]
)
def test_a_table_that_somebody_changed_is_written_anew(tmp_path, text):
    (tmp_path / "state.csv").write_text(text)
    with work_state(tmp_path, "slides", ["A"]) as states:
        states.done("A")
    assert states_of(tmp_path) == {"A": JobState("done")}

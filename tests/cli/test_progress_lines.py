"""Progress without a terminal: lines in a log."""

from types import SimpleNamespace

import pytest

from histoscribe.cli.progress_lines import ProgressLines


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def lines_of(clock, loops):
    """The lines of loops, each `(what, items, seconds of an item)`."""
    lines = []
    progress = ProgressLines(lines.append, clock)
    for what, items, seconds in loops:
        for _ in progress.draw(items, what, len(items)):
            clock.now += seconds
    return lines


def test_every_named_step_has_a_line_with_the_time_left(clock):
    cells = [(SimpleNamespace(name="P1"), "mlp"), (SimpleNamespace(name="P2"), "mlp")]
    assert lines_of(clock, [("models x folds", cells, 30.0)]) == [
        "models x folds: 1 of 2 (P1, mlp), 30 s, about 30 s left",
        "models x folds: 2 of 2 (P2, mlp), 60 s",
    ]


def test_quick_steps_share_a_line_and_quick_loops_have_none(clock):
    sections = [f"S{number}" for number in range(1, 9)]
    loops = [("hashes", sections[:3], 0.125), ("features", sections, 0.5)]
    assert lines_of(clock, loops) == [
        "features: 4 of 8 (S4), 2 s, about 2 s left",
        "features: 8 of 8 (S8), 4 s",
    ]


def test_steps_without_a_name_have_a_line_now_and_then(clock):
    assert lines_of(clock, [("epochs of mlp", range(30), 1.0)]) == [
        "epochs of mlp: 10 of 30, 10 s, about 20 s left",
        "epochs of mlp: 20 of 30, 20 s, about 10 s left",
        "epochs of mlp: 30 of 30, 30 s",
    ]


def test_work_within_a_step_is_heard_where_the_step_takes_minutes(clock):
    lines = []
    progress = ProgressLines(lines.append, clock)
    for _ in progress.draw(["mlp"], "models x folds", 1):
        for _ in progress.draw(range(100), "epochs of mlp, at most", 100):
            clock.now += 1.5
    assert lines == [
        "  epochs of mlp, at most: 40 of 100, 60 s, about 90 s left",
        "  epochs of mlp, at most: 80 of 100, 2 min, about 30 s left",
        "models x folds: 1 of 1 (mlp), 2.5 min",
    ]


def test_a_loop_that_ends_early_is_over(clock):
    lines = []
    progress = ProgressLines(lines.append, clock)
    early = progress.draw(range(5), "early", 5)
    next(early)
    early.close()
    for _ in progress.draw(["S1"], "later", 1):
        clock.now += 3
    assert lines == ["later: 1 of 1 (S1), 3 s"]


def test_a_quick_step_after_a_long_silence_has_no_line(clock):
    lines = []
    progress = ProgressLines(lines.append, clock)
    clock.now = 30.0
    for _ in progress.draw(["S1", "S2"], "panels", 2):
        clock.now += 0.2
    assert lines == []

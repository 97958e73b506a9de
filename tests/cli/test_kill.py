"""Embed, train, benchmark and predict, killed at any time and started again: the same files."""

import pytest

from histoscribe.seed import stream
from tests.cli.killing import finish, kill, start, tree
from tests.cli.scene import OF_SECTIONS, Scene

VERBS = ("embed", "train", "benchmark", "predict", "predict-slide")
READERS = ("check", "report", "explain")
"""Verbs of the slow tests that read what others wrote, and write pictures and pages."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def uninterrupted(scene, tmp_path_factory):
    """Seconds and files of each verb that nothing stops."""
    found = {}
    for verb in VERBS:
        folder = tmp_path_factory.mktemp(verb)
        seconds = finish(scene.arguments(verb, folder / "out"), folder / "cache")
        found[verb] = seconds, tree(folder)
    return found


def killed_folder(scene, verb, folder, seconds, use):
    """Where the verb was killed at a time drawn from its duration; a quicker run is drawn again."""
    draw = stream(0, use)
    for attempt in range(20):
        again = folder / str(attempt)
        scene.lay(verb, again / "out")
        after = draw.uniform(0, seconds * 0.9**attempt)
        if kill(scene.arguments(verb, again / "out"), again / "cache", after):
            return again
    raise AssertionError(f"{verb} is over before it can be killed")


def check_kills(scene, uninterrupted, verb, tmp_path, numbers):
    seconds, expected = uninterrupted[verb]
    for number in numbers:
        use = f"kill-{verb}-{number}"
        folder = killed_folder(scene, verb, tmp_path / str(number), seconds, use)
        finish(scene.arguments(verb, folder / "out"), folder / "cache")
        assert tree(folder) == expected, use


@pytest.mark.parametrize("verb", VERBS)
def test_a_killed_verb_started_again_ends_in_the_same_files(scene, uninterrupted, verb, tmp_path):
    check_kills(scene, uninterrupted, verb, tmp_path, range(1))


@pytest.mark.slow
def test_a_slide_killed_as_one_section_ends_in_the_same_files(scene, tmp_path):
    arguments = scene.arguments(OF_SECTIONS, tmp_path / "out" / "out")
    seconds = finish(arguments, tmp_path / "out" / "cache")
    known = {OF_SECTIONS: (seconds, tree(tmp_path / "out"))}
    check_kills(scene, known, OF_SECTIONS, tmp_path, range(25))


@pytest.mark.slow
@pytest.mark.parametrize("verb", READERS)
def test_a_verb_that_reads_results_killed_at_20_times_ends_in_the_same_files(scene, verb, tmp_path):
    scene.lay(verb, tmp_path / "whole" / "out")
    arguments = scene.arguments(verb, tmp_path / "whole" / "out")
    seconds = finish(arguments, tmp_path / "whole" / "cache")
    check_kills(scene, {verb: (seconds, tree(tmp_path / "whole"))}, verb, tmp_path, range(20))


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_killed_at_24_more_times_ends_in_the_same_files(
    scene, uninterrupted, verb, tmp_path
):
    check_kills(scene, uninterrupted, verb, tmp_path, range(1, 25))


@pytest.mark.parametrize(
    "verb",
    ["benchmark", *(pytest.param(v, marks=pytest.mark.slow) for v in VERBS if v != "benchmark")],
)
def test_a_verb_killed_again_and_again_ends_in_the_same_files(scene, uninterrupted, verb, tmp_path):
    seconds, expected = uninterrupted[verb]
    arguments = scene.arguments(verb, tmp_path / "out")
    for share in (0.3, 0.5, 0.4):
        kill(arguments, tmp_path / "cache", share * seconds)
    finish(arguments, tmp_path / "cache")
    assert tree(tmp_path) == expected


def test_two_processes_that_embed_at_once_leave_what_one_would(scene, uninterrupted, tmp_path):
    arguments = scene.arguments("embed", tmp_path / "out")
    both = [start(arguments, tmp_path / "cache") for _ in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert tree(tmp_path) == uninterrupted["embed"][1]


def test_what_a_writer_of_the_cache_left_when_killed_does_not_stop_the_other(
    scene, uninterrupted, tmp_path
):
    arguments = scene.arguments("embed", tmp_path / "out")
    seconds, expected = uninterrupted["embed"]
    other = start(arguments, tmp_path / "cache")
    kill(arguments, tmp_path / "cache", seconds / 2)
    other.join()
    assert other.exitcode == 0
    finish(arguments, tmp_path / "cache")  # what the killed one left last goes with the next start
    assert tree(tmp_path) == expected

"""Work shared by the workers of a cluster, or by shards: the files of one process."""

import json

import pytest

from histoscribe.seed import stream
from tests.cli.killing import finish, start, tree
from tests.cli.scene import Scene
from tests.cluster import cluster

VERBS = ("embed", "predict", "predict-slide", "benchmark")


class OneProcess:
    """Seconds and files of each verb in one process, made when a test needs them."""

    def __init__(self, scene, tmp_path_factory):
        self._scene, self._folders, self._known = scene, tmp_path_factory, {}

    def __getitem__(self, verb):
        if verb not in self._known:
            folder = self._folders.mktemp(verb)
            seconds = finish(self._scene.arguments(verb, folder / "out"), folder / "cache")
            self._known[verb] = seconds, tree(folder)
        return self._known[verb]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def one_process(scene, tmp_path_factory):
    return OneProcess(scene, tmp_path_factory)


@pytest.fixture
def workers():
    with cluster(2) as found:
        yield found


def check_kills(scene, one_process, workers, verb, folder, n_kills):
    """Kill workers at drawn times; the files are those of one process."""
    draw, (seconds, expected) = stream(0, f"workers-{verb}-{n_kills}"), one_process[verb]
    arguments = [*scene.arguments(verb, folder / "out"), "--scheduler", workers.address]
    for _ in range(n_kills):
        process = start(arguments, folder / "cache")
        process.join(draw.uniform(0.2, 1) * seconds)
        workers.kill_worker(int(draw.integers(2)))
        process.join()
        if n_kills > 2 and process.exitcode == 0:  # finished: the next kill meets new work
            assert tree(folder) == expected
            folder = folder / "again"
            arguments = [*scene.arguments(verb, folder / "out"), "--scheduler", workers.address]
    finish(arguments, folder / "cache")
    assert tree(folder) == expected


def test_a_benchmark_on_two_workers_of_which_one_is_killed_leaves_the_same_files(
    scene, one_process, workers, tmp_path
):
    check_kills(scene, one_process, workers, "benchmark", tmp_path, 1)
    out = tmp_path / "out"
    record = json.loads((out / "run.json").read_text())
    assert record["scheduler"] == workers.address
    assert {worker["device"] for worker in record["workers"]} == {"cpu"}
    told = [p.name for p in out.rglob("*") if p.is_file() and b"scheduler" in p.read_bytes()]
    assert told == ["run.json"]


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_two_workers_leave_the_files_of_one_process(scene, one_process, workers, verb, tmp_path):
    check_kills(scene, one_process, workers, verb, tmp_path, 0)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["embed", "predict", "benchmark"])
def test_workers_killed_at_20_times_leave_the_files_of_one_process(
    scene, one_process, workers, verb, tmp_path
):
    check_kills(scene, one_process, workers, verb, tmp_path, 20)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["embed", "predict", "benchmark"])
def test_a_killed_scheduler_stops_the_work_and_a_new_one_finishes_it(
    scene, one_process, verb, tmp_path
):
    seconds, expected = one_process[verb]
    with cluster(2) as first:
        arguments = [*scene.arguments(verb, tmp_path / "out"), "--scheduler", first.address]
        process = start(arguments, tmp_path / "cache")
        process.join(seconds / 4)
        first.kill_scheduler()
        process.join()
        assert process.exitcode != 0
    with cluster(2) as second:
        arguments[-1] = second.address
        finish(arguments, tmp_path / "cache")
    assert tree(tmp_path) == expected


@pytest.mark.parametrize(
    "verb", ["predict", *(pytest.param(v, marks=pytest.mark.slow) for v in VERBS if v != "predict")]
)
def test_shards_leave_the_files_of_one_process(scene, one_process, verb, tmp_path):
    for shard in ("2/2", "1/2"):
        finish([*scene.arguments(verb, tmp_path / "out"), "--shard", shard], tmp_path / "cache")
    assert tree(tmp_path) == one_process[verb][1]


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_shards_at_once_of_which_one_is_killed_leave_the_files_of_one_process(
    scene, one_process, verb, tmp_path
):
    seconds, expected = one_process[verb]
    arguments = scene.arguments(verb, tmp_path / "out")
    shards = [start([*arguments, "--shard", f"{n}/3"], tmp_path / "cache") for n in (1, 2, 3)]
    shards[1].join(seconds / 2)
    shards[1].kill()
    for shard in shards:
        shard.join()
    finish(arguments, tmp_path / "cache")
    assert tree(tmp_path) == expected

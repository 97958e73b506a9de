"""Work shared by the workers of a cluster, or by shards: the files of one process."""

import pytest

from tests.cli.killing import finish, tree
from tests.cli.scene import Scene
from tests.cluster import cluster

VERBS = ("embed", "predict", "predict-slide", "benchmark")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def of_one_process(scene, tmp_path_factory):
    """Files of each verb that one process leaves."""
    found = {}
    for verb in VERBS:
        folder = tmp_path_factory.mktemp(verb)
        finish(scene.arguments(verb, folder / "out"), folder / "cache")
        found[verb] = tree(folder)
    return found


@pytest.fixture(scope="module")
def workers():
    with cluster(2) as found:
        yield found


@pytest.mark.parametrize("verb", VERBS)
def test_two_workers_leave_the_files_of_one_process(scene, of_one_process, workers, verb, tmp_path):
    arguments = [*scene.arguments(verb, tmp_path / "out"), "--scheduler", workers.address]
    finish(arguments, tmp_path / "cache")
    assert tree(tmp_path) == of_one_process[verb]


@pytest.mark.parametrize("verb", VERBS)
def test_shards_leave_the_files_of_one_process(scene, of_one_process, verb, tmp_path):
    for shard in ("2/2", "1/2"):
        finish([*scene.arguments(verb, tmp_path / "out"), "--shard", shard], tmp_path / "cache")
    assert tree(tmp_path) == of_one_process[verb]

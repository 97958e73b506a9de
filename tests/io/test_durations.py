"""How long the last run took."""

from histoscribe.io.durations import keep_duration, last_duration


def test_only_the_same_run_is_told_its_time(tmp_path):
    files = {"settings.toml": "seed = 0", "folds.json": "[]"}
    assert last_duration(tmp_path, files) is None
    keep_duration(tmp_path, files, 12.34)
    assert last_duration(tmp_path, files) == 12.3
    assert last_duration(tmp_path, {**files, "folds.json": "[1]"}) is None


def test_a_cache_that_cannot_be_written_or_read_ends_no_run(tmp_path):
    (tmp_path / "durations").write_text("a file where the folder should be")
    keep_duration(tmp_path, {}, 1.0)
    assert last_duration(tmp_path, {}) is None

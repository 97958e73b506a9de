import numpy as np

from histoscribe.progress import drawn_by, track
from histoscribe.train.fit import fit
from histoscribe.train.settings import RunSettings, TrainSettings
from tests.contracts.tables import planted_table


def test_a_loop_is_silent_and_whole_without_a_drawer():
    assert list(track(np.arange(3), "numbers")) == [0, 1, 2]


def test_every_epoch_of_a_network_is_told_and_the_loop_is_closed(tmp_path):
    told, closed = [], []

    def draw(items, what, total):
        try:
            for item in items:
                told.append((what, item, total))
                yield item
        finally:
            closed.append(what)

    settings = RunSettings(
        cohort="none",
        models=("mlp",),
        settings={"mlp": {"preset": "tiny"}},
        train=TrainSettings(epochs=4, patience=4),
    )
    with drawn_by(draw):
        fit(settings.row("mlp"), planted_table(), settings, tmp_path)
    assert told == [("epochs of mlp, at most", epoch, 4) for epoch in range(4)]
    assert closed == ["epochs of mlp, at most"]

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from histoscribe.progress import drawn_by, tell, track
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


class Shell:
    """What the kernel of a notebook has and a script has not."""

    kernel = None
    execution_count = 1


class Notebook(ModuleType):
    """IPython in a kernel; it keeps what is displayed, by place."""

    def __init__(self):
        super().__init__("IPython")
        self.shown, self.shell = [], Shell()
        self.display = SimpleNamespace(display=self.place)

    def get_ipython(self):
        return self.shell

    def place(self, content, raw, display_id=False):
        self.shown.append([content])
        return SimpleNamespace(update=lambda content, raw: self.shown[-1].append(content))


@pytest.fixture
def notebook(monkeypatch):
    module = Notebook()
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setattr("histoscribe.notebook_bars._SECONDS", 0.0)
    return module


def test_a_notebook_draws_loops_without_being_told_to_and_clears_them(notebook):
    for _ in track("ab", "<folds>"):
        assert list(track(range(2), "epochs")) == [0, 1]
    (place,) = notebook.shown
    assert "&lt;folds&gt; 0/2" in place[0]["text/html"]
    assert any("folds> 1/2 · 0:00 left\nepochs 1/2" in content["text/plain"] for content in place)
    assert place[-1] == {"text/html": "", "text/plain": ""}
    notebook.shell.execution_count += 1
    assert list(track("c", "next cell")) == ["c"]
    assert len(notebook.shown) == 2


def test_a_message_stays_in_a_notebook(notebook):
    tell("about 3 min")
    assert notebook.shown == [[{"text/plain": "about 3 min"}]]


def test_a_terminal_of_ipython_is_no_notebook(notebook):
    notebook.shell = SimpleNamespace(execution_count=1)
    assert list(track("ab", "letters")) == ["a", "b"]
    assert notebook.shown == []


def test_who_draws_goes_before_the_notebook(notebook):
    with drawn_by(lambda items, what, total: (item for item in items)):
        assert list(track("ab", "letters")) == ["a", "b"]
    assert notebook.shown == []

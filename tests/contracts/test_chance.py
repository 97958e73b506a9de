"""Nothing from nothing: no question raises more alarms than chance, and each finds what is there.

Every question has `tests/explain/<question>/chance.py`: `NULLS` (a seed -> whether the question
raised an alarm where there is nothing), `PLANTED` (asserts that something planted is found) and
`NOT_APPLICABLE` (a null -> why the question has none of this kind).
"""

from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec

import pytest

from histoscribe.explain import run
from histoscribe.explain.questions import QUESTIONS

KINDS = ("random-weights", "permuted-patients", "null-family")
N_RUNS, MOST_ALARMS = 40, 7
"""At 5 %, more than seven alarms in forty runs come once in 1,400 times."""
MOST_POOLED = 0.07


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 20)
    monkeypatch.setattr("histoscribe.explain.windows.MOST_WINDOWS", 8)


def chance_of(name):
    """What the tests of a question say of chance."""
    return import_module(_file_of(name))


def pairs(attribute):
    """Name of a question and of each entry of this attribute of its file, if it has the file."""
    files = [(of.name, find_spec(_file_of(of.name))) for of in QUESTIONS]
    names = [name for name, file in files if file is not None]
    return [(name, key) for name in names for key in getattr(chance_of(name), attribute)]


def _file_of(name):
    return f"tests.explain.{name.replace('-', '_')}.chance"


@cache
def alarms(name, null):
    """Number of runs with an alarm."""
    raised = chance_of(name).NULLS[null]
    return sum(raised(seed) for seed in range(N_RUNS))


@pytest.mark.parametrize("name", [of.name for of in QUESTIONS])
def test_a_question_has_every_null_or_a_reason_and_something_planted(name):
    chance = chance_of(name)
    assert sorted([*chance.NULLS, *chance.NOT_APPLICABLE]) == sorted(KINDS)
    assert chance.NULLS
    assert chance.PLANTED
    assert all(len(reason.split()) > 5 for reason in chance.NOT_APPLICABLE.values())


@pytest.mark.parametrize("name", [of.name for of in QUESTIONS])
def test_a_question_is_asked_where_there_is_nothing_and_leaves_every_network_as_it_was(
    name, monkeypatch
):
    answers = []

    def watched(question, request, settings, out):
        before = [state_of(predictor) for predictor in request.predictors]
        answers.append(answer(question, request, settings, out))
        assert [state_of(predictor) for predictor in request.predictors] == before
        return answers[-1]

    answer = run._answer
    monkeypatch.setattr(run, "_answer", watched)
    raised = next(iter(chance_of(name).NULLS.values()))
    assert raised(0) in (True, False)
    assert name in {finding.question for finding in answers}


def state_of(predictor):
    """Weights, modes, hooks and gradients of the networks of a predictor."""
    nets = [*predictor.fitted.members, *([predictor._encoder] if predictor._encoder else [])]
    modules = [module for net in nets for module in net.modules()]
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    values = [value for net in nets for value in net.state_dict().values()]
    return (
        [module.training for module in modules],
        [len(getattr(module, name)) for module in modules for name in hooks],
        ["forward" in vars(module) for module in modules],
        [(of.requires_grad, of.grad is None) for net in nets for of in net.parameters()],
        [sha256(value.detach().cpu().numpy().tobytes()).hexdigest() for value in values],
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "planted"), pairs("PLANTED"))
def test_what_was_planted_is_found(name, planted):
    chance_of(name).PLANTED[planted]()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "null"), pairs("NULLS"))
def test_alarms_are_no_more_than_chance(name, null):
    assert alarms(name, null) <= MOST_ALARMS


@pytest.mark.slow
def test_alarms_of_all_questions_together_are_no_more_than_chance():
    found = {pair: alarms(*pair) for pair in pairs("NULLS")}
    assert sum(found.values()) / (N_RUNS * len(found)) <= MOST_POOLED, found

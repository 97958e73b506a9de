import inspect
import pydoc
import subprocess
import sys

import pytest

import histoscribe as hs

OPEN = ("create_model", "explain")


@pytest.mark.parametrize("name", hs.__all__)
def test_every_public_name_can_be_called_and_says_how(name):
    assert callable(getattr(hs, name))
    parameters = inspect.signature(getattr(hs, name)).parameters.values()
    assert not any(p.kind is p.VAR_POSITIONAL for p in parameters)
    # settings of a model or a question depend on its name
    assert name in OPEN or not any(p.kind is p.VAR_KEYWORD for p in parameters)


@pytest.mark.parametrize("name", hs.__all__)
def test_every_public_name_has_a_description_with_an_example(name):
    text = inspect.getdoc(getattr(hs, name))
    assert "Examples\n--------\n>>> " in text


def test_help_of_a_room_is_that_of_its_function():
    text = pydoc.render_doc(hs.benchmark, renderer=pydoc.plaintext)
    assert "benchmark(cohort=None, models=None, *, out=None, settings=None" in text
    assert "Score models on patients" in text
    assert next(iter(inspect.signature(hs.train).parameters)) == "cohort"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'benchmrk'"):
        _ = hs.benchmrk


def test_a_room_answers_for_its_function_whichever_is_imported_first(tmp_path):
    script = (
        "import histoscribe as hs, inspect\n"
        "import histoscribe.simulate.cohort, histoscribe.benchmark.run\n"
        f"print(hs.simulate({str(tmp_path)!r},"
        " n_patients=1, spots_per_section=12, genes_per_family=1).name)\n"
        "print(histoscribe.benchmark.run.benchmark.__name__)\n"
        "print('target' in inspect.signature(hs.benchmark).parameters)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["cohort.csv", "benchmark", "True"]

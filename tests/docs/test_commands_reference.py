"""The page of commands has every verb, and every question with its options."""

from pathlib import Path

import pytest

from histoscribe.cli.main import VERBS
from histoscribe.cli.settings_options import option_name
from histoscribe.explain.questions import QUESTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "commands.md").read_text("utf-8")


@pytest.mark.parametrize("verb", [verb.__name__.rpartition(".")[2] for verb in VERBS])
def test_every_verb_is_on_the_page(verb):
    assert f"## `histoscribe {verb}`" in PAGE


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_every_question_is_on_the_page_with_its_options(question):
    _, _, after = PAGE.partition(f"### `histoscribe explain {question.name}`")
    words, _, _ = after.partition("\n## ")
    assert question.summary in words
    for name, field in question.settings.model_fields.items():
        assert f"* `{option_name(name, field)}" in words

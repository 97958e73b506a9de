"""The questions by name, and the folder that an answer is written to."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.exemplars.question import ask_exemplars
from histoscribe.explain.finding import Finding
from histoscribe.explain.latent.question import ask_latent
from histoscribe.explain.request import ExplainRequest, Question
from histoscribe.io.run_folder import claimed
from histoscribe.predictor.facts import spots_hash

QUESTIONS: Mapping[str, Callable[[ExplainRequest], Question]] = {
    "exemplars": ask_exemplars,
    "latent": ask_latent,
}


def explain(question: str, asked: ExplainRequest, out: Path) -> Finding:
    """Answer a question about a predictor; `out` then holds figure, table and `finding.json`.

    The same question gives the same bytes; a folder is for one question for ever.

    Raises
    ------
    DataContractError
        An unknown question or a wish it does not have; a predictor, cohort, section, gene, spot
        or label that does not do; a folder that holds another answer.
    """
    if question not in QUESTIONS:
        known = ", ".join(QUESTIONS)
        raise DataContractError(
            Problem(f"QUESTION {question}", "no such question", f"one of {known}", "choose one")
        )
    ready = QUESTIONS[question](asked)
    images = {section.id: section.slide.pixel_hash() for section in ready.sections}
    spots = {section.id: spots_hash(section) for section in ready.sections}
    record = {"question": question, **ready.about, "images": images, "spots": spots}
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    with claimed(out, {"asked.json": text}):
        finding = ready.answer(out)
        finding.write(out)
    return finding

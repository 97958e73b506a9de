"""The questions that can be put to predictors; a new one is added to `QUESTIONS`.

The command line reads this file to list the questions, so it imports nothing heavy.
"""

from difflib import get_close_matches

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.concepts.question import CONCEPTS
from histoscribe.explain.discover.question import DISCOVER
from histoscribe.explain.exemplars.question import EXEMPLARS
from histoscribe.explain.faults.question import FAULTS
from histoscribe.explain.genes.question import GENES
from histoscribe.explain.grad_cam.question import GRAD_CAM
from histoscribe.explain.graph.question import GRAPH
from histoscribe.explain.latent.question import LATENT
from histoscribe.explain.layers.question import LAYERS
from histoscribe.explain.levels.question import LEVELS
from histoscribe.explain.memory.question import MEMORY
from histoscribe.explain.pathways.question import PATHWAYS
from histoscribe.explain.question import Question
from histoscribe.explain.robust.question import ROBUST
from histoscribe.explain.subtypes.question import SUBTYPES
from histoscribe.explain.together.question import TOGETHER
from histoscribe.explain.where.question import WHERE

QUESTIONS: tuple[Question, ...] = (
    WHERE,
    LEVELS,
    CONCEPTS,
    LAYERS,
    SUBTYPES,
    MEMORY,
    FAULTS,
    DISCOVER,
    PATHWAYS,
    TOGETHER,
    ROBUST,
    EXEMPLARS,
    GENES,
    LATENT,
    GRAD_CAM,
    GRAPH,
)


def find_question(name: str) -> Question:
    """Find a question by its name.

    Raises DataContractError that lists the questions where there is none of this name.
    """
    by_name = {question.name: question for question in QUESTIONS}
    if name not in by_name:
        near = get_close_matches(name, by_name, n=2, cutoff=0.5)
        raise DataContractError(
            Problem(
                where=f"question {name}",
                found="no question has this name",
                expected=f"one of {', '.join(by_name)}",
                remedy=f"did you mean {' or '.join(near)}?" if near else "choose one of these",
            )
        )
    return by_name[name]

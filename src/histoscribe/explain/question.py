"""What a question is: its name, its settings, and the function that plans its answer.

The command line reads this file to list the questions, so it imports nothing heavy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

from pydantic import BeforeValidator

from histoscribe.strict import StrictSettings

if TYPE_CHECKING:
    from histoscribe.explain.request import AnswerPlan, ExplainRequest


@final
@dataclass(frozen=True, kw_only=True)
class Question:
    """A question that `explain` can answer."""

    name: str
    """Name of the sub-command."""
    summary: str
    """One line: what the answer tells."""
    settings: type[StrictSettings]
    """The fields are the options of the sub-command; the text below a field is its help."""
    plan: "Callable[[ExplainRequest, Any], AnswerPlan]"
    """Checks the request and the settings, before the long work, and says what to do."""
    predictors: Literal["none", "one", "at least one", "any number"] = "one"
    """How many predictors the question takes."""
    needs_cohort: bool = True
    """False for a question that can be answered without sections."""
    bulk: Literal["none", "optional", "required"] = "none"
    """Whether it reads a table of bulk expression."""

    def __post_init__(self) -> None:
        for name, field in self.settings.model_fields.items():
            if name in _TAKEN:
                raise ValueError(f"{name} is no name for a setting: every question has it already")
            if not field.description:
                raise ValueError(f"the setting {name} of {self.name} has no text below it")

    @property
    def needs(self) -> str:
        """What must be given, in words, e.g. `one predictor, a cohort`."""
        predictors = {"one": "one predictor", "at least one": "one or more predictors"}
        optional = {"any number": "predictors if wished"}
        bulk = {"required": "bulk expression", "optional": "bulk expression if wished"}
        parts = (
            (predictors | optional).get(self.predictors),
            "a cohort" if self.needs_cohort else None,
            bulk.get(self.bulk),
        )
        return ", ".join(part for part in parts if part)


_TAKEN = {
    *("question", "predictors", "cohort", "bulk", "out"),
    *("inputs", "out_folder", "overrides", "set", "weights", "plugin", "help", "findings"),
}
"""Names that `explain` has for every question, in Python and on the command line."""


def listed(value: object) -> object:
    """One text alone as a list of it."""
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(listed)]
"""Type of a setting that takes several names; one name alone need not be in a list."""

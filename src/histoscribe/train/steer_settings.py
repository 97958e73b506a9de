"""Settings of concepts that steer training."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from histoscribe.data.tile_measures.measures import MEASURES
from histoscribe.data.tile_measures.section_measures import STAIN, STAIN_STRENGTHS
from histoscribe.near_names import each_meant
from histoscribe.strict import StrictSettings

CLASSES = ("patient", "site")
"""Concepts that are classes: those of a spot are the patient and the site of its section."""
Weight = Annotated[float, Field(ge=0)]


class SteerSettings(StrictSettings):
    """Concepts to learn and concepts to unlearn in the training of networks; none by default.

    Estimators have no gradient: they are fitted as without this table.
    """

    learn: tuple[str, ...] = ()
    """Measures of tiles that a linear layer predicts from the representation, e.g.
    `nuclear_density`; the network learns to represent them.
    """
    unlearn: tuple[str, ...] = ()
    """Measures of tiles, `stain` (strength of haematoxylin and eosin), `patient` or `site`: a small
    network predicts them from the representation, and gradient reversal makes the representation
    worse for it.
    """
    learn_weight: Weight = 1.0
    """Weight of each concept to learn: at 1 it counts as much as the loss of the genes, both
    divided by their running means.
    """
    unlearn_weight: Weight = 1.0
    """Weight of each concept to unlearn, in the same unit. 0 trains only what predicts it and
    leaves the network as it is without: a probe of what training represents by itself.
    """

    @model_validator(mode="after")
    def _concepts_exist_once(self) -> "SteerSettings":
        if wrong := [*self._unknown(), *self._twice()]:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def is_used(self) -> bool:
        """Whether any concept is named."""
        return bool(self.learn or self.unlearn)

    @property
    def measures(self) -> tuple[str, ...]:
        """Measures of tiles that are read, each once."""
        return tuple(measure for name in (*self.learn, *self.unlearn) for measure in parts_of(name))

    def _unknown(self) -> Iterator[str]:
        measures = tuple(measure.name for measure in MEASURES)
        for key, known in (("learn", measures), ("unlearn", (*measures, STAIN, *CLASSES))):
            unknown = [name for name in getattr(self, key) if name not in known]
            if unknown:
                meant = each_meant(unknown, known, f"it may name {', '.join(known)}")
                yield f"steer.{key}: no concept {', '.join(unknown)}: {meant}"

    def _twice(self) -> Iterator[str]:
        named = (*self.learn, *self.unlearn)
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            yield f"steer: {', '.join(twice)} stands there twice: name a concept once"


def parts_of(concept: str) -> tuple[str, ...]:
    """Measures that a concept consists of; none for classes."""
    if concept in CLASSES:
        return ()
    return tuple(STAIN_STRENGTHS) if concept == STAIN else (concept,)

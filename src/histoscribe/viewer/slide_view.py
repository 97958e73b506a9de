"""One section to look at: its slide, its places and the values of its genes."""

from collections.abc import Callable
from dataclasses import dataclass

from histoscribe.io.byte_map import Blocks
from histoscribe.types import Head
from histoscribe.viewer.exemplars import ExemplarOrigin
from histoscribe.viewer.findings import ViewedFinding
from histoscribe.viewer.ground import Ground


@dataclass(frozen=True, eq=False, kw_only=True)
class GeneValues:
    """Values of every gene, read in blocks of rows when their maps are made."""

    identity: str
    """Everything that decides the values: the names of the files, their sizes and times."""
    predicted: Blocks
    measured: Blocks | None = None
    """In the same blocks of rows; None for a section that was not sequenced."""
    measured_unit: str | None = None

    def __post_init__(self) -> None:
        if (self.measured is None) != (self.measured_unit is None):
            raise ValueError("measured values have a unit")


@dataclass(frozen=True, eq=False, kw_only=True)
class SlideView:
    """One section to look at."""

    name: str
    """Section, and fold or model where two views are of one section."""
    head: Head
    values: GeneValues
    ground: Callable[[], Ground]
    """Opens what lies below the places; called once, when the section is first looked at."""
    has_slide: bool
    """Whether anything lies below the places."""
    exemplars: ExemplarOrigin | None = None
    """Where the exemplars of its places lie; None without any, or if that is unknown."""
    findings: tuple[ViewedFinding, ...] = ()
    """Answers of `explain` about the section."""

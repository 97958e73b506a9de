"""Answers to the requests of the page: plain functions of numbers, without any path."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from histoscribe.viewer.gene_maps import GeneMaps, Kind
from histoscribe.viewer.slide_view import SlideView
from histoscribe.viewer.viewed_section import ViewedSection

JSON, BYTES, JPEG = "application/json", "application/octet-stream", "image/jpeg"


@dataclass(frozen=True)
class Answer:
    """Content of a response."""

    kind: str
    """Media type."""
    body: bytes


def answer_json(content: Any) -> Answer:
    """Answer with plain values; NaN is refused, because browsers cannot read it."""
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Answer(JSON, text.encode())


class Answers:
    """Answers about the views of one page; a place that does not exist has None."""

    def __init__(self, views: Sequence[SlideView], cache: Path) -> None:
        self._sections = tuple(
            ViewedSection(index, view, GeneMaps(view, cache)) for index, view in enumerate(views)
        )

    def views(self) -> Answer:
        """`view.json`: the sections to choose from."""
        return answer_json(
            {
                "version": version("histoscribe"),
                "sections": [of.summary() for of in self._sections],
            }
        )

    def section(self, index: int) -> Answer | None:
        """`section.json`: everything of a section but its values."""
        return self._of(index, lambda of: answer_json(of.facts()))

    def places(self, index: int) -> Answer | None:
        """Centres of the places in px of the slide, float32 [N, 2]."""
        return self._of(index, lambda of: Answer(BYTES, of.ground.xy.astype("<f4").tobytes()))

    def place_ids(self, index: int) -> Answer | None:
        """`places.json`: the id of each place."""
        return self._of(index, lambda of: answer_json({"ids": list(of.view.head.spots.ids)}))

    def tile(self, index: int, level: int, column: int, row: int) -> Answer | None:
        """A tile of the slide."""
        return self._of(index, lambda of: _answer(JPEG, of.tile(level, column, row)))

    def gene(self, index: int, gene: int, kind: Kind) -> Answer | None:
        """Values of a gene at all places, see `io.byte_map`."""
        return self._of(index, lambda of: _answer(BYTES, of.gene(gene, kind)))

    def fact(self, index: int, number: int) -> Answer | None:
        """A fact of all places."""
        return self._of(index, lambda of: _answer(BYTES, of.fact(number)))

    def evidence(self, index: int, number: int, column: int) -> Answer | None:
        """Values of one evidence column at all places."""
        return self._of(index, lambda of: _answer(BYTES, of.evidence(number, column)))

    def finding_picture(self, index: int, number: int) -> Answer | None:
        """Picture of a finding about the section."""
        return self._of(index, lambda of: _answer(JPEG, of.finding_picture(number)))

    def exemplars(self, index: int, place: int) -> Answer | None:
        """Training spots that the model looked up for a place."""
        return self._of(index, lambda of: _exemplars(of.exemplars(place)))

    def exemplar_tile(self, index: int, place: int, rank: int) -> Answer | None:
        """Tile of one of them."""
        return self._of(index, lambda of: _answer(JPEG, of.exemplar_tile(place, rank)))

    def _of(self, index: int, answer: "Callable[[ViewedSection], Answer | None]") -> Answer | None:
        return answer(self._sections[index]) if index < len(self._sections) else None


def _exemplars(listed: list[dict[str, Any]] | None) -> Answer | None:
    return None if listed is None else answer_json({"exemplars": listed})


def _answer(kind: str, body: bytes | None) -> Answer | None:
    return None if body is None else Answer(kind, body)

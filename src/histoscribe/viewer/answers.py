"""Answers to the requests of the page: plain functions of numbers, without any path."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from histoscribe.io.byte_map import byte_message
from histoscribe.io.slides.deepzoom import TILE_PX
from histoscribe.viewer.gene_maps import GeneMaps, Kind
from histoscribe.viewer.section_facts import (
    EXEMPLARS,
    evidence_names,
    evidence_of,
    facts_of,
    genes_of,
)
from histoscribe.viewer.slide_view import SlideView

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
        self._sections = tuple(_Section(view, GeneMaps(view, cache)) for view in views)

    def views(self) -> Answer:
        """`view.json`: the sections to choose from."""
        return answer_json(
            {
                "version": version("histoscribe"),
                "sections": [of.summary(index) for index, of in enumerate(self._sections)],
            }
        )

    def section(self, index: int) -> Answer | None:
        """`section.json`: everything of a section but its values."""
        return self._of(index, lambda of: answer_json(of.facts()))

    def places(self, index: int) -> Answer | None:
        """Centres of the places in px of the slide, float32 [N, 2]."""
        return self._of(index, lambda of: Answer(BYTES, of.view.xy.astype("<f4").tobytes()))

    def tile(self, index: int, level: int, column: int, row: int) -> Answer | None:
        """A tile of the slide."""
        return self._of(index, lambda of: of.tile(level, column, row))

    def gene(self, index: int, gene: int, kind: Kind) -> Answer | None:
        """Values of a gene at all places, see `io.byte_map`."""
        return self._of(index, lambda of: of.gene(gene, kind))

    def fact(self, index: int, number: int) -> Answer | None:
        """A fact of all places."""
        return self._of(index, lambda of: of.fact(number))

    def evidence(self, index: int, number: int, column: int) -> Answer | None:
        """Values of one evidence column at all places."""
        return self._of(index, lambda of: of.evidence(number, column))

    def _of(self, index: int, answer: "Callable[[_Section], Answer | None]") -> Answer | None:
        return answer(self._sections[index]) if index < len(self._sections) else None


@dataclass(frozen=True, eq=False)
class _Section:
    """One section of the page."""

    view: SlideView
    maps: GeneMaps

    def summary(self, index: int) -> dict[str, Any]:
        view = self.view
        n_places, n_genes = view.head.shape
        return {
            "index": index,
            "id": view.name,
            "n_places": n_places,
            "n_genes": n_genes,
            "has_slide": view.zoom is not None,
            "has_measured": view.values.measured is not None,
            "warnings": list(view.warnings),
        }

    def facts(self) -> dict[str, Any]:
        view = self.view
        head = view.head
        return {
            "id": view.name,
            "slide": None if view.zoom is None else self._slide(),
            "n_places": len(head.spots),
            "shape": head.spots.shape,
            "diameter_px": view.diameter_px,
            "mpp": view.mpp,
            "unit": head.unit,
            "measured_unit": view.values.measured_unit,
            "kinds": list(self.maps.kinds),
            "predictor": head.predictor,
            "genes": genes_of(head, self.maps),
            "facts": facts_of(head),
            "evidence": evidence_of(head),
            "findings": [],
            "has_exemplars": EXEMPLARS in head.evidence,
        }

    def tile(self, level: int, column: int, row: int) -> Answer | None:
        body = None if self.view.zoom is None else self.view.zoom.jpeg_tile(level, column, row)
        return None if body is None else Answer(JPEG, body)

    def gene(self, gene: int, kind: Kind) -> Answer | None:
        if gene >= len(self.view.head.genes) or kind not in self.maps.kinds:
            return None
        return Answer(BYTES, self.maps.map(kind).message(gene))

    def fact(self, number: int) -> Answer | None:
        facts = list(self.view.head.spot_facts.values())
        return Answer(BYTES, byte_message(facts[number])) if number < len(facts) else None

    def evidence(self, number: int, column: int) -> Answer | None:
        names, of = evidence_names(self.view.head), self.view.head.evidence
        if number >= len(names) or column >= of[names[number]].shape[1]:
            return None
        return Answer(BYTES, byte_message(np.asarray(of[names[number]][:, column])))

    def _slide(self) -> dict[str, Any]:
        if self.view.zoom is None:
            raise ValueError("a view without a slide")
        zoom, slide = self.view.zoom, self.view.zoom.slide
        return {
            "width": slide.width,
            "height": slide.height,
            "mpp": self.view.mpp,
            "tile_px": TILE_PX,
            "levels": zoom.n_levels,
        }

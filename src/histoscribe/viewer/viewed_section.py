"""One section as the page sees it: facts in plain values, and values as bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from histoscribe.io.byte_map import byte_message
from histoscribe.io.slides.deepzoom import TILE_PX, DeepZoom
from histoscribe.io.slides.thumbnail import jpeg
from histoscribe.viewer.exemplars import ROWS, exemplar_tile, exemplars_of
from histoscribe.viewer.gene_maps import GeneMaps, Kind
from histoscribe.viewer.ground import Ground
from histoscribe.viewer.section_facts import (
    evidence_names,
    evidence_of,
    facts_of,
    genes_of,
)
from histoscribe.viewer.slide_view import SlideView


@dataclass(eq=False)
class ViewedSection:
    """Section of the page; a missing gene, tile or picture is None."""

    index: int
    """Its number on the page, by which addresses name it."""
    view: SlideView
    maps: GeneMaps

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._ground: Ground | None = None

    @property
    def ground(self) -> Ground:
        """What lies below the places, opened once."""
        with self._lock:
            if self._ground is None:
                self._ground = self.view.ground()
            return self._ground

    def summary(self) -> dict[str, Any]:
        """Its line in the list of sections."""
        view = self.view
        n_places, n_genes = view.head.shape
        return {
            "index": self.index,
            "id": view.name,
            "n_places": n_places,
            "n_genes": n_genes,
            "has_slide": view.has_slide,
            "has_measured": view.values.measured is not None,
            "warnings": list(view.head.warnings),
        }

    def facts(self) -> dict[str, Any]:
        """Everything but the values."""
        head, ground = self.view.head, self.ground
        zoom, mpp = ground.zoom, ground.mpp
        return {
            "id": self.view.name,
            "slide": None if zoom is None else _slide(zoom, mpp),
            "n_places": len(head.spots),
            "shape": head.spots.shape,
            "diameter_px": None if mpp is None else head.spots.drawn_um / mpp,
            "mpp": mpp,
            "unit": head.unit,
            "measured_unit": self.view.values.measured_unit,
            "kinds": list(self.maps.kinds),
            "predictor": head.predictor,
            "warnings": [*head.warnings, *ground.warnings],
            "genes": genes_of(head, self.maps),
            "facts": facts_of(head),
            "evidence": evidence_of(head),
            "findings": list(self._findings()),
            "has_exemplars": ROWS in head.evidence,
        }

    def tile(self, level: int, column: int, row: int) -> bytes | None:
        """A tile of the slide as JPEG."""
        zoom = self.ground.zoom
        return None if zoom is None else zoom.jpeg_tile(level, column, row)

    def gene(self, gene: int, kind: Kind) -> bytes | None:
        """Values of a gene at all places."""
        if gene >= len(self.view.head.genes) or kind not in self.maps.kinds:
            return None
        return self.maps.map(kind).message(gene)

    def fact(self, number: int) -> bytes | None:
        """A fact of all places."""
        facts = list(self.view.head.spot_facts.values())
        return byte_message(facts[number]) if number < len(facts) else None

    def evidence(self, number: int, column: int) -> bytes | None:
        """Values of one evidence column at all places."""
        names, of = evidence_names(self.view.head), self.view.head.evidence
        if number >= len(names) or column >= of[names[number]].shape[1]:
            return None
        return byte_message(np.asarray(of[names[number]][:, column]))

    def finding_picture(self, number: int) -> bytes | None:
        """Picture of a finding as JPEG."""
        findings = self.view.findings
        return findings[number].picture if number < len(findings) else None

    def exemplars(self, place: int) -> list[dict[str, Any]] | None:
        """Exemplars of a place, the nearest first."""
        head, origin = self.view.head, self.view.exemplars
        if ROWS not in head.evidence or place >= len(head.spots):
            return None
        start = f"s/{self.index}/exemplars/{place}"
        return [
            {**of, "image": None if origin is None else f"{start}/{rank}.jpg"}
            for rank, of in enumerate(exemplars_of(head, place, origin))
        ]

    def exemplar_tile(self, place: int, rank: int) -> bytes | None:
        """Tile of an exemplar as JPEG."""
        head, origin = self.view.head, self.view.exemplars
        if origin is None or place >= len(head.spots):
            return None
        pixels = exemplar_tile(head, place, rank, origin)
        return None if pixels is None else jpeg(pixels)

    def _findings(self) -> Iterator[dict[str, Any]]:
        for number, of in enumerate(self.view.findings):
            image = None if of.picture is None else f"s/{self.index}/findings/{number}.jpg"
            yield {"question": of.question, "title": of.title, "text": of.text, "image": image}


def _slide(zoom: DeepZoom, mpp: float | None) -> dict[str, Any]:
    return {
        "width": zoom.slide.width,
        "height": zoom.slide.height,
        "mpp": mpp,
        "tile_px": TILE_PX,
        "levels": zoom.n_levels,
    }

"""What a view says of its section beside the values: genes with their trust, facts, evidence."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from histoscribe.metrics.chance import above_chance
from histoscribe.types import CLIPPED, DISTANCE, PATHWAYS, TRUSTED, Head
from histoscribe.types.gene_labels import gene_labels
from histoscribe.viewer.exemplars import DISTANCES, ROWS
from histoscribe.viewer.gene_maps import GeneMaps

SCORE = "pcc_given_depth"
_FACTS = {
    DISTANCE: (
        "Distance to training",
        "distance to the nearest training spot by its features; beyond 1 nothing like it was in "
        "the training",
    ),
    TRUSTED: ("Trusted", "1 where the tissue is like the training tissue, else 0"),
    CLIPPED: ("Clipped genes", "genes whose value was clipped to the range of the training"),
    "log_total": ("Depth", "log(1 + total count of the place over all genes)"),
    "tissue_share": ("Tissue", "share of tissue in the square of a place"),
}
_EVIDENCE = {
    PATHWAYS: "Pathways",
    "attention": "Attention",
    DISTANCES: "Distance of the exemplars",
}


def genes_of(head: Head, maps: GeneMaps) -> list[dict[str, Any]]:
    """Each gene by its index: id, symbol, score on held-out patients, trust, what is defined."""
    score, trust = _scores(head)
    predicted = maps.map("predicted").defined
    measured = (
        maps.map("measured").defined if "measured" in maps.kinds else np.zeros_like(predicted)
    )
    labels = gene_labels(head.genes, head.gene_names or head.genes)
    return [
        {
            "id": gene,
            "symbol": labels[column],
            "score": _number(score[column]),
            "trust": trust[column],
            "measured": bool(measured[column]),
            "undefined_why": None if predicted[column] else "no place has a predicted value",
        }
        for column, gene in enumerate(head.genes)
    ]


def facts_of(head: Head) -> list[dict[str, str]]:
    """Facts of the places by their index."""
    return [
        dict(zip(("name", "title", "what"), (name, *_FACTS.get(name, (name, ""))), strict=True))
        for name in head.spot_facts
    ]


def evidence_of(head: Head) -> list[dict[str, Any]]:
    """Evidence by index, with the names of its columns."""
    return [
        {
            "name": name,
            "title": _EVIDENCE.get(name, name.replace("_", " ").capitalize()),
            "labels": list(_labels(head, name)),
        }
        for name in evidence_names(head)
    ]


def evidence_names(head: Head) -> tuple[str, ...]:
    """Evidence with values to draw."""
    return tuple(name for name in head.evidence if name != ROWS)


def _labels(head: Head, name: str) -> Iterator[str]:
    """Names of the columns of an evidence: as stored, of the genes, or ranks and numbers from 1."""
    n_columns = head.evidence[name].shape[1]
    if name in head.evidence_names:
        yield from head.evidence_names[name]
    elif n_columns == len(head.genes) and name != DISTANCES:
        yield from gene_labels(head.genes, head.gene_names or head.genes)
    else:
        yield from (str(column) for column in range(1, n_columns + 1))


def _scores(head: Head) -> tuple[Float[np.ndarray, " G"], list[str]]:
    """Score of each gene on held-out patients, and in words whether it is above chance."""
    unknown = np.full(len(head.genes), np.nan)
    score, high, q = (head.gene_facts.get(name, unknown) for name in (SCORE, "null_high", "q"))
    above, known = above_chance(score, high, q), np.isfinite(score) & np.isfinite(high)
    words = np.where(above, "above chance", np.where(known, "not above chance", "unknown"))
    return score, [str(word) for word in words]


def _number(value: float) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None

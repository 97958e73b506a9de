"""Maps of genes over the spots of a section: what each member of an ensemble says of each spot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from histoscribe.data.images import StackedTiles, stored_tiles
from histoscribe.data.items.spots import SpotQueries
from histoscribe.device import choose_device
from histoscribe.explain.where.members import Member
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section

PREDICTION = "prediction"
ATTENTION = ("attention", "class_attention")
"""Names of the evidence that says how much a spot counts."""
KINDS: Mapping[str, str] = {
    PREDICTION: "predicted value of each spot",
    "attention": "weight of each spot in the bag",
    "class_attention": "attention of the class token to each spot",
    "instance_score": "score of each spot",
    "contribution": "attention times score",
}
"""Maps in the order of figures and tables, with their meaning."""
Maps = Mapping[str, Float[np.ndarray, "K N"]]
"""Kind -> values of each gene at each spot."""


@final
@dataclass(frozen=True, eq=False)
class MemberMaps:
    """Maps of one kind, of every member."""

    kind: str
    values: Float[np.ndarray, "M K N"]

    @property
    def mean(self) -> Float[np.ndarray, "K N"]:
        """Mean over members."""
        return self.values.mean(axis=0)

    @property
    def disagreement(self) -> Float[np.ndarray, "K N"]:
        """Standard deviation between members; NaN for a single one."""
        if len(self.values) < 2:
            return np.full(self.values.shape[1:], np.nan)
        return self.values.std(axis=0, ddof=1)

    def of_genes(self, genes: slice) -> "MemberMaps":
        """Maps restricted to some genes."""
        return replace(self, values=self.values[:, genes])


def queries_of(predictor: Predictor, section: Section, cache: Path) -> SpotQueries:
    """Prepare the spots of a section, with tiles from the cache for a model that reads them."""
    queries = predictor.queries(section, cache)
    if not predictor.sees_tiles:
        return queries
    tiles = stored_tiles(section, predictor.encoding.tiles, cache=cache)
    return replace(queries, image=StackedTiles([(tiles, np.arange(len(section.spots)))]))


def maps_of(member: Member, queries: SpotQueries, genes: Sequence[str]) -> Maps:
    """Predict genes at each spot, with the evidence of models that give evidence.

    A model of bags predicts each spot as a bag by itself; its evidence is that of the spot within
    the bag of the section. A kind with one value for all genes is the same map for each of them.
    """
    panel = member.predictor.target.genes
    places = [panel.index(gene) for gene in genes]
    device = torch.device(choose_device(member.predictor.device))
    predicted = member.fitted.predict(queries, device)
    maps = {PREDICTION: predicted.values[:, places].T.astype(np.float64)}
    for kind in KINDS:
        if kind in predicted.evidence:
            columns = predicted.evidence[kind].astype(np.float64)
            of_genes = np.repeat(columns, len(places), 1) if columns.shape[1] == 1 else None
            maps[kind] = (columns[:, places] if of_genes is None else of_genes).T
    return maps


def stacked(maps: Sequence[Maps]) -> tuple[MemberMaps, ...]:
    """The maps of all members, by kind."""
    kinds = [kind for kind in KINDS if kind in maps[0]]
    return tuple(MemberMaps(kind, np.stack([one[kind] for one in maps])) for kind in kinds)


def attention_of(maps: Sequence[MemberMaps]) -> MemberMaps | None:
    """The map that says how much a spot counts; None for a model without attention."""
    return next((one for one in maps if one.kind in ATTENTION), None)

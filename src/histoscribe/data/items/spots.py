"""Spots as items: a row of a batch is one spot, with its tile and its exemplars."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from histoscribe.data.images import JoinedTiles
from histoscribe.data.items.items import Batch, Items
from histoscribe.data.sites import site_codes
from histoscribe.data.transform import size_factors
from histoscribe.types import Images, Labels, Section, SpotKeys, SpotTable


@dataclass(frozen=True, eq=False)
class SpotQueries:
    """Spots to predict: features, keys, tiles and positions."""

    feature: Float[np.ndarray, "N D"]
    keys: SpotKeys
    encoder: str
    """Identity of the encoder of the features."""
    image: Images | None = None
    """Tiles in the order of the features; None for models that read none."""
    xy_um: Float[np.ndarray, "N 2"] | None = None
    """Positions in um from the centroid of the spots of their section; None if unknown."""

    def __post_init__(self) -> None:
        if len(self.feature) != len(self.keys):
            raise ValueError(f"{len(self.feature)} features for {len(self.keys)} spots")

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def concatenate(cls, parts: "Sequence[SpotQueries]") -> "SpotQueries":
        """Spots of all parts, from one encoder; with positions and tiles if all parts have them."""
        if len({part.encoder for part in parts}) != 1:
            raise ValueError("features of several encoders cannot be combined")
        places = [part.xy_um for part in parts if part.xy_um is not None]
        images = [(part.image, len(part)) for part in parts if part.image is not None]
        return cls(
            feature=np.concatenate([part.feature for part in parts]),
            keys=SpotKeys.concatenate([part.keys for part in parts]),
            encoder=parts[0].encoder,
            image=JoinedTiles(images) if len(images) == len(parts) else None,
            xy_um=np.concatenate(places) if len(places) == len(parts) else None,
        )

    @classmethod
    def unnamed(
        cls,
        feature: Float[np.ndarray, "N D"],
        encoder: str,
        image: Images | None = None,
        xy_um: Float[np.ndarray, "N 2"] | None = None,
    ) -> "SpotQueries":
        """Spots without section and patient: only features, tiles and positions."""
        keys = SpotKeys.of_section("", None, [str(row) for row in range(len(feature))])
        return cls(feature, keys, encoder, image, xy_um)


@dataclass(frozen=True, eq=False)
class Exemplars:
    """Exemplars of spots, as rows of a pool of training spots."""

    feature: Float[np.ndarray, "M D"]
    """Values of the pool."""
    target: Float[np.ndarray, "M G"]
    """Values of the pool."""
    rows: Int[np.ndarray, "N E"]
    """Exemplars of each spot, nearest first."""


@final
@dataclass(frozen=True, eq=False)
class SpotItems(Items):
    """Every spot of a table is one item."""

    table: SpotTable | SpotQueries
    exemplars: Exemplars | None = None

    built = frozenset({"feature", "image", "exemplar_feature", "exemplar_target"})

    @property
    def keys(self) -> SpotKeys:
        """Keys of the table."""
        return self.table.keys

    def __len__(self) -> int:
        return len(self.table)

    def n_spots(self, rows: Int[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
        """One spot per item."""
        return np.ones(len(rows), dtype=np.int64)

    def at_once(self, names: Sequence[str]) -> int:
        """Fewer for models that read tiles, which need memory."""
        return 64 if "image" in names else 4096

    def inputs(self, names: Sequence[str], rows: Int[np.ndarray, " B"]) -> Batch:
        """Build only these fields for these spots."""
        return {name: _BUILD[name](self, rows) for name in names}

    def with_margin(self) -> "SpotItems":
        """The same spots, whose tiles have a margin; raises ValueError for a table without them."""
        table = training_table_of(self.table)
        if table.margin_image is None:
            raise ValueError("these spots have no tiles with a margin")
        return replace(self, table=replace(table, image=table.margin_image))

    def labels(self, rows: Int[np.ndarray, " B"]) -> Labels:
        """Target, counts, patient and site of each spot."""
        table = training_table_of(self.table)
        sites = table.sites
        return Labels(
            target=torch.from_numpy(table.target[rows]),
            patient=torch.from_numpy(table.keys.patient[rows]),
            counts=None if table.counts is None else torch.from_numpy(table.counts[rows]),
            size_factor=None
            if table.counts is None
            else torch.from_numpy(size_factors_of(table, rows)),
            pathways=None if table.pathways is None else torch.from_numpy(table.pathways[rows]),
            concept=None if table.concept is None else torch.from_numpy(table.concept[rows]),
            site=None if sites is None else torch.from_numpy(site_codes(table.keys, sites, rows)),
        )

    def spots(self, rows: Int[np.ndarray, " B"]) -> Int[np.ndarray, " M"]:
        """Rows of the table: each item is one."""
        return rows

    def _feature(self, rows: Int[np.ndarray, " B"]) -> Float[Tensor, "B D"]:
        return torch.from_numpy(self.table.feature[rows])

    def _image(self, rows: Int[np.ndarray, " B"]) -> Tensor:
        if self.table.image is None:
            raise ValueError("these spots have no tiles")
        return self.table.image.read(rows)

    def _exemplar_feature(self, rows: Int[np.ndarray, " B"]) -> Float[Tensor, "B E D"]:
        found = self._found()
        return torch.from_numpy(found.feature[found.rows[rows]])

    def _exemplar_target(self, rows: Int[np.ndarray, " B"]) -> Float[Tensor, "B E G"]:
        found = self._found()
        return torch.from_numpy(found.target[found.rows[rows]])

    def _found(self) -> Exemplars:
        if self.exemplars is None:
            raise ValueError("these spots have no exemplars")
        return self.exemplars


def places_um(section: Section) -> Float[np.ndarray, "N 2"]:
    """Positions of all spots of a section in um, from their centroid; x right, y down."""
    xy = section.spots.xy
    return (xy - xy.mean(axis=0)) * section.slide.mpp


def training_table_of(table: SpotTable | SpotQueries) -> SpotTable:
    """The table; raises an error for spots to predict, which have no labels."""
    if not isinstance(table, SpotTable):
        raise ValueError("spots to predict have no labels")
    return table


def size_factors_of(
    table: SpotTable, rows: Int[np.ndarray, " n"] | slice
) -> Float32[np.ndarray, " n"]:
    """Total of these spots over all genes, per 10,000 counts."""
    return size_factors(np.expm1(table.log_total[rows])).astype(np.float32)


_BUILD = {
    "feature": SpotItems._feature,
    "image": SpotItems._image,
    "exemplar_feature": SpotItems._exemplar_feature,
    "exemplar_target": SpotItems._exemplar_target,
}

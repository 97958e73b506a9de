"""The kinds of items by name, and the items of a table for training and for prediction."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from histoscribe.data.items.bags import BagItems, TileItems
from histoscribe.data.items.items import Items
from histoscribe.data.items.runs import RunItems
from histoscribe.data.items.sections import SectionItems
from histoscribe.data.items.spots import SpotItems, training_table_of
from histoscribe.types import Item

ITEMS: Mapping[Item, type[Items]] = {"spot": SpotItems, "section": SectionItems, "bag": BagItems}
"""Values of `ExpressionModel.item`, with their classes of items."""

Rows = Int[np.ndarray, " _"]


@dataclass(frozen=True, eq=False)
class Sides:
    """Items for training and items for choosing the epoch; no item is on both sides."""

    items: Items
    fit: Rows
    """Numbers of the training items."""
    val: Rows | None
    """Numbers of the other items; None if the last epoch is kept."""
    leaked: Items | None = None
    """Test items, of which `val` has the numbers: the named leak `epoch`. None without it."""

    @property
    def val_items(self) -> Items:
        """Items that `val` numbers."""
        return self.items if self.leaked is None else self.leaked


def training_sides(kind: Item, spots: SpotItems, fit: Rows, val: Rows | None) -> Sides:
    """Items of the rows `fit` and `val` of a training table; `val` gives way to leaked test spots.

    A section with rows on both sides is divided between them. A bag with rows on both sides would
    be the same patient on both: then all rows are used for training and the last epoch is kept.
    """
    made, table = ITEMS[kind], training_table_of(spots.table)
    if not issubclass(made, RunItems):
        if table.leaked is not None:
            return Sides(spots, fit, np.arange(len(table.leaked)), SpotItems(table.leaked))
        return Sides(spots, fit, val)
    n_once = len(table) // table.copies
    if val is not None and not made.may_be_divided:
        patient = table.keys.patient
        if np.intersect1d(patient[fit], patient[val]).size:
            fit, val = np.arange(len(table)), None
    runs = made.divide(table.keys, fit, n_once)
    more = () if val is None else made.divide(table.keys, val, n_once)
    numbers = np.arange(len(runs) + len(more))
    of_val = None if val is None else numbers[len(runs) :]
    return Sides(made(table, (*runs, *more)), numbers[: len(runs)], of_val)


def items_to_predict(kind: Item, spots: SpotItems) -> Items:
    """Items with a prediction for every spot; for a bag model, bags of one spot each."""
    if kind == "spot":
        return spots
    made = SectionItems if kind == "section" else TileItems
    table = spots.table
    return made(table, made.divide(table.keys, np.arange(len(table)), len(table)))


def bags_to_predict(spots: SpotItems) -> BagItems:
    """Bags of these spots, one per patient."""
    table = spots.table
    return BagItems(table, BagItems.divide(table.keys, np.arange(len(table)), len(table)))

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
"""What `ExpressionModel.item` may say, and the items that it stands for."""

Rows = Int[np.ndarray, " _"]


@dataclass(frozen=True, eq=False)
class Sides:
    """Items to train on and items to choose the epoch on; no item is on both sides."""

    items: Items
    fit: Rows
    """Numbers of the items to train on."""
    val: Rows | None
    """Numbers of the others; None where the last epoch is kept."""


def training_sides(kind: Item, spots: SpotItems, fit: Rows, val: Rows | None) -> Sides:
    """The items of the rows `fit` and `val` of a training table.

    Of a section with rows in both, each side has its own part. A bag with rows in both would be
    the same patient on both sides: then all rows are trained on and the last epoch is kept.
    """
    made = ITEMS[kind]
    if not issubclass(made, RunItems):
        return Sides(spots, fit, val)
    table = training_table_of(spots.table)
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
    """The items that give a prediction of every spot; of a bag model, bags of one spot each."""
    if kind == "spot":
        return spots
    made = SectionItems if kind == "section" else TileItems
    table = spots.table
    return made(table, made.divide(table.keys, np.arange(len(table)), len(table)))


def bags_to_predict(spots: SpotItems) -> BagItems:
    """The bags of these spots, one a patient."""
    table = spots.table
    return BagItems(table, BagItems.divide(table.keys, np.arange(len(table)), len(table)))

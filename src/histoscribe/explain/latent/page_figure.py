"""Publication figure of `latent`: spots in the plane, from the files of a finding."""

import pandas as pd

from histoscribe.explain.finding import Finding
from histoscribe.plot.embedding import Colouring, EmbeddedSpots
from histoscribe.plot.group_points import draw_group_points
from histoscribe.plot.publication import PublicationFigure

_KINDS = ("patient", "label", "site")


def latent_figure(finding: Finding, width_mm: float) -> PublicationFigure:
    """Draw the spots in the plane, a row a predictor and a panel for each kind of group."""
    table = _table(finding)
    if "predictor" not in table:
        return draw_group_points([_row(finding, table, "")], width_mm)
    parts = [
        _row(finding, part, str(number)) for number, part in table.groupby("predictor", sort=True)
    ]
    return draw_group_points(parts, width_mm)


def _table(finding: Finding) -> pd.DataFrame:
    text = ("section", "patient", "spot", "label", "site")
    numbers = tuple(f"same_{kind}" for kind in _KINDS)
    return pd.read_csv(
        finding.folder / finding.table,
        dtype=dict.fromkeys(text, str),
        keep_default_na=False,
        na_values={name: [""] for name in ("label", *numbers)},
    )


def _row(finding: Finding, table: pd.DataFrame, number: str) -> EmbeddedSpots:
    """Panels of one predictor; `number` is empty where there is one."""
    of = f", predictor {number}" if number else ""
    name = "same_{}_" + number if number else "same_{}"
    colourings = [
        Colouring(
            f"by {kind}{of}{_share(finding, name.format(kind))}",
            tuple(None if pd.isna(group) else str(group) for group in table[kind]),
        )
        for kind in _KINDS
        if kind in table and table[kind].notna().any()
    ]
    return EmbeddedSpots(number, table[["tsne_1", "tsne_2"]].to_numpy(float), colourings)


def _share(finding: Finding, name: str) -> str:
    """Share of the neighbours of the same kind, and by chance; empty where it has no number."""
    known = {number.name: number.value for number in finding.statistic}
    if name not in known:
        return ""
    return f": {known[name]:.2f} of neighbours alike, by chance {finding.chance(name).value:.2f}"

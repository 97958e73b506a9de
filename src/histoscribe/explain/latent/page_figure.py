"""Publication figure of `latent`: spots in the plane, from the files of a finding."""

import pandas as pd

from histoscribe.explain.finding import Finding
from histoscribe.plot.embedding import Colouring
from histoscribe.plot.group_points import draw_group_points
from histoscribe.plot.publication import PublicationFigure

_KINDS = ("patient", "label")


def latent_figure(finding: Finding, width_mm: float) -> PublicationFigure:
    """Draw the spots in the plane, a panel for patients and one for labels."""
    text, numbers = ("section", "patient", "spot", "label"), ("same_patient", "same_label")
    table = pd.read_csv(
        finding.folder / finding.table,
        dtype=dict.fromkeys(text, str),
        keep_default_na=False,
        na_values={name: [""] for name in ("label", *numbers)},
    )
    colourings = [
        Colouring(
            f"by {kind}{_share(finding, f'same_{kind}')}",
            tuple(None if pd.isna(name) else str(name) for name in table[kind]),
        )
        for kind in _KINDS
        if table[kind].notna().any()
    ]
    return draw_group_points(table[["tsne_1", "tsne_2"]].to_numpy(float), colourings, width_mm)


def _share(finding: Finding, name: str) -> str:
    """Share of the neighbours of the same kind, and by chance; empty where it has no number."""
    known = {number.name: number.value for number in finding.statistic}
    if name not in known:
        return ""
    return f": {known[name]:.2f} of neighbours alike, by chance {finding.chance(name).value:.2f}"

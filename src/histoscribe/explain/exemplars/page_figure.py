"""Publication figure of `exemplars`: strips of tiles, from the files of a finding."""

import pandas as pd

from histoscribe.explain.exemplars.tile_sheet import read_tiles
from histoscribe.explain.finding import Finding
from histoscribe.plot.publication import PublicationFigure
from histoscribe.plot.strips import Picture, Strip
from histoscribe.plot.tile_strips import draw_tile_strips


def exemplars_figure(finding: Finding, width_mm: float) -> PublicationFigure:
    """Draw each spot with its exemplars, the nearest first; frames have their expression."""
    words = dict.fromkeys(("spot", "patient", "section", "exemplar"), str)
    table = pd.read_csv(finding.folder / finding.table, dtype=words, na_filter=True)
    drawn = table.dropna(subset=["strip"])
    groups = [rows for _, rows in drawn.groupby("strip")]
    tiles = read_tiles(finding.folder, len(groups))
    strips = []
    for rows, (query, *exemplars) in zip(groups, tiles, strict=True):
        first = rows.iloc[0]
        measured = "not measured"
        if pd.notna(first["measured"]):
            measured = f"measured {first['measured']:.2f}"
        lines = (str(first["spot"]), f"predicted {first['predicted']:.2f}", measured)
        neighbours = tuple(
            Picture(tile, "", (str(patient), f"{expression:.2f}"), float(expression))
            for tile, patient, expression in zip(
                exemplars, rows["patient"], rows["expression"], strict=True
            )
        )
        strips.append(Strip(Picture(query, "", lines, None), neighbours))
    about = finding.about
    title = f"{about['gene']}: spots of section {about['section']}, patient {about['patient']}"
    return draw_tile_strips(strips, title, about["unit"], width_mm)

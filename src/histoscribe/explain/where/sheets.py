"""Figures and tables of an answer: maps of each gene, tiles with their maps, and the numbers."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd

from histoscribe.explain.finding import Number
from histoscribe.explain.where.against.reference import AgainstResult
from histoscribe.explain.where.maps import ATTENTION, KINDS, PREDICTION
from histoscribe.explain.where.results import SectionMaps, WhereResults
from histoscribe.explain.where.tiles import ExplainedTiles
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.plot.heat_maps import HeatColumn, HeatRow, HeatText, draw_heat_maps
from histoscribe.plot.map_sheet import MapPanel, draw_map_sheet

GENE_TABLE, SPOT_TABLE, TILE_TABLE = "where.csv", "where-spots.csv", "where-tiles.csv"
AGAINST_TABLE, DELETION_TABLE = "where-against.csv", "where-deletion.csv"
TILE_FIGURE = "where-tiles.png"
_LABEL = 50  # characters in a line below a map
_MOST_REFERENCES = 3  # drawn in the figure of a gene; all are in the table


def figure_name(number: int, gene: str) -> str:
    """Name of the figure of a gene; the number keeps two genes apart."""
    return f"where-{number:02d}-{re.sub(r'[^A-Za-z0-9.-]', '_', gene)}.png"


def draw_sheets(
    maps: SectionMaps, results: WhereResults, tiles: ExplainedTiles | None, out: Path
) -> tuple[str, ...]:
    """Draw a figure for each gene, and one of the tiles; give their names."""
    names = []
    for place, gene in enumerate(maps.genes.labels):
        names.append(figure_name(place + 1, gene))
        title = f"{gene} in section {maps.section.id}, patient {maps.section.patient or 'unknown'}"
        below = "\n".join(_lines_of_gene(maps, results, place))
        panels = list(_panels(maps, place))
        draw_map_sheet(maps.section, panels, title, below, out / names[-1])
    if tiles is not None:
        names.append(TILE_FIGURE)
        _draw_tiles(maps, tiles, out / TILE_FIGURE)
    return tuple(names)


def write_tables(
    maps: SectionMaps, results: WhereResults, tiles: ExplainedTiles | None, out: Path
) -> tuple[str, ...]:
    """Write the tables of genes, of spots and of tiles; give their names."""
    tables = {GENE_TABLE: _gene_table(maps, results), SPOT_TABLE: _spot_table(maps)}
    if results.comparison.results:
        tables[AGAINST_TABLE] = results.comparison.table
    if results.faithfulness is not None:
        tables[DELETION_TABLE] = results.faithfulness.table
    if tiles is not None:
        tables[TILE_TABLE] = _tile_table(maps, tiles)
    for name, table in tables.items():
        write_text(out / name, csv_text(table))
    return tuple(tables)


def _panels(maps: SectionMaps, place: int) -> Iterator[MapPanel]:
    """Each kind of map, mean over members, and how far members disagree."""
    several = len(maps.names) > 1
    for reference in maps.references[place][:_MOST_REFERENCES]:
        name = reference.name.replace("_", " ")
        yield MapPanel(f"held against: {name}", reference.drawn, fill(reference.words, _LABEL))
    for one in maps.kinds:
        title = one.kind.replace("_", " ")
        unit = maps.unit if one.kind == PREDICTION else KINDS[one.kind]
        yield MapPanel(f"{title}, mean of members" if several else title, one.mean[place], unit)
    if several:
        for one in maps.kinds:
            if one.kind != PREDICTION and one.kind not in ATTENTION:
                continue  # the others follow from these two; the table has them
            title = f"{one.kind.replace('_', ' ')}, disagreement"
            yield MapPanel(title, one.disagreement[place], "standard deviation between members")


def _lines_of_gene(maps: SectionMaps, results: WhereResults, place: int) -> Iterator[str]:
    """The numbers of one gene beside chance, as they stand below its figure."""
    yield (
        f"{len(maps.names)} members: {'; '.join(maps.names)}. Each map has its own scale, from its "
        "1st to its 99th percentile. Disagreement is the standard deviation between members."
        if len(maps.names) > 1
        else f"{maps.names[0]}. Each map has its own scale, from its 1st to its 99th percentile."
    )
    for kind, found in results.agreements:
        chance = f"random maps {_range(found.surrogates)}"
        if len(found.untrained):
            chance = f"untrained networks {_range(found.untrained)}, {chance}"
        yield f"{kind}: members agree by r = {found.by_gene[place]:.2f} (all genes: {chance})"
    yield from _lines_of_tests(maps, results, place)
    if results.attention is not None:
        for third in (results.attention.upper, results.attention.lower):
            yield (
                f"attention in the {third.name.replace('_', ' ')} of the prediction: "
                f"{third.by_gene[place]:.0%} (random maps {_range(third.surrogates[place])})"
            )


def _lines_of_tests(maps: SectionMaps, results: WhereResults, place: int) -> Iterator[str]:
    """Comparison of the first map with references, and tile removal for every map."""
    gene, first = maps.places[place], maps.spot_maps[0].kind
    for of, result in results.comparison.results:
        if (of.gene, of.kind) == (gene, first):
            yield f"{of.kind} held against {result.reference.words}: " + "; ".join(
                f"{measure} {value:.2f} (random maps {chance.low:.2f} to {chance.high:.2f})"
                for measure, value, chance in _measures(result)
            )
    tested = () if results.faithfulness is None else results.faithfulness.results
    for of, deletion in tested:
        if of.gene == gene:
            yield deletion.verdict(of.name)


def _measures(result: AgainstResult) -> Iterator[tuple[str, float, Number]]:
    """Name, value and chance of each measure of a comparison."""
    values = {number.name: number.value for number in result.statistic}
    for chance in result.null:
        if chance.low is not None:
            name = chance.name.removesuffix(f"_{result.reference.name}")
            yield name, values[chance.name], chance


def _range(draws: np.ndarray) -> str:
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{low:.2f} to {high:.2f}"


def _gene_table(maps: SectionMaps, results: WhereResults) -> pd.DataFrame:
    """One line for each gene and kind of map."""
    agreements = dict(results.agreements)
    rows = []
    for place, (gene, label) in enumerate(zip(maps.genes.genes, maps.genes.labels, strict=True)):
        for one in maps.kinds:
            found = agreements.get(one.kind)
            row = {
                "gene": label,
                "gene_id": gene,
                "map": one.kind,
                "members": len(maps.names),
                "mean": one.mean[place].mean(),
                "deviation": one.mean[place].std(),
                "disagreement": one.disagreement[place].mean(),
                "agreement": np.nan if found is None else found.by_gene[place],
            }
            thirds = results.attention
            if thirds is not None:
                for third in (thirds.upper, thirds.lower):
                    low, high = np.percentile(third.surrogates[place], [2.5, 97.5])
                    row |= {
                        f"attention_{third.name}": third.by_gene[place],
                        f"{third.name}_low": low,
                        f"{third.name}_high": high,
                    }
            rows.append(row)
    return pd.DataFrame(rows)


def _spot_table(maps: SectionMaps) -> pd.DataFrame:
    """One line for each gene and spot."""
    section, parts = maps.section, []
    for place, label in enumerate(maps.genes.labels):
        columns = {
            "section": section.id,
            "spot": section.spots.ids,
            "x_um": maps.um[:, 0],
            "y_um": maps.um[:, 1],
            "gene": label,
        }
        columns |= {one.kind: one.mean[place] for one in maps.kinds}
        if len(maps.names) > 1:
            columns |= {f"{one.kind}_disagreement": one.disagreement[place] for one in maps.kinds}
        columns |= {reference.name: reference.drawn for reference in maps.references[place]}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _tile_table(maps: SectionMaps, tiles: ExplainedTiles) -> pd.DataFrame:
    """One line for each tile, gene and method."""
    section, likeness, rows = maps.section, tiles.agreement, []
    for tile, spot in enumerate(tiles.spots):
        for place, label in enumerate(maps.genes.labels):
            for one in tiles.maps:
                values = one.maps[tile, place]
                rows.append(
                    {
                        "section": section.id,
                        "spot": section.spots.ids[spot.row],
                        "choice": spot.why,
                        "gene": label,
                        "predicted": maps.prediction.mean[place, spot.row],
                        "method": one.method,
                        "baseline": one.baseline or "none",
                        "sum": values.sum(),
                        "highest": values.max(),
                        "lowest": values.min(),
                        "completeness_error": np.nan
                        if one.error is None
                        else one.error[tile, place],
                        "gradients_with_occlusion": likeness[tile, place],
                    }
                )
    return pd.DataFrame(rows)


def _draw_tiles(maps: SectionMaps, tiles: ExplainedTiles, path: Path) -> None:
    """Each tile beside the maps of every method, for the first gene."""
    gene, likeness = maps.genes.labels[0], tiles.agreement[:, 0]
    columns = [
        HeatColumn(one.name.replace(", ", ",\n"), one.maps[:, 0], one.baseline is not None)
        for one in tiles.maps
    ]
    rows = []
    for tile, spot in enumerate(tiles.spots):
        picture = tiles.image[tile].permute(1, 2, 0).numpy()
        value = maps.prediction.mean[0, spot.row]
        lines = (maps.section.spots.ids[spot.row], spot.why, f"predicted {value:.2f}")
        of_maps = tuple(
            (f"off by {one.error[tile, 0]:.1%}",)
            if one.error is not None
            else ((f"r {likeness[tile]:.2f}",) if one.name == "occlusion, white" else ())
            for one in tiles.maps
        )
        rows.append(HeatRow(picture, lines, of_maps))
    text = HeatText(
        title=f"What raises (red) and lowers (blue) the prediction of {gene} in tiles of "
        f"section {maps.section.id}",
        below=f"Tiles are {tiles.side_um:.0f} µm a side. Every column has one scale, in "
        f"{maps.unit}: the change of the prediction against a white or a blurred tile. “off by”: "
        "completeness error of integrated gradients. “r”: rank correlation of occlusion with "
        "integrated gradients, both against white.\n" + "\n".join(tiles.caveats),
    )
    draw_heat_maps(rows, columns, text, path)

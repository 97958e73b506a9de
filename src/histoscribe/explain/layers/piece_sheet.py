"""Figures of the scores from cut tiles: curves, and a tile as it is cut."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from histoscribe.explain.finding import defined_mean
from histoscribe.explain.layers.piece_scores import PieceScores
from histoscribe.explain.layers.piece_tables import all_groups, group_name
from histoscribe.explain.layers.pieces import Cut, PieceChange
from histoscribe.explain.spot_choice import random_spots
from histoscribe.plot.contact_sheet import SheetRow, SheetTile, draw_contact_sheet
from histoscribe.plot.piece_curves import GeneCurve, PieceCurve, draw_piece_curves
from histoscribe.types import Section

_MOST_GROUPS = 8
_TRIED = 50  # tiles, of which the darkest is drawn: it has the most nuclei


def draw_curves(
    scores: PieceScores,
    sets: Mapping[str, Bool[np.ndarray, " G"]],
    piece_um: Mapping[int, float],
    predictor: str,
    path: Path,
) -> None:
    """Draw groups and genes over the number of pieces."""
    shuffled = list(range(scores.finest + 1))
    turned = [0, *range(scores.finest + 1, len(scores.cuts))]
    groups = all_groups(scores, sets)
    curves = [
        PieceCurve(
            f"{name} ({genes.sum()})",
            scores.score[shuffled][:, genes].mean(axis=1),
            scores.score[turned][:, genes].mean(axis=1),
        )
        for name, genes in list(groups.items())[:_MOST_GROUPS]
    ]
    names = {name: f"{name} ({genes.sum()})" for name, genes in groups.items()}
    genes = [
        GeneCurve(names[group_name(reading)], scores.score[shuffled, gene])
        for gene, reading in enumerate(scores.reading)
        if group_name(reading) in names
    ]
    means = np.array([[defined_mean(draw) for draw in scores.draws[at]] for at in shuffled])
    axis = ["whole", *(f"{cut.n_side}\n{piece_um[cut.n_side]:g} µm" for cut in _shuffled(scores))]
    below = (
        "Tiles are cut into pieces that change places at random, once for each spot (solid), or "
        "are turned by 180 degrees in their places (dashed), which makes as many new edges. "
        "Correlation of prediction and measured values over the spots of a section, mean over "
        f"sections, patients and genes; {len(set(scores.patients))} held-out patients. "
        "The groups “read from” are made from the same scores."
    )
    title = f"Scores of {predictor} on tiles cut into pieces"
    chance = np.percentile(means, [2.5, 97.5], axis=1)
    draw_piece_curves(curves, genes, chance, axis, (title, below), path)


def draw_examples(
    section: Section,
    tiles: UInt8[np.ndarray, "N P P 3"],
    cut_tiles: Sequence[Cut],
    piece_um: Mapping[int, float],
    path: Path,
) -> None:
    """Draw one tile of a section, whole and cut."""
    tried = [spot.row for spot in random_spots(len(section.spots), _TRIED, section.id)]
    row = min(tried, key=lambda spot: float(tiles[spot].mean()))
    image = torch.from_numpy(np.ascontiguousarray(tiles[[row]])).permute(0, 3, 1, 2)
    whole, *others = cut_tiles

    def sheet_tile(cut: Cut) -> SheetTile:
        changed = PieceChange(cut, section.id, section.spots.ids)(image, np.array([row]))
        words = "whole" if cut == whole else f"{cut.n_side} a side, {piece_um[cut.n_side]:g} µm"
        return SheetTile(changed[0].permute(1, 2, 0).numpy(), (words,))

    rows = [
        SheetRow(name, tuple(sheet_tile(cut) for cut in (whole, *others) if cut in kind))
        for name, kind in (
            ("in other places", {whole, *(cut for cut in others if not cut.turned)}),
            ("turned in\ntheir places", {whole, *(cut for cut in others if cut.turned)}),
        )
    ]
    title = f"A tile of section {section.id}, spot {section.spots.ids[row]}, as it is cut"
    below = f"The darkest of {len(tried)} tiles drawn at random."
    draw_contact_sheet(rows, title, below, path, n_columns=len(rows[0].tiles))


def _shuffled(scores: PieceScores) -> Sequence[Cut]:
    return scores.cuts[1 : scores.finest + 1]

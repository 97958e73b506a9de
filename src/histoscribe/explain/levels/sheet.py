"""A reading sheet, to find out whether people tell high from low by eye.

Readers get tiles in random order without any name, and a form. The key lies in a folder of its own.
"""

import base64
import hashlib
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.levels.bins import HIGH, LOW
from histoscribe.explain.levels.choice import N_OF_PATIENT, one_by_one, tile_score
from histoscribe.explain.levels.plan import LevelPlan
from histoscribe.explain.levels.reading_key import ANSWERS, KeyTile, ReadingKey
from histoscribe.explain.levels.spots import LevelSpots
from histoscribe.explain.levels.tables import LevelData
from histoscribe.io.atomic import write_json, write_text
from histoscribe.io.csv_table import csv_rows
from histoscribe.io.slides.thumbnail import plain_png
from histoscribe.seed import stream

SHEET, FORM = "for-readers/sheet.html", "for-readers/form.csv"
KEY = "key-not-for-readers/key.json"
N_OF_SIDE = 20
"""Tiles of high and of low levels."""
_FEWEST = 2  # of a side
_SEED = 0  # of the choice and the order; nobody needs another one
_STYLE = """
body { font-family: sans-serif; max-width: 62rem; margin: 2rem auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem; }
figure { margin: 0; } img { width: 100%; }
"""


def reading_spots(
    spots: LevelSpots, level: Int[np.ndarray, " N"], gene: str
) -> Int[np.ndarray, " n"]:
    """Spots of the two highest and the two lowest levels, as many of each.

    Of a model of spots: at random, and as many high as low ones of each patient, so that nobody can
    tell them by the patient. Of a model of bags: of as many patients, with most attention.

    Raises DataContractError for fewer than two of a side.
    """
    low, high = (np.flatnonzero(np.isin(level, side)) for side in (LOW, HIGH))
    rows = (
        _of_bags(spots, low, high) if spots.of_patients is not None else _random(spots, low, high)
    )
    if len(rows) < 2 * _FEWEST:
        whose = "one patient" if spots.of_patients is None else "the cohort"
        raise DataContractError(
            Problem(
                where=f"reading sheet of {gene}",
                found=f"{len(low)} tiles of levels 1 and 2, {len(high)} of levels 6 and 7, and "
                f"{len(rows) // 2} of each in {whose}",
                expected=f"at least {_FEWEST} tiles of each side",
                remedy="give more sections, or ask about another gene",
            )
        )
    return rows


def write_sheet(
    plan: LevelPlan, data: LevelData, rows: Int[np.ndarray, " n"], out: Path
) -> tuple[str, ...]:
    """Write sheet, form and key, and give their names."""
    tiles = [data.looks.pixels[int(row)] for row in rows]
    # an order that follows from the pixels alone: it tells nothing, and it is always the same
    digest = hashlib.sha256(b"".join(sorted(tile.tobytes() for tile in tiles)))
    order = stream(_SEED, f"explain-levels-order-{digest.hexdigest()}").permutation(len(rows))
    by_pixels = sorted(range(len(tiles)), key=lambda place: tiles[place].tobytes())
    places = [by_pixels[place] for place in order]
    sheet = hashlib.sha256(b"".join(tiles[place].tobytes() for place in places)).hexdigest()
    page = _page(plan.label, sheet, [tiles[place] for place in places])
    key = ReadingKey(
        sheet=sheet,
        page_sha256=hashlib.sha256(page.encode()).hexdigest(),
        predictor=f"{plan.predictor.row}@{plan.predictor.hash}",
        gene=plan.label,
        of_patients=data.spots.of_patients is not None,
        tiles=tuple(_key_tile(data, int(rows[place])) for place in places),
    )
    write_text(out / SHEET, page)
    lines = [[sheet[:12], str(tile), ""] for tile in range(1, len(places) + 1)]
    write_text(out / FORM, csv_rows([["sheet", "tile", "answer"], *lines]))
    write_json(out / KEY, key.to_json())
    return SHEET, FORM, KEY


def _random(
    spots: LevelSpots, low: Int[np.ndarray, " a"], high: Int[np.ndarray, " b"]
) -> Int[np.ndarray, " n"]:
    """Pairs of one low and one high tile of a patient, one pair of each patient after the other."""
    pairs, patient = [], []
    for place, name in enumerate(spots.patients):
        rng = stream(_SEED, f"explain-levels-sheet-{name}")
        sides = [rng.permutation(side[spots.patient[side] == place]) for side in (low, high)]
        n_pairs = min(len(side) for side in sides)
        pairs.append(np.stack([side[:n_pairs] for side in sides], axis=1))
        patient += n_pairs * [place]
    turns = one_by_one(np.zeros(len(patient)), np.array(patient, dtype=np.int64))
    return np.concatenate(pairs)[turns[:N_OF_SIDE]].ravel()


def _of_bags(
    spots: LevelSpots, low: Int[np.ndarray, " a"], high: Int[np.ndarray, " b"]
) -> Int[np.ndarray, " n"]:
    """The tiles with most attention of as many low as high patients."""
    n_patients = min(len(np.unique(spots.patient[side])) for side in (low, high))
    sides = []
    for name, side in (("low", low), ("high", high)):
        patients = np.unique(spots.patient[side])
        drawn = stream(_SEED, f"explain-levels-sheet-{name}").permutation(patients)[:n_patients]
        rows = side[np.isin(spots.patient[side], drawn)]
        turns = one_by_one(tile_score(spots)[rows], spots.patient[rows])
        sides.append(rows[turns[: min(N_OF_SIDE, n_patients * N_OF_PATIENT)]])
    n_each = min(len(side) for side in sides)
    return np.concatenate([side[:n_each] for side in sides])


def _key_tile(data: LevelData, row: int) -> KeyTile:
    spots = data.spots
    return KeyTile(
        high=bool(data.level[row] in HIGH),
        patient=spots.patients[spots.patient[row]],
        section=spots.sections[spots.section[row]].id,
        spot=spots.spot_id(row),
        measured=float(data.measured[row]),
        predicted=float(spots.predicted[row]),
    )


def _page(gene: str, sheet: str, tiles: list[UInt8[np.ndarray, "P P 3"]]) -> str:
    figures = "\n".join(
        f'<figure><img alt="tile {number}" src="data:image/png;base64,'
        f'{base64.b64encode(plain_png(tile)).decode()}"><figcaption>Tile {number}</figcaption>'
        "</figure>"
        for number, tile in enumerate(tiles, start=1)
    )
    answers = "".join(f"<li>{number}: {words}</li>" for number, words in ANSWERS.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Reading sheet {sheet[:12]}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>Is {escape(gene)} high or low in these tiles?</h1>\n"
        f"<p>Sheet {sheet[:12]}. {len(tiles)} tiles in random order, half of them of high and half "
        "of low expression. Fill in the column <code>answer</code> of form.csv, every line:</p>\n"
        f"<ul>{answers}</ul>\n"
        "<p>Save the form under your name or initials.</p>\n"
        f'<div class="tiles">\n{figures}\n</div>\n</body></html>\n'
    )

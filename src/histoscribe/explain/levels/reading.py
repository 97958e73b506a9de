"""The answer to a reading: how well readers tell high from low by eye, beside the model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Finding, Number, defined_mean
from histoscribe.explain.levels.forms import FilledForm, read_forms
from histoscribe.explain.levels.permutations import FEWEST_PATIENTS
from histoscribe.explain.levels.question import LevelsQuestionSettings
from histoscribe.explain.levels.reading_key import ReadingKey, read_key
from histoscribe.explain.levels.results import Permuted
from histoscribe.explain.levels.scores import (
    aurocs,
    pairwise_kappas,
    permuted_sides,
    shuffled_kappas,
)
from histoscribe.explain.levels.trends import mean_over_groups
from histoscribe.explain.request import AnswerPlan, ExplainRequest
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.plot.readers import ReaderScore, draw_readers
from histoscribe.predictor.predictor import Predictor

FIGURE = "readers.png"
TABLES = ("readers.csv", "agreement.csv", "answers.csv")
_MODEL = "model"


def plan_reading(request: ExplainRequest, settings: LevelsQuestionSettings) -> AnswerPlan:
    """Read key and forms, and plan their scores.

    Raises
    ------
    DataContractError
        for settings of another kind, a key that is missing or of another predictor, and for
        everything wrong with the forms.
    """
    if problems := [*_setting_problems(settings)]:
        raise DataContractError(problems)
    key_path = Path(str(settings.key))
    key = read_key(key_path)
    forms = read_forms(settings.read, key)
    if problems := [*_key_problems(key, request.predictor, key_path)]:
        raise DataContractError(problems)
    files = (*settings.read, key_path)
    answer = ReadingAnswer(key, forms, [sha256(path.read_bytes()).hexdigest() for path in files])
    return AnswerPlan(about=answer.about, sections=(), work=answer.work)


@final
@dataclass(frozen=True, eq=False)
class ReadingAnswer:
    """Scores the forms of a sheet."""

    key: ReadingKey
    forms: tuple[FilledForm, ...]
    hashes: list[str]
    """Of the forms, and of the key."""

    @property
    def about(self) -> Mapping[str, str]:
        """Sheet, gene, readers and files."""
        return {
            "predictor": self.key.predictor,
            "gene": self.key.gene,
            "sheet": self.key.sheet,
            "readers": " ".join(form.reader for form in self.forms),
            "files": " ".join(f"sha256:{digest}" for digest in self.hashes),
        }

    def work(self, out: Path) -> Finding:
        """Score every reader and the model, and write tables and figure."""
        scores, agreement = self._scores(), self._agreement()
        kappas = [self._pair_table(agreement), self._answer_table()]
        for name, table in zip(TABLES, [self._table(scores), *kappas], strict=True):
            write_text(out / name, csv_text(table))
        draw_readers([_drawn(score) for score in scores], self._title, self._below, out / FIGURE)
        numbers = [*scores, *([self._mean(agreement)] if agreement else [])]
        with_p = len(self._patients) >= FEWEST_PATIENTS
        return Finding(
            question="levels",
            about=self.about,
            folder=out,
            figures=(FIGURE,),
            tables=TABLES,
            statistic=(
                *(number.number for number in numbers),
                *(_p_number(score) for score in scores if with_p),
            ),
            null=tuple(number.by_chance for number in numbers),
            caveat=tuple(self._caveats()),
        )

    @property
    def _patients(self) -> set[str]:
        return {tile.patient for tile in self.key.tiles}

    def _scores(self) -> list[Permuted]:
        tiles = self.key.tiles
        high = np.array([tile.high for tile in tiles])
        chance = permuted_sides(
            high, [tile.patient for tile in tiles], of_patients=self.key.of_patients
        )
        given = {form.reader: form.answers.astype(np.float64) for form in self.forms}
        given[_MODEL] = np.array([tile.predicted for tile in tiles])
        meaning = "share of pairs of a high and a low tile that {} tells apart, ties half"
        return [
            Permuted(
                f"auroc_{name}",
                meaning.format("the model" if name == _MODEL else "the reader"),
                float(aurocs(values, high[None])[0]),
                aurocs(values, chance),
            )
            for name, values in given.items()
        ]

    def _agreement(self) -> list[Permuted]:
        """Weighted kappa of each two readers; empty for one reader."""
        if len(self.forms) < 2:
            return []
        answers = np.stack([form.answers for form in self.forms])
        names = combinations([form.reader for form in self.forms], 2)
        meaning = "agreement of two readers beyond chance, kappa with squared weights"
        return [
            Permuted(f"kappa_{one}_{other}", meaning, float(value), draws)
            for (one, other), value, draws in zip(
                names, pairwise_kappas(answers), shuffled_kappas(answers).T, strict=True
            )
        ]

    def _mean(self, agreement: list[Permuted]) -> Permuted:
        value = defined_mean([pair.value for pair in agreement])
        draws = mean_over_groups(np.stack([pair.draws for pair in agreement]))
        words = "agreement of two readers beyond chance (kappa, squared weights), mean over pairs"
        return Permuted("kappa", words, value, draws)

    def _table(self, scores: list[Permuted]) -> pd.DataFrame:
        with_p = len(self._patients) >= FEWEST_PATIENTS
        chance = [score.by_chance for score in scores]
        return pd.DataFrame(
            {
                "reader": [score.name.removeprefix("auroc_") for score in scores],
                "n_tiles": len(self.key.tiles),
                "auroc": [score.value for score in scores],
                "chance_low": [one.low for one in chance],
                "chance_high": [one.high for one in chance],
                "p": [score.p if with_p else np.nan for score in scores],
            }
        )

    def _pair_table(self, agreement: list[Permuted]) -> pd.DataFrame:
        pairs = list(combinations([form.reader for form in self.forms], 2))
        chance = [pair.by_chance for pair in agreement]
        return pd.DataFrame(
            {
                "reader": [one for one, _ in pairs],
                "other_reader": [other for _, other in pairs],
                "kappa": [pair.value for pair in agreement],
                "chance_low": [one.low for one in chance],
                "chance_high": [one.high for one in chance],
            }
        )

    def _answer_table(self) -> pd.DataFrame:
        tiles = self.key.tiles
        return pd.DataFrame(
            {
                "tile": np.arange(1, len(tiles) + 1),
                "side": ["high" if tile.high else "low" for tile in tiles],
                "patient": [tile.patient for tile in tiles],
                "section": [tile.section for tile in tiles],
                "spot": [tile.spot for tile in tiles],
                "measured": [tile.measured for tile in tiles],
                "predicted": [tile.predicted for tile in tiles],
                **{f"answer_{form.reader}": form.answers for form in self.forms},
            }
        )

    @property
    def _title(self) -> str:
        return f"{self.key.gene}: high against low in {len(self.key.tiles)} tiles, by eye and model"

    @property
    def _below(self) -> str:
        how = "permuted over patients" if self.key.of_patients else "exchanged within patients"
        return (
            f"AUROC; the bar is the middle 95 % with high and low {how}, {len(self._patients)} "
            "patients. 0.5 is guessing."
        )

    def _caveats(self) -> Iterator[str]:
        yield (
            "Tiles are of the two highest and the two lowest of seven levels: those between are "
            "harder."
        )
        if len(self._patients) < FEWEST_PATIENTS:
            yield (
                f"{len(self._patients)} patients are too few for a p-value: the ranges by chance "
                "rest on few permutations."
            )
        yield (
            "If the predictor was trained on these patients, its score is too high: the finding of "
            "the sheet says so."
        )


def _p_number(score: Permuted) -> Number:
    meaning = f"share of permutations with {score.name} as far from chance, two-sided"
    return Number(f"p_{score.name}", score.p, meaning)


def _drawn(score: Permuted) -> ReaderScore:
    chance = score.by_chance
    low, high = (0.5 if end is None else end for end in (chance.low, chance.high))
    return ReaderScore(score.name.removeprefix("auroc_"), score.value, low, high)


def _setting_problems(settings: LevelsQuestionSettings) -> Iterator[Problem]:
    where = "explain levels"
    if settings.sheet:
        found, expected = "--sheet and --read", "one of them: a sheet is written, then read"
        yield Problem(where, found, expected, "leave one out")
    if not settings.read:
        yield Problem(where, "--key without --read", "filled forms", "give them with --read FILE")
    if settings.key is None:
        remedy = "give key.json with --key FILE; --sheet wrote it beside the sheet"
        yield Problem(where, "--read without --key", "the key of the sheet", remedy)


def _key_problems(key: ReadingKey, predictor: Predictor, path: Path) -> Iterator[Problem]:
    name = f"{predictor.row}@{predictor.hash}"
    if key.predictor != name:
        yield Problem(
            where=str(path),
            found=f"the key of a sheet of {key.predictor}",
            expected=f"of {name}: its score stands beside the readers'",
            remedy="give the predictor that the sheet was written with",
        )

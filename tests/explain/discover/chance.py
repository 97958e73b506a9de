"""What `discover` confirms where there is nothing, and where genes follow the tissue."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pandas as pd

import histoscribe as hs
from histoscribe.explain.finding import Finding
from tests.explain.discover.painted_pairs import MEASURES, cohort_of, fitted, patients

N_PATIENTS = 3


@cache
def old(seed=0, *, follows=True):
    """Training patients, and a predictor of them."""
    sections = patients("Old", N_PATIENTS, seed + 5000, follows=follows)
    return sections, fitted(sections)


def both_steps(folder, training, held_out, **settings) -> Finding:
    """Freeze hypotheses of training patients, and test them on others, as for the first time."""
    sections, predictor = training
    with patch.dict(os.environ, HISTOSCRIBE_CACHE=str(folder / "cache")):
        first = hs.explain(
            "discover",
            predictor,
            cohort_of(sections),
            measures=MEASURES,
            out=folder / "frozen",
            **settings,
        )
        file = first.folder / "hypotheses.json"
        return hs.explain(
            "discover", predictor, cohort_of(held_out), hypotheses=file, out=folder / "tested"
        )


def _alarm(training, held_out) -> bool:
    with TemporaryDirectory() as folder:
        finding = both_steps(Path(folder), training, held_out)
    return finding.number("discoveries").value > 0


def _permuted_patients(seed: int) -> bool:
    """Hypotheses are true, and patients who are tested have swapped their values."""
    new = patients("New", N_PATIENTS, seed)
    swapped = [replace(of, counts=new[at - 1].counts) for at, of in enumerate(new)]
    return _alarm(old(), swapped)


def _null_family(seed: int) -> bool:
    """No gene follows the tissue, in training or after it."""
    return _alarm(old(seed, follows=False), patients("New", N_PATIENTS, seed, follows=False))


def _pairs() -> None:
    """What genes follow is confirmed in other patients, with the right direction."""
    with TemporaryDirectory() as folder:
        both_steps(Path(folder), old(), patients("New", N_PATIENTS, 1))
        tested = pd.read_csv(Path(folder) / "tested" / "tested.csv", keep_default_na=False)
    confirmed = tested[tested["q"] <= 0.05].set_index(["gene", "concept"])["direction"]
    assert confirmed["BLUE", "haematoxylin_density"] == "rises"
    assert confirmed["PALE", "haematoxylin_density"] == "falls"
    assert confirmed["PINK", "eosin_density"] == "rises"


NULLS: dict[str, Callable[[int], bool]] = {
    "permuted-patients": _permuted_patients,
    "null-family": _null_family,
}
PLANTED: dict[str, Callable[[], None]] = {"pairs": _pairs}
NOT_APPLICABLE: dict[str, str] = {
    "random-weights": "hypotheses are tested on measured values of tissue, and no network adds to "
    "them: a random one halves the number of hypotheses, and true ones are confirmed"
}

"""Level of chance of the question `subtypes`, and what it must find."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

import histoscribe as hs
from histoscribe.explain.finding import Finding
from tests.explain.subtypes.made import QUICK, made_table

_PROTOCOL = {**QUICK, "permutations": 5, "folds": 2}


def _alarm(finding: Finding, name: str) -> bool:
    number, chance = finding.number(name), finding.chance(name)
    return not chance.low <= number.value <= chance.high


def _asked(
    folder: Path, *, signal: float, seed: int, n: int = 24, permute: bool = False, **settings
) -> Finding:
    files = made_table(folder, signal=signal, seed=seed, n=n)
    if permute:
        labels = pd.read_csv(files["labels"])
        labels["kind"] = np.random.default_rng(seed).permutation(labels["kind"])
        labels.to_csv(files["labels"], index=False)
    panel = str(files["panel"])
    given = {"bulk": files["bulk"], "labels": files["labels"], "panel": panel}
    return hs.explain("subtypes", **given, **_PROTOCOL, **settings)


def _permuted_patients(seed: int) -> bool:
    """Whether labels that were permuted over patients are told by genes that tell the true ones."""
    with TemporaryDirectory() as folder:
        return _alarm(_asked(Path(folder), signal=3.0, seed=seed, permute=True), "auroc_cold")


def _null_family(seed: int) -> bool:
    """Whether genes without any signal tell the subtype."""
    with TemporaryDirectory() as folder:
        return _alarm(_asked(Path(folder), signal=0.0, seed=seed), "auroc_cold")


def _random_weights(seed: int) -> bool:
    """Whether expression that random weights predict from random features tells the subtype.

    Features know nothing of the patient; the machines learn from measured expression that does.
    """
    rng = np.random.default_rng(seed)
    with TemporaryDirectory() as name:
        folder = Path(name)
        bulk = pd.read_csv(made_table(folder, seed=seed)["bulk"], index_col=0)
        feature, weight = rng.standard_normal((24, 8)), rng.standard_normal((8, len(bulk)))
        predicted = pd.DataFrame(np.tanh(feature @ weight).T, bulk.index, bulk.columns)
        predicted.to_csv(folder / "random.csv")
        finding = _asked(folder, signal=3.0, seed=seed, predicted=folder / "random.csv")
        return _alarm(finding, "auroc_cold_predicted")


def _planted_subtype() -> None:
    """Genes that follow the subtype tell it, and have the shapes they were given."""
    with TemporaryDirectory() as folder:
        finding = _asked(Path(folder), signal=3.0, seed=0, n=40)
        assert _alarm(finding, "auroc_cold")
        assert finding.number("auroc_cold").value > 0.95
        genes = pd.read_csv(finding.folder / "importances.csv").set_index("gene")
        assert set(genes.index[:2]) == {"UP", "DOWN"}
        assert genes.loc["UP", "falling"] == genes.loc["DOWN", "rising"] == 1


NULLS: dict[str, Callable[[int], bool]] = {
    "random-weights": _random_weights,
    "permuted-patients": _permuted_patients,
    "null-family": _null_family,
}
PLANTED: dict[str, Callable[[], None]] = {"subtype": _planted_subtype}
NOT_APPLICABLE: dict[str, str] = {}

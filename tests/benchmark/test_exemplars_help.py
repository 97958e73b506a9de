"""Exemplars bring values that a network has not learned, where random ones bring nothing."""

import numpy as np
import pytest

from histoscribe.data.images import StackedTiles
from histoscribe.data.items.spots import SpotQueries
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.train.fit import fit
from histoscribe.train.settings import parse_settings
from histoscribe.types import SpotKeys, SpotTable

N_CODES, N_GENES, N_FEATURES = 60, 4, 12
TRAINING, TESTED = ("A", "B", "C", "D", "E"), "F"
TILE_PX = 16
NETWORK = {"model": "egn", "preset": "tiny"}
ROWS = {
    "shown": NETWORK,
    "random": {**NETWORK, "exemplars": {"draw": "random"}},
    "alone": {**NETWORK, "sees": "feature"},
}


class Planted:
    """Spots that show one of many codes; half of the genes have a random value for each code.

    Every patient has every code twice, the features with a little noise of their own; the codes
    are more than the features, so no line can tell their values. Tiles show nothing.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.looks = rng.normal(size=(N_CODES, N_FEATURES))
        self.values = rng.normal(size=(N_CODES, N_GENES))
        self.rng = rng

    def spots(self, patients: tuple[str, ...]) -> dict:
        code = np.tile(np.arange(N_CODES), 2 * len(patients))
        n_spots = len(code)
        feature = self.looks[code] + 0.1 * self.rng.normal(size=(n_spots, N_FEATURES))
        followed = self.values[code] + 0.3 * self.rng.normal(size=(n_spots, N_GENES))
        null = self.rng.normal(size=(n_spots, N_GENES))
        patient = np.repeat(patients, 2 * N_CODES)
        tiles = self.rng.integers(0, 256, (n_spots, TILE_PX, TILE_PX, 3)).astype(np.uint8)
        return {
            "feature": feature.astype(np.float32),
            "target": np.hstack([followed, null]).astype(np.float32),
            "names": {
                "keys": SpotKeys.of_names(
                    [f"{name}1" for name in patient], patient, [str(row) for row in range(n_spots)]
                ),
                "encoder": "planted",
                "image": StackedTiles([(tiles, np.arange(n_spots))]),
            },
        }


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Mean correlation on the tested patient, by row: genes that follow the code, and null."""
    planted = Planted()
    train, test = planted.spots(TRAINING), planted.spots((TESTED,))
    table = SpotTable(
        feature=train["feature"],
        target=train["target"],
        log_total=np.zeros(len(train["target"])),
        inner=(),
        **train["names"],
    )
    settings = parse_settings(
        {
            "cohort": "none",
            "models": list(ROWS),
            "settings": ROWS,
            "exemplars": {"n": 5},
            "train": {"epochs": 8, "keep": "last", "batch_size": 32},
            "run": {"device": "cpu"},
        },
        "test",
    )
    found = {}
    for name in ROWS:
        folder = tmp_path_factory.mktemp(name)
        fitted = fit(settings.row(name), table, settings, folder / "resume")
        predicted = fitted.predict(SpotQueries(test["feature"], **test["names"])).values
        per_gene = pearson_per_gene(predicted, test["target"])
        found[name] = (per_gene[:N_GENES].mean(), per_gene[N_GENES:].mean())
    return found


def test_exemplars_bring_the_values_of_codes_that_a_network_has_not_learned(scores):
    assert scores["shown"][0] > scores["alone"][0] + 0.2, scores


def test_random_exemplars_bring_nothing(scores):
    assert scores["random"][0] < scores["alone"][0] + 0.1, scores
    assert scores["shown"][0] > scores["random"][0] + 0.2, scores


def test_exemplars_bring_nothing_on_null_genes(scores):
    # 120 spots: one gene's correlation strays by 0.09, the mean of four by half of that
    assert abs(scores["shown"][1] - scores["alone"][1]) < 0.2, scores
    assert abs(scores["shown"][1]) < 0.18, scores

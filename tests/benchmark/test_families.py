"""Planted truth: each model finds the gene families that its input shows, and no others.

One seed in `make test`, three with `make test-slow`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from histoscribe.benchmark.band import Shuffled, shuffled_fold
from histoscribe.benchmark.plan import RunPlan, make_plan
from histoscribe.benchmark.run import benchmark, run_cells
from histoscribe.benchmark.score import ORACLE, Scored, score_fold, truth_of
from histoscribe.benchmark.tables import band_runs
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.models.base import Estimator, inputs_of, model_class
from histoscribe.models.catalog import list_models
from histoscribe.seed import stream
from histoscribe.simulate.cohort import simulate
from histoscribe.simulate.truth import read_truth
from histoscribe.simulate.visibility import VISIBLE
from histoscribe.train.settings import RunSettings, parse_settings

PERMUTATIONS = 2000
OF_FEATURES = [
    name
    for name in list_models()
    if issubclass(model_class(name), Estimator) or inputs_of(model_class(name)) == ("feature",)
]
"""Networks that look at tiles take minutes on such a cohort: they have a test of their own below,
and benchmarks/egn_simulated.py."""
OF_TILES = [
    name for name in list_models() if name not in OF_FEATURES and model_class(name).item == "spot"
]
WIDE_PIXELS = {"tile_px": 112, "mpp": 1.0}
"""The tiles of the default with a quarter of its px: enough for stain and density of nuclei."""
SEEDS = [1, pytest.param(0, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Every prediction of a run beside its truth, and the family of each gene."""

    scored: list[Scored]
    family: dict[str, str]

    def score(self, model: str, family: str) -> float:
        """Mean over the family's genes, then over test sections (one a patient)."""
        return float(np.mean([s.mean() for s in self.by_section(model, family).values()]))

    def by_section(self, model: str, family: str) -> dict[str, np.ndarray]:
        """PCC of the family's genes in each test section."""
        return {
            part.truth.section: pearson_per_gene(*self.columns(part, family))
            for part in self.scored
            if part.model == model
        }

    def columns(self, part: Scored, family: str) -> tuple[np.ndarray, np.ndarray]:
        """Predicted and measured values of the family's genes."""
        of = [i for i, gene in enumerate(part.truth.genes) if self.family[gene] == family]
        return part.evaluated.predicted[:, of], part.evaluated.measured[:, of]


def settings_for(manifest, families, seed, **changes) -> RunSettings:
    truth = read_truth(manifest.parent, "P1S1")
    genes = [g for g, f in zip(truth.gene_ids, truth.family, strict=True) if f in families]
    table = {
        "seed": seed,
        "cohort": str(manifest),
        "models": OF_FEATURES,
        "target": {"panel": "list", "genes": genes},
        "settings": {name: {"preset": "tiny"} for name in OF_FEATURES},
        "run": {"device": "cpu"},
        **changes,
    }
    return parse_settings(table, "test settings")


def outcome_of(plan: RunPlan, manifest) -> Outcome:
    run_cells(plan)
    scored = [
        part
        for fold in plan.folds
        for part in score_fold(plan, fold, plan.run_data.target(fold.train))
        if part.model != ORACLE
    ]
    truth = read_truth(manifest.parent, "P1S1")
    return Outcome(scored, dict(zip(truth.gene_ids, truth.family, strict=True)))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> Callable[[int], Outcome]:
    """The outcome of a seed, made once."""

    @cache
    def outcome_of_seed(seed: int) -> Outcome:
        folder = tmp_path_factory.mktemp(f"families-{seed}")
        manifest = simulate(folder / "cohort", n_patients=6, genes_per_family=32, seed=seed)
        families = set(VISIBLE["feature"]) | {"null"}
        settings = settings_for(
            manifest,
            families,
            seed,
            # three patients are tested, each by a model of the other five
            folds={"test": [["P1"], ["P2"], ["P3"]]},
            train={"epochs": 30, "patience": 6},
        )
        plan = make_plan(settings, folder / "run", weights={}, cache=folder / "cache")
        return outcome_of(plan, manifest)

    return outcome_of_seed


def seen_by(name: str) -> frozenset[str]:
    """Families that the input of a model shows."""
    cls = model_class(name)
    if name in ("mean", "depth"):
        return frozenset()
    if cls.encoder is not None:
        return VISIBLE[cls.encoder]
    names = ("feature",) if issubclass(cls, Estimator) else inputs_of(cls)
    return frozenset().union(*(VISIBLE[field] for field in names))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [n for n in OF_FEATURES if n not in ("mean", "depth")])
def test_a_model_beats_predicted_depth_on_the_families_it_can_see(outcomes, name, seed):
    outcome = outcomes(seed)
    beaten = {
        family: (outcome.score(name, family), outcome.score("depth", family))
        for family in sorted(seen_by(name))
    }
    assert all(score > depth for score, depth in beaten.values()), beaten


@pytest.fixture(scope="module")
def tile_outcome(tmp_path_factory) -> Outcome:
    """What networks that look at tiles make of compartments, in one fold."""
    folder = tmp_path_factory.mktemp("tiles")
    manifest = simulate(folder / "cohort", n_patients=4, genes_per_family=8, seed=1)
    settings = settings_for(
        manifest,
        {"compartment"},
        1,
        models=["depth", *OF_TILES],
        settings={name: {"preset": "tiny"} for name in OF_TILES},
        inputs={"tile_px": 64, "mpp": 1.0},
        folds={"test": [["P1"]]},
        train={"epochs": 15, "batch_size": 32, "keep": "last"},
    )
    return outcome_of(make_plan(settings, folder / "run", weights={}, cache=folder), manifest)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_TILES)
def test_a_network_that_looks_at_tiles_beats_predicted_depth_on_compartments(tile_outcome, name):
    score, depth = (tile_outcome.score(row, "compartment") for row in (name, "depth"))
    assert score > max(depth, 0.1)


@pytest.mark.parametrize("seeds", [(1,), pytest.param((0, 1, 2), marks=pytest.mark.slow)])
def test_null_genes_stay_inside_the_band_of_their_own_permutations(outcomes, seeds):
    """Spots of each test section are permuted; 95 % over all models at once (Bonferroni).

    The mean over the seeds is tested. Alone, seed 0 strays to z = 3.0 for ridge, which chance
    does in one of some forty such tests; the other seeds tried (1 to 6) show no bias.
    """
    models = OF_FEATURES
    tail = 100 * 0.05 / len(models) / 2
    for name in models:
        parts = [(outcomes(seed), part) for seed in seeds for part in outcomes(seed).scored]
        pairs = [outcome.columns(part, "null") for outcome, part in parts if part.model == name]
        low, high = np.percentile(permuted_scores(pairs), [tail, 100 - tail])
        found = np.mean([outcomes(seed).score(name, "null") for seed in seeds])
        assert low <= found <= high, name


def permuted_scores(pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Mean PCC over genes and sections, once a permutation of the spots of each section."""
    rng = stream(0, "permute-null")
    scores = np.zeros((PERMUTATIONS, len(pairs)))
    for column, (predicted, measured) in enumerate(pairs):
        found, truth = standardised(predicted), standardised(measured)
        for run in range(PERMUTATIONS):
            scores[run, column] = (found * truth[rng.permutation(len(truth))]).mean()
    return scores.mean(axis=1)


def standardised(values: np.ndarray) -> np.ndarray:
    """Mean 0 and spread 1 in each column; a constant column is 0."""
    centred = values - values.mean(axis=0, dtype=np.float64)
    spread = centred.std(axis=0)
    return centred / np.where(spread > 1e-9, spread, np.inf)


@pytest.fixture(scope="module")
def flip_cohort(tmp_path_factory):
    return simulate(
        tmp_path_factory.mktemp("flip") / "cohort",
        n_patients=3,
        sections_per_patient=3,
        families=("patient_flip", "compartment"),
        genes_per_family=8,
        spots_per_section=50,
        seed=0,
    )


def test_a_programme_that_flips_by_patient_is_learnable_only_by_leaking(flip_cohort, tmp_path):
    scores = {}
    # a section of each patient, whose other sections are trained on
    one_of_each = {"test": [["P1S3", "P2S3", "P3S3"]]}
    for protocol, test in (("section", one_of_each), ("patient", {})):
        settings = settings_for(
            flip_cohort,
            {"patient_flip"},
            0,
            models=["knn", "ridge", "mlp"],
            settings={"mlp": {"preset": "tiny"}},
            inputs=WIDE_PIXELS,
            folds={"protocol": protocol, **test},
            train={"epochs": 30, "patience": 6},
        )
        plan = make_plan(settings, tmp_path / protocol, weights={}, cache=tmp_path / "cache")
        outcome = outcome_of(plan, flip_cohort)
        scores[protocol] = [outcome.score(name, "patient_flip") for name in settings.models]
    runs = band_runs(list(shuffled_parts(plan)), "pcc")
    assert max(scores["section"]) > 0.3
    assert runs.min() < min(scores["patient"])
    assert max(scores["patient"]) < runs.max()


def shuffled_parts(plan: RunPlan) -> Iterator[Shuffled]:
    """The shuffled band of every fold."""
    for fold in plan.folds:
        target = plan.run_data.target(fold.train)
        truths = [truth_of(plan, fold, target, section) for section in sorted(fold.test)]
        yield from shuffled_fold(plan, fold, target, truths)


@pytest.mark.parametrize(
    ("depth", "trips"),
    [("density", True), pytest.param("independent", False, marks=pytest.mark.slow)],
)
def test_the_depth_check_trips_where_depth_follows_cell_density(tmp_path, depth, trips):
    manifest = simulate(
        tmp_path / "cohort", n_patients=3, genes_per_family=4, depth=depth, spots_per_section=50
    )
    families = {"compartment", "density", "null"}
    settings = settings_for(
        manifest, families, 0, models=["mean", "depth", "ridge"], settings={}, inputs=WIDE_PIXELS
    )
    result = benchmark(settings=settings, out=tmp_path / "run", cache=tmp_path / "cache")
    assert ("depth-visible" in {check.code for check in result.checks}) is trips

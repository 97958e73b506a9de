"""What is planted in a simulated cohort, and what simple models can read of it."""

import csv
import inspect
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from PIL import Image
from scipy.spatial import cKDTree
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from histoscribe.simulate import FAMILIES, VISIBLE, SimulatedTruth, read_truth, simulate, visibility
from histoscribe.simulate.counts import draw_counts, draw_depth
from histoscribe.simulate.families import (
    MOTIF_SHAPE,
    N_MOTIFS,
    Surroundings,
    draw_genes,
    flip_signs,
    latent_rates,
)

SECTIONS = ("P1S1", "P2S1", "P3S1", "P4S1")


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("planted")
    simulate(out, len(SECTIONS), spots_per_section=90, genes_per_family=16, seed=1)
    return out


@pytest.fixture(scope="session")
def truths(cohort: Path) -> dict[str, SimulatedTruth]:
    return {section: read_truth(cohort, section) for section in SECTIONS}


@pytest.fixture(scope="session")
def expression(cohort: Path) -> dict[str, np.ndarray]:
    return {section: _cp10k(cohort, section) for section in SECTIONS}


@pytest.fixture(scope="session")
def by_colour(cohort: Path, expression: dict[str, np.ndarray]) -> np.ndarray:
    colour = {section: _mean_colours(cohort, section) for section in SECTIONS}
    return _across_patients(colour, expression)


def test_nuclei_are_as_dense_as_in_real_tissue(truths):
    for truth in truths.values():
        counts = np.bincount(truth.nucleus_compartment, minlength=5)
        tumour, _, infiltrate, _, _ = counts / np.maximum(truth.area_mm2, 1e-9)
        assert tumour >= 3000
        assert infiltrate >= 6000


def test_a_fifth_of_the_nuclei_touch(truths):
    for truth in truths.values():
        tree = cKDTree(truth.nucleus_um)
        gap, near = tree.query(truth.nucleus_um, k=6)
        reach = truth.nucleus_radius_um[:, None] + truth.nucleus_radius_um[near[:, 1:]]
        assert (gap[:, 1:] < reach).any(axis=1).mean() >= 0.2


def test_the_ellipse_of_each_nucleus_is_dark_where_it_says(cohort, truths):
    truth = truths["P1S1"]
    with Image.open(cohort / "P1S1.jpg") as file:
        image = np.asarray(file).mean(axis=-1)
    along = np.stack([np.cos(truth.nucleus_angle), np.sin(truth.nucleus_angle)], axis=1)
    across = along[:, ::-1] * [-1, 1]
    long, short = truth.nucleus_semi_um.T[..., None]
    slim = (long > 1.8 * short).ravel()
    assert slim.sum() > 100

    def grey(xy_um):
        column, row = (xy_um[slim] / 0.5).astype(int).T
        return image[row.clip(0, len(image) - 1), column.clip(0, image.shape[1] - 1)].mean()

    # a third beyond the short axis, in both directions: inside along the long axis only
    ends = [truth.nucleus_um + 1.35 * short * line for line in (along, across)]
    assert grey(ends[0]) < grey(ends[1]) - 20


def test_mean_colour_sees_compartments_and_not_what_nuclei_tell(by_colour, truths):
    score = {family: by_colour[truths["P1S1"].genes_of(family)].mean() for family in FAMILIES}
    assert score["density"] < 0.3
    assert score["compartment"] > 0.1
    for family in ("arrangement", "lookup"):
        assert abs(score[family]) < 0.08


def test_arrangement_and_motif_leave_count_and_colour_alone(cohort, truths):
    level, motif_size, density, colour = [], [], [], []
    for section, truth in truths.items():
        size, _, arrangement, *_ = np.unravel_index(truth.motif, MOTIF_SHAPE)
        level.append(arrangement)
        motif_size.append(size)
        density.append(np.log(truth.density))
        mean = _mean_colours(cohort, section)
        colour.append(mean - mean.mean(axis=0))
    seen = np.column_stack([np.concatenate(density), np.concatenate(colour)])
    for hidden in (level, motif_size):
        correlation = np.corrcoef(np.concatenate(hidden), seen.T)[0, 1:]
        assert np.abs(correlation).max() < 0.2  # three deviations of chance with 350 spots


def test_there_are_about_200_motifs_with_values_of_their_own(truths):
    assert 180 <= N_MOTIFS <= 220
    rates, motifs = [], []
    for truth in truths.values():
        rates.append(truth.rates[:, truth.genes_of("lookup")])
        motifs.append(truth.motif)
    rates, motifs = np.concatenate(rates), np.concatenate(motifs)
    assert len(np.unique(motifs)) > 80
    values = {tuple(rates[motifs == motif][0]) for motif in np.unique(motifs)}
    assert len(values) == len(np.unique(motifs))
    for motif in np.unique(motifs):
        assert np.ptp(rates[motifs == motif], axis=0).max() == 0


def test_rates_of_a_spot_sum_to_one_and_null_genes_never_move(truths):
    for truth in truths.values():
        np.testing.assert_allclose(truth.rates.sum(axis=1), 1)
        assert truth.rates.min() > 0
        assert np.ptp(truth.rates[:, truth.genes_of("null")], axis=0).max() == 0


def test_null_genes_are_predicted_by_nothing(by_colour, expression, truths):
    null = truths["P1S1"].genes_of("null")
    latent = {s: np.column_stack([t.fraction, np.log(t.density)]) for s, t in truths.items()}
    assert abs(by_colour[null].mean()) < 0.08
    # even the true surroundings say nothing about them, and much about the others
    told = _across_patients(latent, expression)
    assert abs(told[null].mean()) < 0.08
    assert told[truths["P1S1"].genes_of("density")].mean() > 0.4


def test_a_patient_flips_the_sign_of_a_programme(cohort, truths):
    slopes = []
    for section, truth in truths.items():
        facts = json.loads((cohort / "truth" / f"{section[:2]}.json").read_text())
        rates = np.log(truth.rates[:, truth.genes_of("patient_flip")])
        slope = [np.sign(np.corrcoef(truth.fraction[:, 0], gene)[0, 1]) for gene in rates.T]
        np.testing.assert_array_equal(slope, facts["flips"])
        slopes.append(slope)
    np.testing.assert_allclose(np.cov(slopes, bias=True) - np.eye(len(slopes)), 0, atol=0.5)


@pytest.mark.parametrize("n_patients", [3, 4, 6])
def test_the_other_patients_say_nothing_about_a_flip(n_patients):
    signs = flip_signs(32, n_patients, seed=5)
    for patient in range(n_patients):
        vote = np.sign(np.delete(signs, patient, axis=0).sum(axis=0))
        assert (vote * signs[patient]).mean() == 0


def test_depth_follows_the_nuclei_only_when_asked():
    density = np.exp(np.random.default_rng(0).normal(8.3, 0.4, 2000))
    for follows, low, high in (("independent", -0.08, 0.08), ("density", 0.8, 1.0)):
        depth = draw_depth(density, follows, np.random.default_rng(1))
        assert low < np.corrcoef(np.log(density), np.log(depth))[0, 1] < high


def test_counts_have_the_expected_mean_and_more_than_poisson_noise():
    rates = np.tile([0.5, 0.3, 0.2], (4000, 1))
    counts = draw_counts(np.full(4000, 100.0), rates, np.random.default_rng(0)).toarray()
    np.testing.assert_allclose(counts.mean(axis=0), [50, 30, 20], rtol=0.03)
    np.testing.assert_array_less(2 * counts.mean(axis=0), counts.var(axis=0))


def test_a_family_is_the_same_whichever_others_stand_beside_it():
    rng = np.random.default_rng(0)
    around = Surroundings(
        fraction=rng.dirichlet(np.ones(5), 20),
        density=rng.uniform(2000, 8000, 20),
        motif=rng.integers(0, N_MOTIFS, 20),
        position=rng.uniform(-1, 1, (20, 2)),
    )
    alone, all_ = draw_genes(("lookup",), 4, seed=2), draw_genes(FAMILIES, 4, seed=2)
    flips = np.ones(4)
    np.testing.assert_array_equal(
        latent_rates(alone, around, flips, 2)[:, alone.of("lookup")],
        latent_rates(all_, around, flips, 2)[:, all_.of("lookup")],
    )


def test_bulk_is_the_sum_of_latent_rates(cohort, truths):
    facts = json.loads((cohort / "truth" / "P2.json").read_text())
    np.testing.assert_allclose(facts["bulk"], truths["P2S1"].rates.sum(axis=0))


def test_pathways_name_genes_of_the_cohort(cohort):
    genes = {row["gene_name"]: row["family"] for row in _rows(cohort / "truth" / "genes.csv")}
    for line in (cohort / "pathways.gmt").read_text().splitlines():
        name, _, *members = line.split("\t")
        wanted = "null" if name == "SIM_DECOY" else "pathway"
        assert {genes[member] for member in members} == {wanted}


def test_the_table_of_what_is_visible_is_the_one_tests_read():
    lines = [line for line in inspect.getdoc(visibility).splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert tuple(header[1:]) == FAMILIES
    table = {
        name: frozenset(f for f, cell in zip(FAMILIES, cells, strict=True) if cell == "yes")
        for name, *cells in rows
    }
    assert table == dict(VISIBLE)


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def _cp10k(folder: Path, section: str) -> np.ndarray:
    with h5py.File(folder / section / "filtered_feature_bc_matrix.h5") as file:
        matrix = file["matrix"]
        parts = (matrix["data"][:], matrix["indices"][:], matrix["indptr"][:])
        counts = sp.csr_matrix(parts, shape=matrix["shape"][:][::-1]).toarray()
    return np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))


def _mean_colours(folder: Path, section: str) -> np.ndarray:
    with Image.open(folder / f"{section}.jpg") as image:
        pixels = np.pad(np.asarray(image), ((112, 112), (112, 112), (0, 0)), mode="edge")
    spots = _rows(folder / section / "spatial" / "tissue_positions.csv")
    corners = [
        (int(spot["pxl_row_in_fullres"]), int(spot["pxl_col_in_fullres"]))
        for spot in spots
        if spot["in_tissue"] == "1"
    ]
    return np.array([pixels[y : y + 224, x : x + 224].mean(axis=(0, 1)) for y, x in corners])


def _across_patients(seen: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> np.ndarray:
    """Correlation per gene of ridge, mean over patients left out one by one."""
    scores = []
    for test in seen:
        train = [section for section in seen if section != test]
        scale = StandardScaler().fit(np.concatenate([seen[section] for section in train]))
        x = scale.transform(np.concatenate([seen[section] for section in train]))
        model = RidgeCV(10.0 ** np.arange(-1, 5)).fit(x, np.concatenate([wanted[s] for s in train]))
        predicted, measured = model.predict(scale.transform(seen[test])), wanted[test]
        scores.append(
            [np.corrcoef(predicted[:, g], measured[:, g])[0, 1] for g in range(measured.shape[1])]
        )
    return np.mean(scores, axis=0)

"""Texture or arrangement: cutting, scores by chance, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from histoscribe.errors import DataContractError
from histoscribe.explain.layers.piece_scores import _weights
from histoscribe.explain.layers.pieces import WHOLE, Cut, PieceChange, cuts
from histoscribe.explain.run import explain
from histoscribe.types import Cohort, CohortEntry, Section
from tests.explain.alike import N_GENES
from tests.explain.layers.chance import texture_alarm
from tests.explain.layers.corners import corner_cohort, corner_predictor

IDS = ("a", "b", "c")


def image_of(side_px, n=2):
    pixels = np.random.default_rng(0).integers(0, 256, (n, 3, side_px, side_px))
    return torch.from_numpy(pixels.astype(np.uint8))


def cut(image, of, rows=(0, 1)):
    return PieceChange(of, "S", IDS)(image, np.array(rows))


@pytest.mark.parametrize("of", [Cut(2), Cut(8), Cut(8, turned=True)])
def test_cutting_keeps_every_pixel_and_moves_pieces(of):
    image = image_of(32)
    changed = cut(image, of)
    assert not torch.equal(changed, image)
    for before, after in zip(image, changed, strict=True):
        pixels = [one.reshape(3, -1).T for one in (before, after)]
        assert torch.equal(*(torch.unique(one, dim=0, return_counts=True)[1] for one in pixels))
        assert torch.equal(*(torch.unique(one, dim=0) for one in pixels))


def test_a_whole_tile_stays_and_places_depend_on_the_spot_only():
    image = image_of(32).expand(2, 3, 32, 32).contiguous()
    image[1] = image[0]
    assert torch.equal(cut(image, WHOLE), image)
    both = cut(image, Cut(4))
    assert not torch.equal(both[0], both[1])
    assert torch.equal(cut(image[:1], Cut(4), (1,))[0], both[1])
    assert torch.equal(cut(image, Cut(4)), both)


def test_turned_pieces_stay_in_their_places():
    image = image_of(32)
    turned = cut(image, Cut(4, turned=True))
    assert torch.equal(turned[0, :, 8:16, 16:24], image[0, :, 8:16, 16:24].flip(1, 2))
    assert torch.equal(cut(turned, Cut(4, turned=True)), image)


def test_what_whole_pieces_leave_over_stays_as_it_is():
    image = image_of(35)
    changed = cut(image, Cut(8))  # pieces of 4 px; 1 px is left in front and 2 behind
    for edge in (slice(0, 1), slice(33, 35)):
        assert torch.equal(changed[:, :, edge], image[:, :, edge])
        assert torch.equal(changed[..., edge], image[..., edge])
    assert not torch.equal(changed, image)


def test_cuts_are_the_whole_tile_then_shuffled_then_turned_pieces():
    names = [of.name for of in cuts((2, 4))]
    assert names == ["whole", "shuffled_2", "shuffled_4", "turned_2", "turned_4"]


def test_patients_count_alike_whatever_sections_they_have():
    varies = np.array([[True, True], [True, False], [True, False]])
    np.testing.assert_allclose(_weights(varies, ["A", "A", "B"]), [[0.25, 1], [0.25, 0], [0.5, 0]])


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    out = tmp_path_factory.mktemp("texture") / "answer"
    sets = out.with_name("sets.gmt")
    odd = "\t".join(f"G{gene}" for gene in range(1, N_GENES, 2))
    sets.write_text(f"ODD\tnone\t{odd}\n")
    given = {"about": "texture", "pieces": (2, 4), "gene_sets": str(sets)}
    return explain("layers", corner_predictor(), corner_cohort(0), out=out, **given)


def test_genes_of_colour_survive_and_genes_of_a_place_do_not(asked):
    genes = pd.read_csv(asked.folder / "genes.csv")
    is_odd = genes["gene"].str[1:].astype(int) % 2 == 1
    assert (genes["read_from"][~is_odd] == "texture").all()
    assert (genes["read_from"][is_odd] == "arrangement").all()
    assert (genes["share_surviving"][~is_odd] > 0.99).all()
    assert (genes["share_turned"] > 0.99).all()
    assert asked.number("texture_share").value == 0.5
    assert asked.number("score_whole").value > asked.chance("score_whole").high


def test_tables_have_groups_sets_and_sections(asked):
    groups = pd.read_csv(asked.folder / asked.table)
    assert {"all genes", "read from texture", "read from arrangement", "ODD"} == set(
        groups["group"]
    )
    of_set = groups[(groups["group"] == "ODD") & (groups["cut"] == "shuffled_4")].iloc[0]
    assert of_set["chance_low"] < of_set["score"] < of_set["chance_high"]
    assert of_set["piece_um"] == 25.0
    sections = pd.read_csv(asked.folder / "sections.csv")
    assert len(sections) == 2 * 5
    assert {path.name for path in asked.folder.iterdir()} == {
        *(*asked.figures, *asked.tables),
        *("finding.json", "question.json"),
    }


def test_every_number_has_its_value_by_chance_and_equal_questions_give_equal_bytes(asked, tmp_path):
    assert {number.name for number in asked.statistic} <= {number.name for number in asked.null}
    sets = str(asked.folder.with_name("sets.gmt"))
    given = {"about": "texture", "pieces": (4, 2), "gene_sets": sets}
    again = explain("layers", corner_predictor(), corner_cohort(0), out=tmp_path / "b", **given)
    for path in asked.folder.iterdir():
        assert (again.folder / path.name).read_bytes() == path.read_bytes()


def test_what_cannot_be_asked_is_refused_at_once(tmp_path):
    predictor, cohort = corner_predictor(), corner_cohort(0)
    trained = [
        Section("T0S", min(predictor.card.patients), of.slide, of.spots, of.counts) for of in cohort
    ][:1]
    bare = [Section("NONE", "K9", of.slide, of.spots, None) for of in cohort][:1]
    entries = [CohortEntry(of.id, of.patient, lambda of=of: of) for of in (*trained, *bare)]
    with pytest.raises(DataContractError) as error:
        explain(
            *("layers", predictor, Cohort(entries)),
            **{"about": "texture", "pieces": (1, 17), "sections": ("T0S", "NONE")},
            out=tmp_path / "out",
        )
    words = str(error.value)
    for part in ("pieces 1", "pieces 17", "2 to 16", "in training", "no counts"):
        assert part in words
    with pytest.raises(DataContractError, match="all of them in training or without counts"):
        explain("layers", predictor, Cohort(entries), about="texture", pieces=(2,))
    with pytest.raises(DataContractError, match="does not read"):
        explain("layers", predictor, cohort, about="texture", tiles=20)
    assert not Path(tmp_path / "out").exists()


@pytest.mark.slow
def test_random_networks_raise_no_more_alarms_than_chance():
    assert sum(texture_alarm(seed, link=0.5, random=True) for seed in range(40)) <= 7

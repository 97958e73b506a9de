from pathlib import Path

import numpy as np
import pytest

from histoscribe.data.genesets import (
    MIN_MEMBERS,
    GeneSets,
    PathwaySettings,
    open_gene_sets,
    panel_pathways,
    with_whole_paths,
)
from histoscribe.errors import DataContractError

SYMBOLS = tuple(f"GENE{n}" for n in range(40))
IDS = tuple(f"ENSG{n:011d}" for n in range(40))


def sets_of(orthologues=None, **sets):
    named = {name: tuple(members) for name, members in sets.items()}
    return GeneSets("sets.gmt", "not stated", named, orthologues)


def test_members_match_by_symbol_or_by_id_with_any_version():
    sets = sets_of(A=SYMBOLS[:12], B=[f"{id_}.7" for id_ in IDS[5:15]])
    found = panel_pathways(sets, IDS, SYMBOLS).pathways
    assert found.names == ("A", "B")
    expected = np.zeros((2, 40), dtype=bool)
    expected[0, :12] = expected[1, 5:15] = True
    np.testing.assert_array_equal(found.members, expected)


def test_coverage_counts_members_and_small_sets_are_dropped_by_name():
    small = (*SYMBOLS[: MIN_MEMBERS - 1], "ELSEWHERE")
    sets = sets_of(KEPT=(*SYMBOLS[:MIN_MEMBERS], "ELSEWHERE", "NOWHERE"), SMALL=small, NONE=["X"])
    card = panel_pathways(sets, IDS, SYMBOLS).card
    assert card.coverage == {"KEPT": (10, 12)}
    assert card.dropped == {"SMALL": (9, 10), "NONE": (0, 1)}


def test_two_genes_of_one_symbol_are_both_members_and_count_once():
    names = ("GENE0", "GENE0", *SYMBOLS[1:])
    found = panel_pathways(sets_of(A=SYMBOLS[:10]), (*IDS, "ENSG00000000099"), names)
    assert found.pathways.members.sum() == 11
    assert found.card.coverage == {"A": (10, 10)}


def test_sets_of_other_genes_name_both_spellings():
    with pytest.raises(DataContractError) as caught:
        panel_pathways(sets_of(A=[f"AT{n}G01010" for n in range(1, 6)]), IDS, SYMBOLS)
    (problem,) = caught.value.problems
    assert "the sets have AT1G01010, AT2G01010, AT3G01010" in problem.found
    assert f"the panel has {IDS[0]} (GENE0), {IDS[1]} (GENE1), {IDS[2]} (GENE2)" in problem.found


def test_symbols_of_another_species_are_known_by_their_case():
    mouse = tuple(name.capitalize() for name in SYMBOLS)
    with pytest.raises(DataContractError) as caught:
        panel_pathways(sets_of(A=SYMBOLS), (*IDS[:39], "SHARED"), (*mouse[:39], SYMBOLS[39]))
    (problem,) = caught.value.problems
    assert "another species" in problem.found
    assert "Gene0 for GENE0" in problem.found
    assert "pathways.orthologues" in problem.remedy


def test_orthologues_bring_sets_to_another_species():
    mouse = tuple(name.capitalize() for name in SYMBOLS)
    table = {name: (name.capitalize(),) for name in SYMBOLS[:20]} | {"GENE0": ("Gene0", "Gene30")}
    found = panel_pathways(sets_of(table, A=SYMBOLS), IDS, mouse)
    assert np.flatnonzero(found.pathways.members[0]).tolist() == [*range(20), 30]
    assert found.card.coverage == {"A": (20, 40)}
    assert found.card.orthologues


def test_a_panel_that_is_too_small_for_any_set_is_told():
    with pytest.raises(DataContractError, match="A has 4, the most of 2 sets"):
        panel_pathways(sets_of(A=SYMBOLS[:4], B=SYMBOLS[:3]), IDS, SYMBOLS)


def test_files_are_read_and_orthologues_must_be_of_their_genes(tmp_path):
    (tmp_path / "sets.gmt").write_text("A\t\tMKI67\tTOP2A\n", encoding="utf-8")
    table = tmp_path / "mouse.csv"
    table.write_text("set_gene,panel_gene\nMKI67,Mki67\n", encoding="utf-8")
    given = {"sets": "sets.gmt", "orthologues": "mouse.csv"}
    settings = PathwaySettings(**with_whole_paths(given, tmp_path))
    opened = open_gene_sets(settings)
    assert opened.source == "sets.gmt"
    assert opened.genes == {"Mki67"}
    table.write_text("set_gene,panel_gene\nMki67,MKI67\n", encoding="utf-8")
    with pytest.raises(DataContractError, match="exchange the columns"):
        open_gene_sets(settings)
    assert open_gene_sets(PathwaySettings()) is None


def test_settings_of_sets_need_sets():
    with pytest.raises(ValueError, match="name them by `sets`"):
        PathwaySettings(first=True)
    assert with_whole_paths({"sets": "catalog:hallmark", "first": True}, Path.cwd()) == {
        "sets": "catalog:hallmark",
        "first": True,
    }

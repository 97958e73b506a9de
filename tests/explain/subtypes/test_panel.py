"""Panels from files, and how much of them a table has."""

import numpy as np
import pytest

from histoscribe.data.panel_files import published_panel
from histoscribe.errors import DataContractError
from histoscribe.explain.subtypes.panel import GeneNames, subtype_panel

ALL = np.ones(40, dtype=bool)


def named(*names):
    padded = (*names, *(f"X{number}" for number in range(40 - len(names))))
    return GeneNames(padded, padded)


def test_the_published_panel_has_muc2_and_says_what_is_missing():
    names = named(*(gene for gene in published_panel("colotype-partial") if gene != "WARS"), "MUC2")
    panel = subtype_panel("colotype-partial", names, ALL, None)
    assert panel.words == "35 of 36 genes of colotype-partial; missing: WARS"
    assert panel.names[-1] == "MUC2"


def test_present_symbols_are_found_by_former_ones_and_the_other_way(tmp_path):
    path = tmp_path / "panel.txt"
    path.write_text("WARS\nLYZ\nX1\n")
    panel = subtype_panel(str(path), named("WARS1", "LYX"), ALL, None)
    assert panel.names == ("WARS", "LYZ", "X1")
    assert "renamed: WARS as WARS1, LYZ as LYX" in panel.words


def test_genes_that_images_do_not_predict_are_missing(tmp_path):
    path = tmp_path / "panel.txt"
    path.write_text("X1\nX2\n")
    usable = ALL.copy()
    usable[1] = False
    assert subtype_panel(str(path), named(), usable, None).names == ("X2",)


def test_a_gene_set_is_the_mean_of_its_members_standardised_on_training_patients(tmp_path):
    path = tmp_path / "sets.gmt"
    members = [f"X{number}" for number in range(12)]
    path.write_text("BIG\t-\t" + "\t".join(members) + "\nSMALL\t-\tX1\tX2\n")
    panel = subtype_panel(str(path), named(), ALL, None)
    assert panel.names == ("BIG",)
    assert panel.words == "1 of 2 gene sets of sets.gmt; missing: SMALL"
    values = np.random.default_rng(0).standard_normal((8, 40))
    train = np.arange(6)
    z = (values[:, :12] - values[:6, :12].mean(axis=0)) / values[:6, :12].std(axis=0)
    assert panel.read(values, train)[:, 0] == pytest.approx(z.mean(axis=1))


def test_a_panel_of_other_genes_and_no_panel_are_told(tmp_path):
    path = tmp_path / "panel.txt"
    path.write_text("ENSG01\n")
    with pytest.raises(DataContractError, match="nothing of it is in the bulk table"):
        subtype_panel(str(path), named("A"), ALL, None)
    with pytest.raises(DataContractError, match="no list of genes"):
        subtype_panel(str(tmp_path / "lost.txt"), named("A"), ALL, None)
    with pytest.raises(DataContractError, match="no table of templates"):
        subtype_panel("templates", named("A"), ALL, None)

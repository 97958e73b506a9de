"""Settings of pathways: paths, and the models and panels that they fit."""

import pytest

from histoscribe.errors import DataContractError
from histoscribe.train.settings import read_settings

LEAST = 'cohort = "c.csv"\nmodels = ["mlp", "mean"]\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(LEAST)
    return path


def test_gene_sets_lie_beside_the_settings_file_or_in_the_catalog(file):
    given = ('pathways.sets="a.gmt"', 'pathways.orthologues="mouse.csv"')
    pathways = read_settings(file, given).pathways
    assert pathways.sets == str(file.parent / "a.gmt")
    assert pathways.orthologues == str(file.parent / "mouse.csv")
    named = read_settings(file, ('pathways.sets="catalog:hallmark"',))
    assert named.pathways.sets == "catalog:hallmark"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("pathways.first=true",), "name them by `sets`"),
        (("train.pathway_weight=0.5",), "there are no gene sets"),
        (
            ("train.pathway_weight=0.5", 'pathways.sets="a.gmt"'),
            "each spot scores of pathways, and mlp does not",
        ),
        (
            ('models=["stformer"]', 'settings.stformer.pathway_init="masked"'),
            "name them by pathways.sets, or set pathway_init",
        ),
        (
            (
                "pathways.first=true",
                'pathways.sets="a.gmt"',
                'target.panel="list"',
                'target.genes=["G1"]',
            ),
            "leave out one",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_told(file, given, told):
    with pytest.raises(DataContractError, match=told):
        read_settings(file, given)

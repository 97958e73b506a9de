"""A published network trains as published, or the run says where it does not."""

import pytest

from histoscribe.benchmark.run import benchmark
from histoscribe.errors import DataContractError
from histoscribe.models.base import model_class
from histoscribe.models.catalog import list_models, model_source
from histoscribe.models.recipe import Recipe
from histoscribe.progress import told_to
from histoscribe.train import loop
from histoscribe.train.departures import departure_line, departures
from histoscribe.train.run import train
from histoscribe.train.settings import parse_settings
from tests.contracts.fitting import fitted
from tests.contracts.tables import planted_table

KEPT = "best epoch on held-out training patients (last epoch)"
EGN_PAPER = {
    "inputs": {"tile_px": 256, "encoder": "egn-extractor"},
    "train": {"keep": "last"},
}
OF_EGN = (
    "egn",
    "egn-released",
    "egn-readout",
    "linear-probe",
    "nsl",
    "vit",
    "cyclemlp",
    "mpvit",
    "vitexp",
    "retro",
)
OTHERS = {
    "stnet": (50, 32),
    "tcgn": (79, 32),
    "tcgn-xs": (79, 32),
    "stformer": (2000, 8),
    "stformer-global": (2000, 8),
    "he2rna": (200, 16),
    "additive-mil": (100, 1),
}
WITHOUT = ("mlp", "abmil", "transmil", "mean-pool")
BEFORE = "not as published (in brackets what is): "


def settings_of(*models, **tables):
    return parse_settings({"cohort": "none", "models": list(models), **tables}, "test")


def length(settings):
    """Epochs and batch size of each row."""
    train = settings.train
    return [(train.epochs_of(row.recipe), train.batch_size_of(row.recipe)) for row in settings.rows]


def test_each_network_trains_as_long_as_its_publication_unless_the_run_says_otherwise():
    published = {**dict.fromkeys(OF_EGN, (50, 32)), **OTHERS, **dict.fromkeys(WITHOUT, (100, 64))}
    assert length(settings_of(*published)) == list(published.values())
    own = settings_of(*published, train={"epochs": 7, "batch_size": 3})
    assert set(length(own)) == {(7, 3)}
    assert settings_of("egn").train.of(own.row("egn").recipe).epochs == 50


def test_the_epochs_of_the_recipe_are_trained_in_its_batches(monkeypatch, tmp_path):
    recipe, seen, batches = Recipe(epochs=2, batch_size=7), [], loop.Batches
    monkeypatch.setattr(model_class("mlp"), "recipe", classmethod(lambda _, __: recipe))
    monkeypatch.setattr(loop, "Batches", lambda **has: seen.append(has) or batches(**has))
    open_ = {"epochs": None, "batch_size": None, "keep": "last"}
    made = fitted("mlp", tmp_path, planted_table(n_spots=20), **open_)
    assert len(made.model.choice["loss"]) == 2
    assert [has["batch_size"] for has in seen] == [7]


def test_a_run_as_published_says_nothing():
    assert departure_line(settings_of("egn", "retro", "vit", "linear-probe", **EGN_PAPER)) == ""
    assert departure_line(settings_of(*WITHOUT, "ridge", train={"epochs": 3})) == ""


def test_a_network_without_a_publication_differs_from_none():
    assert departure_line(settings_of("egn-readout", train={"epochs": 3})) == ""


def test_every_difference_of_a_row_is_named():
    plain = settings_of("egn")
    assert departures(plain, plain.row("egn")) == (
        KEPT,
        "may stop before its cosine ends",
        "tiles of 224 px (256)",
        "encoder colour_texture (egn-extractor)",
    )
    settings = settings_of(
        "egn",
        inputs=EGN_PAPER["inputs"],
        train={"keep": "last", "epochs": 1, "accumulate": 2, "loss": "pcc"},
        settings={
            "egn": {"preset": "small", "depth": 2, "exemplars": {"n": 1, "draw": "random"}},
        },
    )
    assert departures(settings, settings.row("egn")) == (
        "1 epoch (50)",
        "batch 64 (32)",
        "loss pcc (of its own)",
        "1 exemplar (9)",
        "exemplars at random (nearest)",
        "preset small",
        "depth 2 (8)",
    )


def test_the_kept_epoch_is_compared():
    patient = settings_of("egn", "stnet", "tcgn", train={"patience": 50})
    kept = {row.name: departures(patient, row)[:1] for row in patient.rows}
    assert kept == {
        "egn": (KEPT,),
        "stnet": (),
        "tcgn": ("best epoch on held-out training patients (best epoch on test sections)",),
    }
    assert "may stop before its cosine ends" not in departures(patient, patient.row("egn"))
    leaky = {"protocol": "section", "leaks": ["epoch"]}
    tested = settings_of("vit", "tcgn", folds=leaky, inputs={"tile_px": 112})
    assert departures(tested, tested.row("vit"))[0] == "best epoch on test sections (last epoch)"
    assert not any("epoch" in of for of in departures(tested, tested.row("tcgn")))


def test_batches_that_end_early_are_compared():
    own = {"he2rna": {"super_tiles": 100}}
    ended = "batches end at 20,000 tiles (none do)"
    for settings, expected in (({}, True), (own, False)):
        run = settings_of("he2rna", "additive-mil", settings=settings)
        assert (ended in departures(run, run.row("he2rna"))) is expected
        assert ended not in departures(run, run.row("additive-mil"))


def test_published_settings_that_are_no_default_are_compared_too():
    given = {"resize_px": 224, "corners": "mean", "weights": "random"}
    settings = settings_of(
        "tcgn", settings={"tcgn": given}, inputs={"tile_px": 112}, train={"keep": "last"}
    )
    assert departures(settings, settings.row("tcgn")) == (
        "last epoch (best epoch on test sections)",
        'weights "random" ("file")',
    )


def test_rows_with_one_difference_share_its_words_and_many_are_counted():
    rows = {f"k{n}": {"model": "egn", "exemplars": {"n": n}} for n in range(1, 8)}
    tables = {**EGN_PAPER, "train": {"keep": "last", "epochs": 8}}
    line = departure_line(settings_of("egn", *rows, "ridge", settings=rows, **tables))
    assert line == (
        f"{BEFORE}all 8: 8 epochs (50); k1: 1 exemplar (9); k2: 2 exemplars (9); "
        "k3: 3 exemplars (9); and 4 more"
    )


@pytest.mark.parametrize("run", [train, benchmark])
def test_it_is_the_first_line_of_a_run(run, tmp_path):
    told = []
    with told_to(told.append), pytest.raises(DataContractError, match="nowhere"):
        run(tmp_path / "nowhere.csv", "egn", out=tmp_path / "out")
    assert told == [
        f"{BEFORE}egn: {KEPT}, may stop before its cosine ends, "
        "tiles of 224 px (256), encoder colour_texture (egn-extractor)"
    ]


def test_every_registered_network_is_in_one_of_the_lists():
    ours = [name for name in list_models() if model_source(name) is None]
    networks = {name for name in ours if hasattr(model_class(name), "recipe")}
    assert networks == {*OF_EGN, *OTHERS, *WITHOUT}
